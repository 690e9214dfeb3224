"""What passes share: replacing nodes by several, in the main graph and in functions alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import Attr, GraphModel, Node, unused_name

_DTYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}


class Emitter:
    """Makes the nodes that take the place of one node; the last must bear its name.

    Tensor references inside functions have three parts; the emitter writes the right form.
    """

    def __init__(self, node: Node, in_function: bool, taken: set[str]) -> None:
        self._prefix = node.name
        self.in_function = in_function
        self._suffix = ":z:0" if in_function else ""
        self._taken = taken
        self.nodes: list[Node] = []

    def op(self, op: str, hint: str, inputs: list[str], **types: str | bool | int) -> str:
        """Add a node and return the reference to its first output; ``types`` become attributes."""
        return self._add(Node(self._name(hint), op, inputs, attributes(**types)))

    def last(self, op: str, inputs: list[str], **types: str | bool | int) -> None:
        """Add the node that bears the replaced node's name."""
        self._add(Node(self._prefix, op, inputs, attributes(**types)))

    def put(self, op: str, inputs: list[str], attrs: dict[str, Attr]) -> None:
        """Add the node that bears the replaced node's name, with attributes as they stand in a node."""
        self._add(Node(self._prefix, op, inputs, dict(attrs)))

    def node(self, node: Node) -> str:
        """Add a copy of ``node`` under its name behind the replaced node's."""
        return self._add(Node(self._name(node.name), node.op, node.inputs, dict(node.attrs), node.value))

    def split(self, axis: str, tensor: str, count: int, hint: str, dtype: str) -> list[str]:
        """Add a Split and return the references to its ``count`` outputs."""
        node = Node(self._name(hint), "Split", [axis, tensor], attributes(T=dtype, num_split=count))
        self.nodes.append(node)
        output = ":output" if self._suffix else ""
        return [f"{node.name}{output}:{index}" for index in range(count)]

    def gather(self, tensor: str, indices: str, axis: str, hint: str, dtype: str) -> str:
        """Add a GatherV2 without batches; ``indices`` and ``axis`` are int32, ``dtype`` is the tensor's."""
        types = {"Tparams": dtype, "Tindices": "DT_INT32", "Taxis": "DT_INT32"}
        return self.op("GatherV2", hint, [tensor, indices, axis], batch_dims=0, **types)

    def const(self, value: np.ndarray | np.generic, hint: str) -> str:
        """Add a constant and return the reference to it."""
        return self._add(constant(self._name(hint), value))

    def _add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name + self._suffix

    def _name(self, hint: str) -> str:
        name = unused_name(f"{self._prefix}/{hint}", self._taken)
        self._taken.add(name)
        return name


def constant(name: str, value: np.ndarray | np.generic) -> Node:
    """Return a constant node; ``value`` is float32, int32 or bool."""
    return Node(name, "Const", attrs=attributes(dtype=_DTYPES[value.dtype.name]), value=np.asarray(value))


def attributes(**values: str | bool | int) -> dict[str, dict[str, object]]:
    """Return attributes in protobuf's JSON form: ``DT_*`` strings are types."""
    result: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            result[name] = {"b": value}
        elif isinstance(value, int):
            result[name] = {"i": str(value)}
        else:
            result[name] = {"type": value}
    return result


def replace_nodes(
    graph: GraphModel, op: str, rewrite: Callable[[Node, Emitter, dict[str, Node]], bool]
) -> GraphModel:
    """Replace every node of type ``op``.

    ``rewrite(node, emitter, nodes_by_name)`` fills the emitter and returns True, or returns
    False to leave the node as it is.
    """
    if op not in graph.ops():
        return graph

    def body(nodes: list[Node], in_function: bool) -> list[Node]:
        by_name = {node.name: node for node in nodes}
        taken = set(by_name)
        result: list[Node] = []
        for node in nodes:
            if node.op == op:
                emitter = Emitter(node, in_function, taken)
                if rewrite(node, emitter, by_name):
                    layers.update(
                        {
                            new.name: graph.layers[node.name]
                            for new in emitter.nodes
                            if node.name in graph.layers
                        }
                    )
                    result.extend(emitter.nodes)
                    continue
            result.append(node)
        return result

    layers = dict(graph.layers)
    functions = {
        name: replace(function, nodes=body(function.nodes, True))
        for name, function in graph.functions.items()
    }
    return replace(graph, nodes=body(graph.nodes, False), functions=functions, layers=layers)


def retyped(graph: GraphModel, before: str, after: str) -> GraphModel:
    """Return ``graph`` with the type ``after`` wherever its nodes and functions name ``before``.

    Constants keep their numpy dtype.
    """

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: changed(each) for name, each in value.items()}
        if isinstance(value, list):
            return [changed(each) for each in value]
        return after if value == before else value

    def body(nodes: list[Node]) -> list[Node]:
        return [replace(node, attrs=changed(node.attrs)) for node in nodes]

    functions = {
        name: replace(each, nodes=body(each.nodes), signature=changed(each.signature))
        for name, each in graph.functions.items()
    }
    return replace(graph, nodes=body(graph.nodes), functions=functions)
