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

#: Ops of one or two arguments as numpy has them.
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "FloorDiv": np.floor_divide,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "LogicalNot": np.logical_not,
    "Neg": np.negative,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Square": np.square,
}

#: How far back a value is followed.
_DEPTH = 20

#: What has more elements is no size, and nothing is computed of it here.
_LARGE = 1024

Memo = dict[str, "np.ndarray | None"]


def known_value(
    tensor: str,
    by_name: Mapping[str, Node],
    shapes: Shapes,
    memo: Memo | None = None,
    largest: int = _LARGE,
) -> np.ndarray | None:
    """Return the value of ``tensor`` where it is known while building, else ``None``.

    Args:
        by_name: the nodes of the same graph or function.
        shapes: the graph's; empty for a function.
        memo: what was found already, for callers that ask for many tensors of a graph.
        largest: the most elements of anything that is computed.
    """
    return _Search(by_name, shapes, {} if memo is None else memo, largest).value(tensor, _DEPTH)


class _Search:
    """Follows values back through the nodes; each node once."""

    def __init__(self, by_name: Mapping[str, Node], shapes: Shapes, memo: Memo, largest: int) -> None:
        self._by_name, self._shapes, self._memo, self._largest = by_name, shapes, memo, largest

    def value(self, tensor: str, depth: int) -> np.ndarray | None:
        node = self._by_name.get(node_name(tensor))
        if node is None or depth == 0 or tensor.startswith("^"):
            return None
        if node.value is not None:
            return np.asarray(node.value)
        if node.name not in self._memo:
            self._memo[node.name] = None  # for graphs with loops
            self._memo[node.name] = self._computed(node, depth)
        return self._memo[node.name]

    def _computed(self, node: Node, depth: int) -> np.ndarray | None:
        if node.op in ("Identity", "StopGradient"):
            return self.value(node.inputs[0], depth - 1)
        if node.op == "Shape":
            return _sizes(self._shapes.get(node.inputs[0]), slice(None))
        if node.op == "StridedSlice":
            return self._slice(node, depth)
        if node.op not in ("Cast", "Pack", *ELEMENTWISE):
            return None
        inputs = []
        for tensor in node.inputs:
            value = self.value(tensor, depth - 1)
            if value is None or value.size > self._largest:
                return None
            inputs.append(value)
        if node.op == "Cast":
            return inputs[0].astype(proto_to_numpy(str(node.attrs["DstT"]["type"])))
        if node.op == "Pack":
            return np.stack(inputs, int(node.attrs.get("axis", {}).get("i", 0)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(ELEMENTWISE[node.op](*inputs))

    def _slice(self, node: Node, depth: int) -> np.ndarray | None:
        """Return ``vector[begin:end:stride]`` or ``vector[begin]``; a shape's other sizes may be unknown."""
        bounds = [self.value(each, depth - 1) for each in node.inputs[1:4]]
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
        source = self._by_name.get(node_name(node.inputs[0]))
        if source is not None and source.op == "Shape":
            vector = _sizes(self._shapes.get(source.inputs[0]), part)
        else:
            whole = self.value(node.inputs[0], depth - 1)
            vector = None if whole is None or whole.ndim != 1 or whole.size > _LARGE else whole[part]
        if vector is None or (masks["shrink_axis"] and vector.size != 1):
            return None
        return np.asarray(vector[0]) if masks["shrink_axis"] else vector


def _sizes(shape: tuple[int | None, ...] | None, part: slice) -> np.ndarray | None:
    if shape is None or None in shape[part]:
        return None
    return np.array(shape[part], np.int32)
