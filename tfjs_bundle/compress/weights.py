"""Which constants of a graph are weights that compression is for, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name

#: Elements; what is smaller would hardly make a bundle smaller, and rounding it can cost as much as any.
SMALLEST = 1024

_CONVOLUTIONS = frozenset(("Conv2D", "_FusedConv2D", "Conv1D", "Conv3D"))
_DEPTHWISE = frozenset(("DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"))
_TRANSPOSED = frozenset(("Conv2DBackpropInput", "Conv2DTranspose", "Conv3DBackpropInputV2"))
_PRODUCTS = {"MatMul": ("transpose_a", "transpose_b"), "_FusedMatMul": ("transpose_a", "transpose_b")}
_BATCHED = {"BatchMatMul": ("adj_x", "adj_y"), "BatchMatMulV2": ("adj_x", "adj_y")}
_GATHERS = frozenset(("GatherV2", "Gather", "ResourceGather"))
_HAND_ON = frozenset(("Identity", "Reshape", "ExpandDims", "Squeeze", "Transpose"))
_LOOPS = frozenset(("While", "StatelessWhile"))


@dataclass(frozen=True)
class Weight:
    """One constant of 32-bit floats that is large enough to matter.

    Attributes:
        name: as :meth:`GraphModel.weights` has it.
        value: float32, finite.
        layer: for messages: the Keras layer if it is known, else the node.
        kernel: whether it is multiplied with (a convolution's, a product's), so that it may be pruned.
        reduced: the axes over which one scale per channel holds for all; empty where none is worth it.
        main: whether it stands in the main graph, where it can be replaced to measure what that does.
    """

    name: str
    value: np.ndarray
    layer: str
    kernel: bool
    reduced: tuple[int, ...]
    main: bool


def weights_of(graph: GraphModel) -> list[Weight]:
    """Return the weights of ``graph`` in its order."""
    found = []
    for function, nodes in graph.bodies():
        readers = _readers(nodes)
        for node in nodes:
            value = node.value
            if value is None or value.dtype != np.float32 or value.size < SMALLEST:
                continue
            if not np.isfinite(value).all():
                continue
            reading = readers.get(node.name, [])
            uses = [_use(graph, readers, reader, index, value.ndim) for reader, index in reading]
            places = [node.name, *(reader.name for reader, _ in reading)]
            layer = next((graph.layers[name] for name in places if name in graph.layers), "")
            found.append(
                Weight(
                    name=f"{function}/{node.name}" if function else node.name,
                    value=value,
                    layer=f"layer {layer!r}" if layer else f"node {node.name!r}",
                    kernel=any(kernel for kernel, _ in uses),
                    reduced=uses[0][1] if uses else _last_kept(value.ndim),
                    main=not function,
                )
            )
    return found


def with_values(graph: GraphModel, values: Mapping[str, np.ndarray]) -> GraphModel:
    """Return ``graph`` with other numbers in the weights named in ``values``."""

    def changed(prefix: str, nodes: list[Node]) -> list[Node]:
        return [
            replace(node, value=values[prefix + node.name]) if prefix + node.name in values else node
            for node in nodes
        ]

    functions = {
        name: replace(function, nodes=changed(f"{name}/", function.nodes))
        for name, function in graph.functions.items()
    }
    return replace(graph, nodes=changed("", graph.nodes), functions=functions)


_Readers = Mapping[str, list[tuple[Node, int]]]


def _readers(nodes: list[Node]) -> _Readers:
    """Return by name who reads a node's output, and as which input."""
    found: dict[str, list[tuple[Node, int]]] = {}
    for node in nodes:
        for index, tensor in enumerate(node.inputs):
            if not tensor.startswith("^"):
                found.setdefault(node_name(tensor), []).append((node, index))
    return found


def _use(
    graph: GraphModel, readers: _Readers, node: Node, index: int, rank: int
) -> tuple[bool, tuple[int, ...]]:
    """Return whether a constant is a kernel there, and over which axes its channels' scales hold."""
    if node.op in _CONVOLUTIONS and index == 1:
        return True, tuple(range(rank - 1))
    if node.op in _DEPTHWISE and index == 1:
        return True, (0, 1)
    if node.op in _TRANSPOSED and index == 1:  # height, width, channels out, channels in
        return True, (*range(rank - 2), rank - 1)
    if node.op in _PRODUCTS | _BATCHED and index < 2 and rank >= 2:
        attribute = node.attrs.get((_PRODUCTS | _BATCHED)[node.op][index], {})
        swapped = bool(attribute.get("b"))
        # what is summed over: the last axis of the left factor, the last but one of the right
        summed = (
            (rank - 1 if index == 0 else rank - 2) if not swapped else (rank - 2 if index == 0 else rank - 1)
        )
        return True, (summed,)
    if node.op in _GATHERS and index == 0:
        return False, tuple(range(1, rank))
    if node.op in _HAND_ON and index == 0:
        later = [_use(graph, readers, reader, place, 2) for reader, place in readers.get(node.name, [])]
        return any(kernel for kernel, _ in later), _last_kept(rank)
    if node.op in _LOOPS:
        body = graph.functions.get(node.attrs.get("body", {}).get("func", {}).get("name", ""))
        if body is not None:
            argument = body.signature["inputArg"][index]["name"]
            inside = _readers(body.nodes)
            uses = [_use(graph, inside, reader, place, rank) for reader, place in inside.get(argument, [])]
            return any(kernel for kernel, _ in uses), next((axes for _, axes in uses), _last_kept(rank))
    return False, _last_kept(rank)


def _last_kept(rank: int) -> tuple[int, ...]:
    return tuple(range(rank - 1))
