"""A vector combined with a tensor of five or more axes: TF.js's webgpu backend gives zeros, without an error.

Its shader for a short vector takes the last of the coordinates as a vector has it, of which there are four.
"""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: axes up to which every backend has the ops
_ENOUGH = 4

_OPS = (
    "Add",
    "AddV2",
    "BiasAdd",
    "Sub",
    "Mul",
    "RealDiv",
    "Maximum",
    "Minimum",
    "Pow",
    "SquaredDifference",
    "FloorDiv",
    "FloorMod",
    "Equal",
    "NotEqual",
    "Less",
    "LessEqual",
    "Greater",
    "GreaterEqual",
    "LogicalAnd",
    "LogicalOr",
)


def align_vectors(graph: GraphModel) -> GraphModel:
    """Give a vector that meets a tensor of more than four axes as many axes: ``[c]`` is ``[1, 1, 1, 1, c]``.

    Requires ranks that the tracer knows, and channels_last; leaves others. Leaves no such BiasAdd.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        ranks = [None if emit.in_function else _rank(shapes.get(tensor)) for tensor in node.inputs[:2]]
        if None in ranks or max(rank or 0 for rank in ranks) <= _ENOUGH or 1 not in ranks:
            return False
        short = ranks.index(1)
        sizes = np.array([1] * ((ranks[1 - short] or 0) - 1) + [-1], np.int32)
        constant = by_name.get(node_name(node.inputs[short]))
        if constant is not None and constant.value is not None:
            vector = emit.const(constant.value.reshape(sizes), "vector")
        else:
            types = {"T": str(node.attrs.get("T", {}).get("type", "DT_BOOL")), "Tshape": "DT_INT32"}
            vector = emit.op("Reshape", "vector", [node.inputs[short], emit.const(sizes, "sizes")], **types)
        inputs = list(node.inputs)
        inputs[short] = vector
        op, attrs = node.op, node.attrs
        if op == "BiasAdd":
            op, attrs = "AddV2", {"T": node.attrs["T"]}
        emit.nodes.append(Node(node.name, op, inputs, dict(attrs)))
        return True

    for op in _OPS:
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _rank(shape: tuple[int | None, ...] | None) -> int | None:
    return None if shape is None else len(shape)
