"""Which op of a graph model runs on which backend of TF.js.

The kernels that each backend registers and the ops that TF.js's converter executes are
measured when the runtime is compiled (``kernels.json``); this module knows which
kernels an op comes down to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tfjs_bundle.bundle import BACKENDS
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph.faults import faulty
from tfjs_bundle.graph.ir import GraphModel

RUNTIME = Path(__file__).parents[1] / "_runtime"

#: Ops that the executor handles itself, on any backend.
_NO_KERNEL = frozenset(
    [
        "Placeholder",
        "PlaceholderWithDefault",
        "Const",
        "Identity",
        "IdentityN",
        "NoOp",
        "Snapshot",
        "StopGradient",
        "Shape",
        "ShapeN",
        "Size",
        "Rank",
        "Print",
        "Assert",
        "FakeQuantWithMinMaxVars",
        "EnsureShape",
        "ListDiff",
        "Where",
        "NonMaxSuppressionV2",
        "NonMaxSuppressionV3",
        "NonMaxSuppressionV4",
        "NonMaxSuppressionV5",
        "If",
        "StatelessIf",
        "While",
        "StatelessWhile",
        "LoopCond",
        "Switch",
        "Merge",
        "Enter",
        "Exit",
        "NextIteration",
        "PartitionedCall",
        "StatefulPartitionedCall",
        "TensorArrayV3",
        "TensorArrayReadV3",
        "TensorArrayWriteV3",
        "TensorArraySizeV3",
        "TensorArrayCloseV3",
        "TensorListReserve",
        "TensorListSetItem",
        "TensorListGetItem",
        "TensorListLength",
        "TensorListResize",
        "TensorListPushBack",
        "TensorListPopBack",
        "EmptyTensorList",
        "HashTable",
        "HashTableV2",
        "LookupTableImport",
        "LookupTableImportV2",
        "LookupTableFind",
        "LookupTableFindV2",
        "LookupTableSize",
        "LookupTableSizeV2",
        "InitializeTable",
        "InitializeTableV2",
    ]
)

#: Where an op's kernels are not one kernel of its own name. From TF.js 4.22's executors.
_KERNELS: Mapping[str, tuple[str, ...]] = {
    "AddV2": ("Add",),
    "BiasAdd": ("Add",),
    "Mul": ("Multiply",),
    "LogSoftmax": ("Max", "Sub", "Exp", "Sum", "Log"),
    "Div": ("RealDiv",),
    "DivNoNan": ("RealDiv", "Equal", "Select"),
    "FloorMod": ("Mod",),
    "Conv1D": ("Conv2D",),
    "_FusedConv2D": ("FusedConv2D",),
    "FusedDepthwiseConv2dNative": ("FusedDepthwiseConv2D",),
    "DepthwiseConv2d": ("DepthwiseConv2dNative",),
    "Conv2DTranspose": ("Conv2DBackpropInput",),
    "Ones": ("Fill",),
    "Zeros": ("Fill",),
    "RandomUniform": (),
    "RandomUniformInt": (),
    "RandomStandardNormal": (),
    "TruncatedNormal": (),
    "LowerBound": ("SearchSorted",),
    "UpperBound": ("SearchSorted",),
    "TopKV2": ("TopK",),
    "UniqueV2": ("Unique",),
    "ImageProjectiveTransformV3": ("Transform",),
    "SelectV2": ("Select",),
    "BatchMatMulV2": ("BatchMatMul",),
    "MatMul": ("BatchMatMul",),
    "FusedBatchNormV2": ("FusedBatchNorm",),
    "FusedBatchNormV3": ("FusedBatchNorm",),
    "EuclideanNorm": ("Square", "Sum", "Sqrt"),
    "ConcatV2": ("Concat",),
    "Gather": ("GatherV2",),
    "ReverseV2": ("Reverse",),
    "Split": ("SplitV",),
    "TensorListStack": ("Pack",),
    "TensorListGather": ("Pack",),
    "TensorListFromTensor": ("Unpack",),
    "TensorListScatter": ("Unpack",),
    "TensorListScatterV2": ("Unpack",),
    "TensorListConcat": ("Concat",),
    "TensorListConcatV2": ("Concat",),
    "TensorListSplit": ("Slice",),
    "TensorArrayGatherV3": ("Pack",),
    "TensorArrayScatterV3": ("Unpack",),
    "TensorArrayConcatV3": ("Concat",),
    "TensorArraySplitV3": ("Slice",),
    "RFFT": ("FFT",),
    "IRFFT": ("IFFT",),
    "Pad": ("PadV2",),
    "Squeeze": ("Reshape",),
    "BroadcastTo": ("Tile",),
}

_LINEAR_ALGEBRA = (
    *("Cholesky", "CholeskyV2", "Eig", "Lu", "MatrixDeterminant", "MatrixInverse", "MatrixSolve"),
    *("MatrixTriangularSolve", "Qr", "SelfAdjointEigV2", "Svd"),
)

#: What to do where more can be said than for any op.
_CURES = dict.fromkeys(
    _LINEAR_ALGEBRA,
    "TensorFlow.js has no linear algebra: compute this part before or after the model, or once, as a weight.",
)


@dataclass(frozen=True)
class BackendSupport:
    """Whether a backend has every kernel that a model needs."""

    supported: bool
    missing_ops: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the backend's entry in ``bundle.json``."""
        if self.supported:
            return {"supported": True}
        return {"supported": False, "missing_ops": list(self.missing_ops)}


