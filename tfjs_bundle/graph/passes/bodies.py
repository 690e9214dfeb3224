"""What passes share that look at all nodes at once: one rewrite for the main graph and for functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tfjs_bundle.graph.ir import GraphModel, Node, node_name

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Body:
    """The nodes of the main graph, or of a function.

    Attributes:
        nodes: each behind those that it uses.
        kept: the nodes that somebody outside knows by name: inputs, outputs, what a function returns.
        shapes: node (or a function's argument) -> the shape of its first output, where the tracer knows it.
        in_function: whether this is a function, where tensor references have three parts.
    """

    nodes: list[Node]
    kept: frozenset[str]
    shapes: dict[str, Shape]
    in_function: bool

    def shape(self, tensor: str) -> Shape | None:
        """Return the shape of the tensor behind a reference, if it is a node's first output."""
        return self.shapes.get(node_name(tensor)) if is_first(tensor) else None

    def uses(self) -> Counter[str]:
        """Return how often each node is used, by nodes and from outside."""
        counts = Counter(node_name(tensor) for node in self.nodes for tensor in node.inputs)
        counts.update(self.kept)
        return counts


def rewrite_bodies(graph: GraphModel, rewrite: Callable[[Body], list[Node]]) -> GraphModel:
    """Return ``graph`` with the nodes that ``rewrite`` gives for the main graph and for every function."""
    signature = (*graph.signature.inputs, *graph.signature.outputs)
    kept = frozenset(node_name(spec.tensor) for spec in signature)
    functions = {
        name: replace(
            function,
            nodes=rewrite(
                Body(function.nodes, frozenset(map(node_name, function.ret.values())), function.shapes, True)
            ),
        )
        for name, function in graph.functions.items()
    }
    return replace(graph, nodes=rewrite(Body(graph.nodes, kept, graph.shapes, False)), functions=functions)


def redirected(nodes: list[Node], sources: Mapping[str, str]) -> list[Node]:
    """Return ``nodes`` with references to the first outputs of some nodes turned to other tensors.

    Args:
        sources: node -> the tensor to use in place of its first output, which may be such a node's again.
    """

    def resolve(tensor: str) -> str:
        while is_first(tensor) and node_name(tensor) in sources:
            tensor = sources[node_name(tensor)]
        return tensor

    return [replace(node, inputs=[resolve(tensor) for tensor in node.inputs]) for node in nodes]


def is_first(tensor: str) -> bool:
    """Return whether a reference is to a node's first output; not to another, nor a control input."""
    return not tensor.startswith("^") and (":" not in tensor or tensor.endswith(":0"))
