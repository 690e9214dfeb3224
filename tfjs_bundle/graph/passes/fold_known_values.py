"""Sizes that are known while building need not be computed, least of all on a graphics card and read back.

TensorFlow keeps ``Shape(x)[1]`` as soon as the batch is unknown, and with it everything that a layer makes of
the height: scales, bounds of slices, conditions. TF.js reads such numbers synchronously, which on webgpu is
slow and may give zeros.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.known_values import Memo, known_value
from tfjs_bundle.graph.passes.rewriting import constant

#: Ops that only ever make numbers of numbers here; a large tensor is left to the model.
_FOLDED = frozenset(
    [
        "AddV2",
        "Cast",
        "Equal",
        "FloorDiv",
        "Greater",
        "GreaterEqual",
        "Less",
        "LessEqual",
        "LogicalAnd",
        "LogicalNot",
        "LogicalOr",
        "Maximum",
        "Minimum",
        "Mul",
        "NotEqual",
        "Pack",
        "RealDiv",
        "Shape",
        "StridedSlice",
        "Sub",
    ]
)
_LARGE = 64


def fold_known_values(graph: GraphModel) -> GraphModel:
    """Replace small tensors of the main graph that can be told while building by constants.

    Requires the shapes that the tracer knows. Keeps what is an output of the model, and control inputs.
    """
    by_name = {node.name: node for node in graph.nodes}
    outputs = {node_name(spec.tensor) for spec in graph.signature.outputs}
    memo: Memo = {}

    def folded(node: Node) -> Node:
        if (
            node.op not in _FOLDED
            or node.name in outputs
            or any(tensor.startswith("^") for tensor in node.inputs)
        ):
            return node
        if node.op == "Shape" and node.attrs.get("out_type", {}).get("type") == "DT_INT64":
            return node
        value = known_value(node.name, by_name, graph.shapes, memo)
        if value is None or value.size > _LARGE or value.dtype.name not in ("float32", "int32", "bool"):
            return node
        return constant(node.name, np.asarray(value))

    return replace(graph, nodes=[folded(node) for node in graph.nodes])
