"""Kernels that a backend of TF.js registers and that throw, or are wrong, for some nodes.

Passes rewrite nearly all such nodes; this module knows what they leave, so that a backend that would give a
wrong number is never tried. Measured with TF.js 4.22.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tfjs_bundle.bundle import BACKENDS
from tfjs_bundle.graph.ir import GraphModel, Node, node_name, text

_EVERY = frozenset(BACKENDS)
_GPU = frozenset(("webgl", "webgpu"))
_WASM = frozenset(("wasm",))
_ALL_BUT_CPU = _EVERY - {"cpu"}

#: Ops that only say anew how a tensor's elements are counted, which no kernel limits.
_OF_ANY_RANK = frozenset(
    [
        "Placeholder",
        "PlaceholderWithDefault",
        "Const",
        "Identity",
        "IdentityN",
        "StopGradient",
        "NoOp",
        "Shape",
        "Size",
        "Rank",
        "Reshape",
        "ExpandDims",
        "Squeeze",
    ]
)


@dataclass(frozen=True)
class _Place:
    """Where a node stands.

    Attributes:
        rank: of the node's first output, where the tracer knows it.
        widest: the highest rank among its inputs and first output that the tracer knows; 0 if it knows none.
        nodes: the others beside it, by name.
    """

    node: Node
    rank: int | None
    widest: int
    nodes: Mapping[str, Node]

    def type(self, attr: str) -> str:
        return str(self.node.attrs.get(attr, {}).get("type", ""))

    def number(self, attr: str, default: int = 0) -> int:
        return int(self.node.attrs.get(attr, {}).get("i", default))

    def numbers(self, attr: str) -> list[int]:
        return [int(each) for each in self.node.attrs.get(attr, {}).get("list", {}).get("i", [])]


def _always(_: _Place) -> bool:
    return True


def _many_axes(place: _Place) -> bool:
    return place.rank is not None and place.rank > 4


def _beyond_six_axes(place: _Place) -> bool:
    return place.widest > 6


def _dilated(place: _Place) -> bool:
    return any(each != 1 for each in place.numbers("dilations"))


def _inner_axis(place: _Place) -> bool:
    return place.number("axis", -1) != -1


def _batched(place: _Place) -> bool:
    return place.number("batch_dims") != 0


def _skips_other_than_floats(place: _Place) -> bool:
    return place.type("T") != "DT_FLOAT" and _skips(place)


def _skips_of_many_axes(place: _Place) -> bool:
    return _many_axes(place) and _skips(place)


def _skips(place: _Place) -> bool:
    """Say whether a slice leaves elements out, or may."""
    strides = place.nodes.get(node_name(place.node.inputs[3]))
    return strides is None or strides.value is None or any(each != 1 for each in strides.value)


def _as_often_as_a_maximum(place: _Place) -> bool:
    """Say whether a tensor is repeated as often as the largest of some numbers says, which a card finds."""
    counts = place.nodes.get(node_name(place.node.inputs[-1]))
    parts = [place.nodes.get(node_name(tensor)) for tensor in counts.inputs] if counts else []
    return any(part is not None and part.op in ("Max", "Maximum") for part in parts)


def repeats_slopes(shape: tuple[int, ...]) -> bool:
    """Say whether slopes in a row fit the elements of a tensor in a row, again and again.

    That is how wasm's Prelu takes them: it does not broadcast within them.
    """
    return 1 not in itertools.dropwhile(lambda size: size == 1, shape)


def _broadcasts_slopes(place: _Place) -> bool:
    slopes = place.nodes.get(node_name(place.node.inputs[1]))
    return slopes is None or slopes.value is None or not repeats_slopes(slopes.value.shape)


def _beyond_einsum(place: _Place) -> bool:
    equation = text(place.node, "equation").replace(" ", "")
    sides = equation.replace("->", ",").split(",")
    return "." in equation or any(len(set(labels)) < len(labels) for labels in sides)


_Test = Callable[[_Place], bool]

#: The op, which of its nodes, and the backends that get them wrong.
_FAULTS: tuple[tuple[str, _Test, frozenset[str]], ...] = (
    ("BitwiseAnd", _always, _EVERY),  # its executor asks for other names than its mapper gives
    ("Conv2DBackpropInput", _dilated, _EVERY),
    ("Einsum", _beyond_einsum, _EVERY),
    ("OneHot", _inner_axis, _EVERY),
    ("OneHot", _always, _WASM),
    ("DenseBincount", _always, frozenset(("webgpu",))),
    ("GatherV2", _batched, _WASM),
    ("Prelu", _broadcasts_slopes, _WASM),
    ("StridedSlice", _skips_other_than_floats, _WASM),
    ("StridedSlice", _skips_of_many_axes, _GPU),
    *((op, _many_axes, _GPU) for op in ("Pad", "PadV2", "MirrorPad", "ReverseV2", "Cumsum", "Cumprod")),
    *((op, _many_axes, _GPU) for op in ("SelectV2", "SpaceToBatchND", "BatchToSpaceND")),
    *((op, _many_axes, frozenset(("webgpu",))) for op in ("Tile", "BroadcastTo")),
    ("Tile", _as_often_as_a_maximum, frozenset(("webgpu",))),  # the number is read as 0
)


def faulty(graph: GraphModel) -> dict[str, frozenset[str]]:
    """Return for each backend the ops of ``graph`` that it has, and gets wrong as they are used there."""
    found: dict[str, set[str]] = {backend: set() for backend in BACKENDS}
    for place in _places(graph):
        for backends in _backends_that_fail(place):
            for backend in backends:
                found[backend].add(place.node.op)
    return {backend: frozenset(ops) for backend, ops in found.items()}


def _backends_that_fail(place: _Place) -> Iterator[frozenset[str]]:
    for op, applies, backends in _FAULTS:
        if place.node.op == op and applies(place):
            yield backends
    if place.node.op not in _OF_ANY_RANK and _beyond_six_axes(place):
        yield _ALL_BUT_CPU


def _places(graph: GraphModel) -> Iterator[_Place]:
    for function, nodes in graph.bodies():
        shapes = graph.functions[function].shapes if function else graph.shapes
        by_name = {node.name: node for node in nodes}
        for node in nodes:
            inputs = map(node_name, node.inputs) if function else node.inputs
            ranks = [len(shapes[tensor]) for tensor in (node.name, *inputs) if tensor in shapes]
            yield _Place(
                node,
                len(shapes[node.name]) if node.name in shapes else None,
                max(ranks, default=0),
                by_name,
            )
