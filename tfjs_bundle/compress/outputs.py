"""What a graph gives when its weights change: run by TensorFlow, in the child process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tfjs_bundle.compress.quantize import Damage
from tfjs_bundle.compress.weights import Weight, weights_of
from tfjs_bundle.convert.child import Child
from tfjs_bundle.graph.dtypes import numpy_to_proto, tfjs_tensor
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec, node_name
from tfjs_bundle.graph.partition import Partitioned
from tfjs_bundle.graph.passes.remove_unused import remove_unused
from tfjs_bundle.graph.passes.rewriting import retyped

#: Multiplications that measuring may take in all: about half a minute on two cores. A number of rows follows
#: from it, and never from a clock, so that the same build gives the same bytes.
WORK = 2e11
MOST_ROWS = 64
_SQUASHING = frozenset(("Softmax", "LogSoftmax", "Sigmoid", "Tanh"))
_HAND_ON = frozenset(("Identity", "Reshape", "Squeeze"))
#: What an axis of unknown size counts as.
_UNKNOWN = 32
#: A spread is never taken for smaller than this share of the output's size: a model that says the same of
#: every input would else suffer from anything.
_LEAST_SPREAD = 0.01


class Outputs:
    """Predicts with a graph, and with the program around it.

    Args:
        original: as converted: what the program's nodes are nodes of.
        parts: ``original``, divided.
        child: the TensorFlow process.
    """

    def __init__(self, original: GraphModel, parts: Partitioned, child: Child) -> None:
        self._original, self._parts, self._child = original, parts, child
        self._graph = parts.graph

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The public ones."""
        return self._original.signature.inputs

    def load(self, graph: GraphModel, varied: Sequence[str] = ()) -> None:
        """Take ``graph``, which has the signature of the divided one, for the predictions that follow."""
        self._graph = graph
        if self._parts.program is not None:
            # ops may ask for 64 bits, which the program keeps to itself: TensorFlow looks, TF.js does not
            graph = retyped(graph, "DT_INT64", "DT_INT32")
        self._child.call("prepare_graph", graph, list(varied))

    def feeds(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return what the graph takes, in its order, for public ``inputs`` by name."""
        program = self._parts.program
        made: dict[str, np.ndarray] = {}
        if program is not None and program.feeds:
            made = self._around(self._original.signature.inputs, inputs, program.feeds)
        return [
            tfjs_tensor(np.asarray({**inputs, **made}[spec.name])) for spec in self._graph.signature.inputs
        ]

    def run(
        self, feeds: Sequence[np.ndarray], values: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the graph's outputs by name."""
        outputs = self._child.call("run_prepared", list(feeds), dict(values or {}))
        specs = self._graph.signature.outputs
        return {spec.name: tfjs_tensor(value) for spec, value in zip(specs, outputs, strict=True)}

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the model's outputs by name, in its order, for public ``inputs`` by name."""
        program = self._parts.program
        found = self.run(self.feeds(inputs)) if self._graph.signature.outputs else {}
        if program is not None and program.outputs:
            specs = [*self._original.signature.inputs]
            given = dict(inputs)
            for tensor, (name, dtype) in program.fetches.items():
                specs.append(TensorSpec(f"fetched {tensor}", None, dtype, dtype, tensor))
                given[specs[-1].name] = found[name].astype(dtype)
            found |= self._around(specs, given, program.outputs)
        return {spec.name: found[spec.name] for spec in self._original.signature.outputs}

    def damage(self, cases: Sequence[Mapping[str, np.ndarray]]) -> Damage:
        """Return what measures how far the outputs of ``cases`` move when loaded weights change."""
        feeds = [self.feeds(case) for case in cases]
        before = [self.run(each) for each in feeds]

        def measure(values: Mapping[str, np.ndarray]) -> float:
            after = [self.run(each, values) for each in feeds]
            # three digits: the rest changes from run to run
            return float(f"{movement(before, after):.3g}")

        return measure

    def _around(
        self, specs: Sequence[TensorSpec], given: Mapping[str, np.ndarray], wanted: Mapping[str, str]
    ) -> dict[str, np.ndarray]:
        """Run the original graph from the tensors of ``specs`` to those of ``wanted``, by name."""
        cut = {spec.tensor: f"cut_{index}" for index, spec in enumerate(specs)}
        renamed = {
            node_name(tensor) if tensor.endswith(":0") else tensor: name for tensor, name in cut.items()
        }
        nodes = [
            replace(node, inputs=[renamed.get(_first(tensor), tensor) for tensor in node.inputs])
            for node in self._original.nodes
        ]
        nodes += [_placeholder(name, spec) for name, spec in zip(cut.values(), specs, strict=True)]
        signature = Signature(
            tuple(replace(spec, tensor=name) for name, spec in zip(cut.values(), specs, strict=True)),
            tuple(
                TensorSpec(name, None, "float32", "float32", renamed.get(_first(tensor), tensor))
                for name, tensor in wanted.items()
            ),
        )
        graph = replace(self._original, nodes=nodes, signature=signature)
        values = [np.asarray(given[spec.name]) for spec in specs]
        outputs = self._child.call("run_graph", remove_unused(graph), values)
        return dict(zip(wanted, outputs, strict=True))


def _first(tensor: str) -> str:
    return tensor.removesuffix(":0")


def _placeholder(name: str, spec: TensorSpec) -> Node:
    return Node(name, "Placeholder", [], {"dtype": {"type": numpy_to_proto(spec.source_dtype)}})


def movement(before: Sequence[Mapping[str, np.ndarray]], after: Sequence[Mapping[str, np.ndarray]]) -> float:
    """Return how far the output that moved most did, relative to its spread over all its numbers.

    That is the root mean square of the difference over the standard deviation; of what is no float, the share
    of values that changed.
    """
    return max(
        (_movement([b[name] for b in before], [a[name] for a in after]) for name in before[0]), default=0
    )


def _movement(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> float:
    old, new = (np.concatenate([np.ravel(value) for value in values]) for values in (before, after))
    if old.size != new.size:
        return math.inf
    if old.dtype.kind != "f":
        return float(np.mean(old != new)) if old.size else 0.0
    finite = np.isfinite(old)
    old, new = old[finite].astype(np.float64), new[finite].astype(np.float64)
    if not old.size:
        return 0.0
    if not np.isfinite(new).all():
        return math.inf
    moved = math.sqrt(np.mean((new - old) ** 2))
    spread = max(float(old.std()), _LEAST_SPREAD * math.sqrt(np.mean(old**2)))
    return moved / spread if spread else (math.inf if moved else 0.0)


def before_squashing(graph: GraphModel) -> GraphModel:
    """Return ``graph`` with outputs in front of a closing softmax or sigmoid.

    Where a model is sure of itself, as it may be of any noise, a probability hides what moved.
    """
    by_name = {node.name: node for node in graph.nodes}

    def source(tensor: str) -> str:
        place, found = tensor, tensor
        while (node := by_name.get(node_name(place))) and node.op in _HAND_ON | _SQUASHING:
            place = node.inputs[0]
            found = place if node.op in _SQUASHING else found
        return found

    outputs = tuple(replace(spec, tensor=source(spec.tensor)) for spec in graph.signature.outputs)
    return replace(graph, signature=replace(graph.signature, outputs=outputs))


def affordable_rows(graph: GraphModel, runs: int) -> int:
    """Return for how many rows of input ``runs`` predictions take about :data:`WORK`; at least one."""
    work = sum(weight.value.size * _positions(graph, weight) for weight in weights_of(graph))
    return max(1, min(MOST_ROWS, int(WORK / (max(runs, 1) * max(work, 1)))))


def _positions(graph: GraphModel, weight: Weight) -> int:
    """Return how often a weight is multiplied with per row: the pixels or steps of what reads it."""
    for node in graph.nodes:
        if weight.kernel and weight.name in map(node_name, node.inputs):
            shape = graph.shapes.get(node.name)
            return math.prod(size or _UNKNOWN for size in shape[1:-1]) if shape else _UNKNOWN**2
    return 1
