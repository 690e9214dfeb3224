"""Values that can be told while building: constants, sizes that the tracer knows, and what is made of them.

TensorFlow's own folding stops at ``Shape`` as soon as one size, such as the batch's, is unknown, though
height and width may be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfjs_bundle.graph.dtypes import proto_to_numpy
from tfjs_bundle.graph.ir import Node, node_name

Shapes = Mapping[str, tuple[int | None, ...]]

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "FloorDiv": np.floor_divide,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
}

#: How far back a value is followed.
_DEPTH = 20


def known_value(tensor: str, by_name: Mapping[str, Node], shapes: Shapes) -> np.ndarray | None:
    """Return the value of ``tensor`` where it is known while building, else ``None``.

    Args:
        by_name: the nodes of the same graph or function.
        shapes: the graph's; empty for a function.
    """
    return _value(tensor, by_name, shapes, _DEPTH)


def _value(tensor: str, by_name: Mapping[str, Node], shapes: Shapes, depth: int) -> np.ndarray | None:
    node = by_name.get(node_name(tensor))
    if node is None or depth == 0 or tensor.startswith("^"):
        return None
    if node.value is not None:
        return np.asarray(node.value)
    if node.op in ("Identity", "StopGradient"):
        return _value(node.inputs[0], by_name, shapes, depth - 1)
    if node.op == "Shape":
        return _sizes(shapes.get(node.inputs[0]), slice(None))
    if node.op == "StridedSlice":
        return _slice(node, by_name, shapes, depth)
    inputs = [_value(each, by_name, shapes, depth - 1) for each in node.inputs if not each.startswith("^")]
    if not inputs or any(each is None for each in inputs):
        return None
    if node.op == "Cast":
        return np.asarray(inputs[0]).astype(proto_to_numpy(str(node.attrs["DstT"]["type"])))
    if node.op == "Pack":
        return np.stack(inputs, int(node.attrs.get("axis", {}).get("i", 0)))  # type: ignore[arg-type]
    if node.op in _ELEMENTWISE:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(_ELEMENTWISE[node.op](*inputs))
    return None


def _slice(node: Node, by_name: Mapping[str, Node], shapes: Shapes, depth: int) -> np.ndarray | None:
    """Return ``vector[begin:end:stride]`` or ``vector[begin]``; a shape's other sizes may be unknown."""
    bounds = [_value(each, by_name, shapes, depth - 1) for each in node.inputs[1:4]]
    masks = {
        name: int(node.attrs.get(f"{name}_mask", {}).get("i", 0))
        for name in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")
    }
    if any(each is None or each.size != 1 for each in bounds) or masks["ellipsis"] or masks["new_axis"]:
        return None
    begin, end, stride = (int(each.ravel()[0]) for each in bounds if each is not None)
    part = slice(None if masks["begin"] else begin, None if masks["end"] else end, stride)
    if masks["shrink_axis"]:
        part = slice(begin, begin + 1 or None)
    source = by_name.get(node_name(node.inputs[0]))
    if source is not None and source.op == "Shape":
        vector = _sizes(shapes.get(source.inputs[0]), part)
    else:
        whole = _value(node.inputs[0], by_name, shapes, depth - 1)
        vector = None if whole is None or whole.ndim != 1 else whole[part]
    if vector is None or (masks["shrink_axis"] and vector.size != 1):
        return None
    return vector[0] if masks["shrink_axis"] else vector


def _sizes(shape: tuple[int | None, ...] | None, part: slice) -> np.ndarray | None:
    if shape is None or None in shape[part]:
        return None
    return np.array(shape[part], np.int32)
