"""What optimizing passes share: the nodes of one graph or function, to be found, replaced and bypassed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.ir import Attr, GraphModel, Node, node_name, unused_name
from tfjs_bundle.graph.passes.bodies import Shape, is_first
from tfjs_bundle.graph.passes.known_values import known_value
from tfjs_bundle.graph.passes.rewriting import constant

#: A weight of so many elements is computed while building; anything larger is no vector of channels.
_LARGEST = 1 << 20


class Body:
    """The main graph or a function while a pass edits it.

    Tensor references inside functions have three parts; :meth:`output` writes the right form.

    Attributes:
        shapes: node (or a function's argument) -> the shape of its first output, where the tracer knows it.
        in_function: whether this is a function.
    """

    def __init__(
        self, nodes: list[Node], kept: set[str], shapes: dict[str, Shape], in_function: bool
    ) -> None:
        self.shapes, self.in_function = shapes, in_function
        self._kept = kept
        self._nodes = {node.name: node for node in nodes}
        #: node -> the names of those that use it, once for each use
        self._users: dict[str, list[str]] = {}
        for node in nodes:
            self._use(node)

    def __iter__(self) -> Iterator[Node]:
        """Yield the nodes that there are now, as they are when their turn comes."""
        for name in list(self._nodes):
            if name in self._nodes:
                yield self._nodes[name]

    def producer(self, tensor: str) -> Node | None:
        """Return the node whose first output ``tensor`` is; ``None`` for a function's argument."""
        return self._nodes.get(node_name(tensor)) if is_first(tensor) else None

    def output(self, node: Node | str) -> str:
        """Return the reference to a node's first output."""
        name = node if isinstance(node, str) else node.name
        return f"{name}:z:0" if self.in_function else name

    def users(self, node: Node) -> list[Node] | None:
        """Return the nodes that use ``node``, once for each use; ``None`` where it is returned, too."""
        if node.name in self._kept:
            return None
        return [self._nodes[name] for name in self._users.get(node.name, [])]

    def only_user(self, node: Node) -> Node | None:
        """Return the node that alone uses ``node``, and uses it once; ``None`` where there is none such."""
        users = self.users(node)
        return (
            users[0]
            if users is not None and len(users) == 1 and f"^{node.name}" not in users[0].inputs
            else None
        )

    def shape(self, tensor: str) -> Shape | None:
        """Return the shape of a tensor, where the tracer knows its rank."""
        return self.shapes.get(node_name(tensor) if self.in_function else tensor.removesuffix(":0"))

    def value(self, tensor: str) -> np.ndarray | None:
        """Return the value of a float32 tensor that depends on nothing but constants."""
        value = known_value(tensor, self._nodes, {}, largest=_LARGEST)
        return value if value is not None and value.dtype == np.float32 else None

    def vector(self, tensor: str, beside: str) -> np.ndarray | None:
        """Return the known value of ``tensor`` if it has one number, or one for each channel of ``beside``.

        Channels are on the last axis. The result has one axis; its numbers are finite.
        """
        value = self.value(tensor)
        if value is None or value.size != (value.shape or (1,))[-1] or not np.isfinite(value).all():
            return None
        shape = self.shape(beside)
        if value.ndim > (1 if shape is None else len(shape)):
            return None
        return value.reshape(-1)

    def put(self, node: Node, like: Node | None = None) -> str:
        """Add ``node``, or put it in the place of the one of its name; return its first output.

        Args:
            like: a node of the same layer, and of the same shape.
        """
        if node.name in self._nodes:
            self._release(self._nodes[node.name])
        elif like is not None and like.name in self.shapes:
            self.shapes[node.name] = self.shapes[like.name]
        self._nodes[node.name] = node
        self._use(node)
        return self.output(node)

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a float32 or int32 constant and return its output; the name is made unique."""
        return self.put(constant(self.unused(name), np.ascontiguousarray(value)))

    def unused(self, name: str) -> str:
        """Return ``name``, with a number behind it where there is such a node."""
        return unused_name(name, self._nodes)

    def bypass(self, node: Node, tensor: str) -> None:
        """Let all that uses ``node`` use ``tensor``; a node that the graph returns stays, as a copy of it."""
        self._release(node)
        controls = [
            name for name in self._users.get(node.name, []) if f"^{node.name}" in self._nodes[name].inputs
        ]
        for name in dict.fromkeys(self._users.get(node.name, [])):
            user = self._nodes[name]
            self._release(user)
            user = replace(
                user, inputs=[tensor if self._is_output(each, node) else each for each in user.inputs]
            )
            self._nodes[name] = user
            self._use(user)
        if node.name in self._kept or controls:
            types: dict[str, Attr] = {"T": node.attrs.get("T", {"type": "DT_FLOAT"})}
            self._nodes[node.name] = Node(node.name, "Identity", [tensor], types)
            self._use(self._nodes[node.name])
        else:
            del self._nodes[node.name]

    def remove(self, node: Node) -> None:
        """Drop a node that nothing uses."""
        self._release(node)
        del self._nodes[node.name]

    def sorted(self) -> list[Node]:
        """Return the nodes, each behind those that it uses."""
        result: dict[str, Node] = {}
        begun: set[str] = set()
        for root in self._nodes:
            stack = [root]
            while stack:
                name = stack[-1]
                waiting = [] if name in begun else self._inputs_of(name)
                begun.add(name)
                stack += [each for each in reversed(waiting) if each not in begun]
                if stack[-1] == name:
                    result.setdefault(name, self._nodes[name])
                    stack.pop()
        return list(result.values())

    def _inputs_of(self, name: str) -> list[str]:
        return [each for each in map(node_name, self._nodes[name].inputs) if each in self._nodes]

    def _is_output(self, tensor: str, node: Node) -> bool:
        return not tensor.startswith("^") and node_name(tensor) == node.name

    def _use(self, node: Node) -> None:
        for tensor in node.inputs:
            self._users.setdefault(node_name(tensor), []).append(node.name)

    def _release(self, node: Node) -> None:
        for tensor in node.inputs:
            self._users[node_name(tensor)].remove(node.name)


def edit(graph: GraphModel, ops: frozenset[str], change: Callable[[Body], None]) -> GraphModel:
    """Return ``graph`` with ``change`` applied to every body in which one of ``ops`` occurs."""
    layers = dict(graph.layers)

    def edited(nodes: list[Node], kept: set[str], shapes: dict[str, Shape], in_function: bool) -> list[Node]:
        if not any(node.op in ops for node in nodes):
            return nodes
        body = Body(nodes, kept, shapes, in_function)
        change(body)
        result = body.sorted()
        for node in result if not in_function else ():
            origin = next((name for name in _origins(node.name) if name in graph.layers), None)
            if origin is not None:
                layers[node.name] = graph.layers[origin]
        return result

    shapes = dict(graph.shapes)
    kept = {node_name(spec.tensor) for spec in (*graph.signature.inputs, *graph.signature.outputs)}
    functions = {}
    for name, function in graph.functions.items():
        returned = {node_name(tensor) for tensor in function.ret.values()}
        inner = dict(function.shapes)
        functions[name] = replace(function, nodes=edited(function.nodes, returned, inner, True), shapes=inner)
    nodes = edited(graph.nodes, kept, shapes, False)
    return replace(graph, nodes=nodes, functions=functions, layers=layers, shapes=shapes)


def _origins(name: str) -> Iterator[str]:
    """Yield a node's name and those of the scopes around it: what a pass adds is named behind a node."""
    while name:
        yield name
        name = name.rpartition("/")[0]
