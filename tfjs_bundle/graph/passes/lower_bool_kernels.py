"""Bools: TF.js's wasm kernels cast to them, and choose between them, byte by byte of what is not bytes."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_bool_kernels(graph: GraphModel) -> GraphModel:
    """Rewrite Cast to bool as a comparison with 0, and SelectV2 of bools by its truth table.

    Leaves no such Cast or SelectV2.
    """

    def compare(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        source, target = (str(node.attrs[name]["type"]) for name in ("SrcT", "DstT"))
        if target != "DT_BOOL":
            return False
        if source == "DT_BOOL":
            emit.last("Identity", node.inputs[:1], T="DT_BOOL")
        else:
            zero = emit.const(np.float32(0) if source == "DT_FLOAT" else np.int32(0), "zero")
            emit.last("NotEqual", [node.inputs[0], zero], T=source)
        return True

    def choose(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        if str(node.attrs["T"]["type"]) != "DT_BOOL":
            return False
        condition, yes, no = node.inputs[:3]
        otherwise = emit.op("LogicalNot", "otherwise", [condition])
        parts = [
            emit.op("LogicalAnd", "chosen", [condition, yes]),
            emit.op("LogicalAnd", "other", [otherwise, no]),
        ]
        emit.last("LogicalOr", parts)
        return True

    return replace_nodes(replace_nodes(graph, "Cast", compare), "SelectV2", choose)
