"""Loops of few steps run faster as straight nodes: TF.js waits for the condition of each step of a loop.

docs/architecture.md has the measurements.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfjs_bundle.graph.ir import Function, GraphModel, Node, TensorSpec, node_name, unused_name
from tfjs_bundle.graph.passes.known_values import known_value
from tfjs_bundle.graph.passes.rewriting import attributes, constant

#: Loops of more steps stay loops: their nodes would be most of model.json, and of the time to load it.
STEPS = 128

#: Nodes that one loop may become at most.
NODES = 4000

_LOOPS = ("While", "StatelessWhile")

#: Ops with several outputs of different names, whose references inside functions cannot be told apart here.
_NAMED_OUTPUTS = frozenset(
    [
        *("TopK", "TopKV2", "Unique", "UniqueV2", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
        *("NonMaxSuppressionV4", "NonMaxSuppressionV5", "ListDiff", "SparseReshape", "SparseFillEmptyRows"),
        *("TensorListPopBack", "TensorListConcat", "TensorListConcatV2"),
    ]
)

#: What a list may go through; any other op that takes one keeps its loop.
_LIST_OPS = frozenset(["TensorListGetItem", "TensorListSetItem", "TensorListStack", "TensorListLength"])


@dataclass(frozen=True)
class _List:
    """A TensorList while the loop is written out: its elements, ``None`` where nothing was written yet."""

    items: tuple[str | None, ...]


#: What a tensor inside the loop stands for: a tensor of the main graph, or a list.
_Value = str | _List


class _StayALoopError(Exception):
    """The loop cannot be written out."""


def unroll_loops(graph: GraphModel) -> GraphModel:
    """Write out loops of the main graph whose number of steps is known and at most :data:`STEPS`.

    TensorLists that only such a loop uses become the tensors that they hold. Leaves every other loop, and
    loops inside functions, as they are. Tensors of the main graph keep their names, but for the loop's.
    """
    for name in [node.name for node in graph.nodes if node.op in _LOOPS]:
        try:
            graph = _Unrolling(graph, name).run()
        except _StayALoopError:
            continue
    return graph


class _Unrolling:
    """One loop on its way out."""

    def __init__(self, graph: GraphModel, name: str) -> None:
        self._graph = graph
        self._by_name = {node.name: node for node in graph.nodes}
        self._loop = self._by_name[name]
        self._functions = [
            graph.functions.get(self._loop.attrs.get(role, {}).get("func", {}).get("name", ""))
            for role in ("body", "cond")
        ]
        self._new: list[Node] = []
        self._known: dict[str, Node] = {}  # new nodes whose values may be told
        self._constants: dict[tuple[str, str], str] = {}
        self._shapes = dict(graph.shapes)
        self._taken = set(self._by_name)

    def run(self) -> GraphModel:
        body, condition = self._functions
        if body is None or condition is None or any(tensor.startswith("^") for tensor in self._loop.inputs):
            raise _StayALoopError
        if any(node.op in _NAMED_OUTPUTS for node in (*body.nodes, *condition.nodes)):
            raise _StayALoopError
        values: list[_Value] = [self._start(tensor) for tensor in self._loop.inputs]
        for step in range(STEPS + 1):
            if not self._goes_on(condition, values):
                break
            if step == STEPS or len(self._new) > NODES:
                raise _StayALoopError
            values = self._inline(body, values, f"{self._loop.name}/step_{step}")
        return self._replaced(values)

    def _start(self, tensor: str) -> _Value:
        """Return what a loop variable begins with; lists are looked into."""
        node = self._by_name.get(node_name(tensor))
        if node is None:
            return tensor
        if node.op == "TensorListReserve":
            count = known_value(node.inputs[1], self._by_name, self._graph.shapes)
            if count is None or not 0 <= int(count) <= STEPS:
                raise _StayALoopError
            return _List((None,) * int(count))
        if node.op == "TensorListFromTensor":
            shape = self._graph.shapes.get(node.inputs[0].removesuffix(":0"))
            if not shape or shape[0] is None or not 0 < shape[0] <= STEPS:
                raise _StayALoopError
            name = self._name(f"{self._loop.name}/{node.name.rsplit('/', 1)[-1]}")
            types = attributes(T=str(node.attrs["element_dtype"]["type"]), num=shape[0], axis=0)
            self._new.append(Node(name, "Unpack", [node.inputs[0]], types))
            self._shapes |= {f"{name}:{i}" if i else name: shape[1:] for i in range(shape[0])}
            return _List(tuple(f"{name}:{index}" if index else name for index in range(shape[0])))
        if node.op.startswith(("TensorList", "EmptyTensorList", "While", "StatelessWhile")):
            kind = node.attrs.get("T", {}).get("list", {}).get("type", ["DT_VARIANT"])
            index = int(tensor.partition(":")[2] or 0)
            if node.op.startswith(("Tensor", "Empty")) or kind[index] == "DT_VARIANT":
                raise _StayALoopError
        return tensor

    def _goes_on(self, condition: Function, values: list[_Value]) -> bool:
        before = len(self._new)
        (result,) = self._inline(condition, values, f"{self._loop.name}/condition")
        known = self._value(result)
        del self._new[before:]  # nobody asks again
        if known is None:
            raise _StayALoopError
        return bool(known)

    def _inline(self, function: Function, values: list[_Value], prefix: str) -> list[_Value]:
        """Copy the function's nodes for these arguments; return its results in order."""
        arguments = [argument["name"] for argument in function.signature["inputArg"]]
        scope: dict[str, _Value] = dict(zip(arguments, values, strict=True))
        for node in function.nodes:
            self._copy(function, node, scope, prefix)
        return [
            self._look_up(function.ret[argument["name"]], scope)
            for argument in function.signature["outputArg"]
        ]

    def _copy(self, function: Function, node: Node, scope: dict[str, _Value], prefix: str) -> None:
        if node.value is not None:
            key = (function.name, node.name)
            if key not in self._constants:
                name = self._name(f"{self._loop.name}/{node.name.rsplit('/', 1)[-1]}")
                self._constants[key] = name
                self._add(Node(name, "Const", [], node.attrs, node.value), keep=True)
            scope[node.name] = self._constants[key]
            return
        inputs = [self._look_up(tensor, scope) for tensor in node.inputs if not tensor.startswith("^")]
        if node.op in _LIST_OPS:
            scope[node.name] = self._with_list(node, inputs, prefix)
            return
        tensors = [each for each in inputs if isinstance(each, str)]
        if (
            len(tensors) < len(inputs)
            or "TensorList" in node.op
            or node.op in ("NoOp", "Assert", "Placeholder")
        ):
            raise _StayALoopError
        if node.op == "Identity":
            scope[node.name] = tensors[0]
            return
        name = self._name(f"{prefix}/{node.name.rsplit('/', 1)[-1]}")
        made = Node(name, node.op, tensors, node.attrs)
        value = self._computed(made)
        if value is not None:  # counters
            made = constant(name, value)
        self._add(made)
        if node.name in function.shapes:
            self._shapes[name] = function.shapes[node.name]
        scope[node.name] = name

    def _with_list(self, node: Node, inputs: list[_Value], prefix: str) -> _Value:
        held = inputs[0]
        if not isinstance(held, _List):
            raise _StayALoopError
        if node.op in ("TensorListStack", "TensorListLength"):
            raise _StayALoopError  # inside the loop: nothing of Keras's
        index = self._value(inputs[1])
        if index is None or not 0 <= int(index) < len(held.items):
            raise _StayALoopError
        at = int(index)
        if node.op == "TensorListGetItem":
            item = held.items[at]
            if item is None:
                raise _StayALoopError
            return item
        written = inputs[2]
        if not isinstance(written, str):
            raise _StayALoopError
        return _List((*held.items[:at], written, *held.items[at + 1 :]))

    def _look_up(self, reference: str, scope: Mapping[str, _Value]) -> _Value:
        name, _, index = reference.rpartition(":") if ":" in reference else (reference, "", "0")
        value = scope[node_name(name)]
        if isinstance(value, _List) or index == "0":
            return value
        return f"{value}:{index}"

    def _value(self, tensor: _Value) -> np.ndarray | None:
        if not isinstance(tensor, str):
            return None
        return known_value(tensor, ChainMap(self._known, self._by_name), self._graph.shapes)

    def _computed(self, node: Node) -> np.ndarray | None:
        """Return the value of a new node of integers or bools, where it is known and a scalar."""
        if not node.inputs or node.op in _LOOPS:
            return None
        value = known_value(
            node.name, ChainMap({node.name: node}, self._known, self._by_name), self._graph.shapes
        )
        if value is None or value.ndim or value.dtype.name not in ("int32", "bool"):
            return None
        return value

    def _add(self, node: Node, *, keep: bool = False) -> None:
        self._new.append(node)
        if keep or node.value is not None:
            self._known[node.name] = node

    def _name(self, wanted: str) -> str:
        name = unused_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def _replaced(self, values: list[_Value]) -> GraphModel:
        """Put the new nodes where the loop was, and let its users take what it gives."""

        def resolve(tensor: str) -> str:
            plain = tensor.removeprefix("^")
            if node_name(plain) != self._loop.name:
                return tensor
            value = values[int(plain.partition(":")[2] or 0)]
            if tensor.startswith("^") or not isinstance(value, str):
                raise _StayALoopError
            return value

        nodes: list[Node] = []
        for node in self._graph.nodes:
            if node is self._loop:
                nodes += self._new
            elif node.op == "TensorListStack" and node_name(node.inputs[0]) == self._loop.name:
                held = values[int(node.inputs[0].partition(":")[2] or 0)]
                if not isinstance(held, _List) or not held.items or None in held.items:
                    raise _StayALoopError
                items = [item for item in held.items if item is not None]
                types = attributes(T=str(node.attrs["element_dtype"]["type"]), N=len(items), axis=0)
                nodes.append(Node(node.name, "Pack", items, types))
            else:
                nodes.append(replace(node, inputs=[resolve(tensor) for tensor in node.inputs]))

        def output(spec: TensorSpec) -> TensorSpec:
            tensor = resolve(spec.tensor)
            return (
                spec
                if tensor == spec.tensor
                else replace(spec, tensor=tensor if ":" in tensor else f"{tensor}:0")
            )

        signature = self._graph.signature
        outputs = tuple(output(spec) for spec in signature.outputs)
        layer = self._graph.layers.get(self._loop.name)
        layers = {**self._graph.layers, **({node.name: layer for node in self._new} if layer else {})}
        return replace(
            self._graph,
            nodes=nodes,
            signature=replace(signature, outputs=outputs),
            layers=layers,
            shapes=self._shapes,
        )
