"""Nodes that give what they were given: identities, dropout's leftovers, reshapes to the same shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.bodies import Body, is_first, redirected, rewrite_bodies

#: Ops that only say anew how the elements of a tensor are counted.
_RESHAPES = ("Reshape", "ExpandDims", "Squeeze")


def remove_no_ops(graph: GraphModel) -> GraphModel:
    """Let what uses a node that changes nothing use its input.

    These are Identity, StopGradient and EnsureShape, casts to the same dtype, reshapes, transposes, pads,
    slices and tiles to the same, products with 1, sums with -0 and differences with 0 (x + 0 makes 0 of -0,
    and stays). Of two reshapes the first is passed by, as are two transposes that undo each other. Nodes that
    are known from outside stay. Leaves what nobody uses any more to :func:`remove_unused`.
    """
    return rewrite_bodies(graph, _removed)


def _removed(body: Body) -> list[Node]:
    view = _View(body)
    for node in body.nodes:
        if node.op == "Reshape":
            node = view.pass_by_reshapes(node)
        if node.name not in body.kept and node.inputs:
            source = view.source(node)
            if source is not None:
                view.sources[node.name] = source
    return redirected([view.nodes[node.name] for node in body.nodes], view.sources)


class _View:
    """A body with what was found of it so far.

    Attributes:
        sources: node that changes nothing -> the tensor that it is given.
    """

    def __init__(self, body: Body) -> None:
        self.body = body
        self.nodes = {node.name: node for node in body.nodes}
        self.sources: dict[str, str] = {}

    def resolve(self, tensor: str) -> str:
        while is_first(tensor) and node_name(tensor) in self.sources:
            tensor = self.sources[node_name(tensor)]
        return tensor

    def value(self, tensor: str) -> np.ndarray | None:
        node = self.nodes.get(node_name(self.resolve(tensor)))
        return None if node is None or node.value is None else np.asarray(node.value)

    def source(self, node: Node) -> str | None:
        """Return the tensor that equals the first output of ``node``, if another one does."""
        if any(tensor.startswith("^") for tensor in node.inputs):
            return None
        check = _CHECKS.get(node.op)
        return check(self, node) if check else None

    def keeps_shape(self, node: Node, tensor: str | None = None) -> bool:
        """Say whether the output has the shape of ``tensor`` (by default the first input) as far as is known.

        One size may be unknown where the number of elements is the same.
        """
        shape = self.body.shapes.get(node.name)
        other = self.body.shape(tensor or node.inputs[0])
        return shape is not None and shape == other and shape.count(None) <= 1

    def pass_by_reshapes(self, node: Node) -> Node:
        """Let a Reshape of a reshaped tensor read the tensor itself."""
        tensor = self.resolve(node.inputs[0])
        inner = self.nodes.get(node_name(tensor))
        while inner is not None and inner.op in _RESHAPES and is_first(tensor) and not _controlled(inner):
            tensor = self.resolve(inner.inputs[0])
            inner = self.nodes.get(node_name(tensor))
        self.nodes[node.name] = replace(node, inputs=[tensor, *node.inputs[1:]])
        return self.nodes[node.name]


def _controlled(node: Node) -> bool:
    return any(tensor.startswith("^") for tensor in node.inputs)


def _always(_: _View, node: Node) -> str:
    return node.inputs[0]


def _cast(_: _View, node: Node) -> str | None:
    return node.inputs[0] if node.attrs["SrcT"] == node.attrs["DstT"] else None


def _reshape(view: _View, node: Node) -> str | None:
    return node.inputs[0] if view.keeps_shape(node) else None


def _whole(view: _View, node: Node) -> str | None:
    """Slices, tiles and broadcasts, of which a size that is unknown might become another."""
    shape = view.body.shapes.get(node.name)
    same = shape is not None and None not in shape and shape == view.body.shape(node.inputs[0])
    return node.inputs[0] if same else None


def _strided(view: _View, node: Node) -> str | None:
    strides = view.value(node.inputs[3])
    if strides is None or (strides != 1).any():
        return None
    shape = view.body.shapes.get(node.name)
    if shape is None or shape != view.body.shape(node.inputs[0]):
        return None
    masks = [_mask(node.attrs, name) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    if any(masks[2:]):
        return None
    whole = all(
        size is not None or (masks[0] >> axis & masks[1] >> axis & 1) or axis >= strides.size
        for axis, size in enumerate(shape)
    )
    return node.inputs[0] if whole else None


def _mask(attrs: Mapping[str, Any], name: str) -> int:
    return int(attrs.get(f"{name}_mask", {}).get("i", 0))


def _transpose(view: _View, node: Node) -> str | None:
    order = view.value(node.inputs[1])
    if order is None:
        return None
    if (order == np.arange(order.size)).all():
        return node.inputs[0]
    inner = view.nodes.get(node_name(view.resolve(node.inputs[0])))
    if inner is None or inner.op != "Transpose" or _controlled(inner):
        return None
    first = view.value(inner.inputs[1])
    undone = first is not None and first.size == order.size and (first[order] == np.arange(order.size)).all()
    return inner.inputs[0] if undone else None


def _pad(view: _View, node: Node) -> str | None:
    margins = view.value(node.inputs[1])
    return node.inputs[0] if margins is not None and not margins.any() else None


def _neutral(number: float, places: tuple[int, ...]) -> Callable[[_View, Node], str | None]:
    """Return a check for ``number``, of its sign too, at one of ``places`` of two inputs."""

    def check(view: _View, node: Node) -> str | None:
        for place in places:
            value, other = view.value(node.inputs[place]), node.inputs[1 - place]
            if value is None or (value != number).any() or (np.signbit(value) != np.signbit(number)).any():
                continue
            shape = view.body.shape(other)
            if not value.ndim or (shape is not None and _widens_nothing(value.shape, shape)):
                return other
        return None

    return check


def _widens_nothing(small: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(small) <= len(shape) and all(
        size == 1 or size == other for size, other in zip(small[::-1], shape[::-1], strict=False)
    )


def _single(_: _View, node: Node) -> str | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


_CHECKS: dict[str, Callable[[_View, Node], str | None]] = {
    "Identity": _always,
    "StopGradient": _always,
    "EnsureShape": _always,
    "Cast": _cast,
    "Reshape": _reshape,
    "Slice": _whole,
    "Tile": _whole,
    "BroadcastTo": _whole,
    "StridedSlice": _strided,
    "Transpose": _transpose,
    "Pad": _pad,
    "PadV2": _pad,
    "MirrorPad": _pad,
    "Mul": _neutral(1.0, (1, 0)),
    "RealDiv": _neutral(1.0, (1,)),
    "Sub": _neutral(0.0, (1,)),
    "AddV2": _neutral(-0.0, (1, 0)),
    "AddN": _single,
}
