"""Which weights share a shard, so that a change of the model is a change of few shards.

Whole layers stand together in the order of their use, and the last one, which fine-tuning changes, alone.
Where a shard ends depends on the sizes and names of the layers near its end: other numbers move no end, and a
layer more moves the next one or two.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tfjs_bundle.graph.ir import GraphModel, Node, node_name

#: Bytes: with less than this beside it, the last layer is downloaded again about as fast as it is asked for.
_NOT_WORTH_A_REQUEST = 256 << 10


@dataclass
class Layer:
    """The weights of a layer: their names, and whether there is a matrix or a kernel among them."""

    name: str
    weights: list[str] = field(default_factory=list)
    large: bool = False


def layers_in_order(graph: GraphModel) -> list[Layer]:
    """Return all weights of ``graph`` by the layer that uses them first, in the order of use.

    Those of functions stand ahead, by function. A layer without a kernel is a part of the one before it.
    """
    layers = [
        Layer(function, [f"{function}/{node.name}" for node in nodes if node.value is not None])
        for function, nodes in graph.bodies()
        if function
    ]
    behind: dict[str, list[Node]] = {}  # of what is computed of constants alone: these constants
    met: set[str] = set()
    for node in graph.nodes:
        sources = [node_name(tensor) for tensor in node.inputs]
        if node.value is not None:
            behind[node.name] = [node]
        elif sources and all(source in behind for source in sources):
            behind[node.name] = [constant for source in sources for constant in behind[source]]
        else:
            constants = [constant for source in sources for constant in behind.get(source, ())]
            _add(layers, graph, node, [constant for constant in constants if constant.name not in met])
            met.update(constant.name for constant in constants)
    unused = [node.name for node in graph.nodes if node.value is not None and node.name not in met]
    return [layer for layer in (Layer("", unused), *layers) if layer.weights]


def _add(layers: list[Layer], graph: GraphModel, node: Node, constants: Sequence[Node]) -> None:
    if not constants:
        return
    name = graph.layers.get(node.name) or node.name.rpartition("/")[0]
    large = any(constant.value is not None and constant.value.ndim > 1 for constant in constants)
    if not layers or (large and layers[-1].large and layers[-1].name != name):
        layers.append(Layer(name))
    layers[-1].weights += [constant.name for constant in constants]
    layers[-1].large |= large
    if large:
        layers[-1].name = name


def grouped(layers: Sequence[Layer], sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Return the names of the weights shard by shard.

    Args:
        sizes: bytes by name.
        limit: no group is larger, but for one of a single weight that is.
    """
    pieces = [piece for layer in layers for piece in _pieces(layer, sizes, limit)]
    body, head = pieces, []
    if layers and sum(size for _, _, size in pieces) - sum(map(sizes.__getitem__, layers[-1].weights)) > (
        _NOT_WORTH_A_REQUEST
    ):
        count = len(_pieces(layers[-1], sizes, limit))
        body, head = pieces[:-count], pieces[-count:]
    return [*_filled(body, limit), *_filled(head, limit)]


def _pieces(layer: Layer, sizes: Mapping[str, int], limit: int) -> list[tuple[str, list[str], int]]:
    """Return a layer as what is not taken apart: all of it, or each weight where that is too much."""
    size = sum(sizes[name] for name in layer.weights)
    if size <= limit:
        return [(layer.name, layer.weights, size)]
    return [(f"{layer.name} {name}", [name], sizes[name]) for name in layer.weights]


def _filled(pieces: list[tuple[str, list[str], int]], limit: int) -> list[list[str]]:
    """Put pieces together, up to an end in the upper half of ``limit``, where the name has the least CRC."""
    groups = []
    start = 0
    while start < len(pieces):
        total, end = 0, start
        ends: dict[int, int] = {}
        for index in range(start, len(pieces)):
            name, _, size = pieces[index]
            total += size
            if total > limit and index > start:
                end = min(ends, key=ends.__getitem__, default=end)
                break
            end = index
            if total >= limit // 2:
                ends[index] = zlib.crc32(name.encode())
        groups.append([name for _, names, _ in pieces[start : end + 1] for name in names])
        start = end + 1
    return groups