@cache
def _measured() -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    table = json.loads((RUNTIME / "kernels.json").read_bytes())
    return {name: frozenset(kernels) for name, kernels in table["backends"].items()}, frozenset(table["ops"])


def support(graph: GraphModel) -> dict[str, BackendSupport]:
    """Return for each backend whether it can run ``graph``; an op that it gets wrong is missing, too.

    Raises:
        UnsupportedModelError: an op has no executor in TF.js at all, or no backend has all of them.
    """
    backends, executable = _measured()
    ops = graph.ops()
    unknown = sorted(op for op in ops if op not in executable and op not in _NO_KERNEL)
    if unknown:
        raise _refusal(graph, unknown, "TensorFlow.js does not have")
    result = {}
    wrong = faulty(graph)
    for backend in BACKENDS:
        missing = sorted(
            op for op in ops if op in wrong[backend] or not set(_kernels(op)) <= backends[backend]
        )
        result[backend] = BackendSupport(not missing, tuple(missing))
    if not any(entry.supported for entry in result.values()):
        raise _refusal(
            graph, sorted({op for entry in result.values() for op in entry.missing_ops}), "no backend has"
        )
    return result


def op_set(ops: AbstractSet[str], op_sets: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the first set that has all of ``ops``.

    Args:
        op_sets: ``{"name": ..., "ops": [...]}`` from ``runtime.json``, smallest first; the last one has all
            ops of TF.js.

    Raises:
        UnsupportedModelError: an op is in none of them.
    """
    # What the executor never comes to needs no executor.
    wanted = ops - (_NO_KERNEL - frozenset(op_sets[-1]["ops"]))
    for entry in op_sets:
        if wanted <= set(entry["ops"]):
            return str(entry["name"])
    missing = ", ".join(sorted(wanted - set(op_sets[-1]["ops"])))
    raise UnsupportedModelError(
        f"The model cannot run in the browser: the runtime does not execute {missing}.",
        "Replace the layer, or compute this part before or after the model.",
    )


def layer_of(graph: GraphModel, op: str) -> str:
    """Return where ``op`` occurs first, for a message: the Keras layer if it is known, else the node."""
    for function, nodes in graph.bodies():
        for node in nodes:
            if node.op == op:
                place = graph.layers.get(node.name)
                return (
                    f"layer {place!r}" if place else f"node {'/'.join(filter(None, (function, node.name)))!r}"
                )
    raise KeyError(op)


def _kernels(op: str) -> tuple[str, ...]:
    return () if op in _NO_KERNEL else _KERNELS.get(op, (op,))


def _refusal(graph: GraphModel, ops: list[str], why: str) -> UnsupportedModelError:
    places = "; ".join(f"{op} (in {layer_of(graph, op)})" for op in ops)
    cures = [_CURES[op] for op in ops if op in _CURES]
    return UnsupportedModelError(
        f"The model cannot run in the browser: {why} {places}.",
        " ".join(cures) or "Replace the layer, or compute this part before or after the model.",
    )
