"""The sign of zero, which keras.ops.argmax looks at: TF.js has no Bitcast, and its BitwiseAnd throws."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

_SIGN = np.int32(-(2**31))


def lower_signbits(graph: GraphModel) -> GraphModel:
    """Rewrite ``BitwiseAnd(Bitcast(x), 0x80000000)`` of float32 as that number where ``x``, or the reciprocal
    of ``x`` (of -0.0 it is minus infinity), is below 0, and as 0 elsewhere.

    The sign of NaN is lost. Leaves other BitwiseAnd and Bitcast, which no backend is said to have.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        operands = [by_name.get(node_name(tensor)) for tensor in node.inputs[:2]]
        cast = next((each for each in operands if each is not None and each.op == "Bitcast"), None)
        mask = next((each for each in operands if each is not None and each.value is not None), None)
        if cast is None or mask is None or mask.value is None or mask.value.size != 1:
            return False
        if cast.attrs["T"]["type"] != "DT_FLOAT" or int(mask.value.reshape(-1)[0]) != int(_SIGN):
            return False
        tensor = cast.inputs[0]
        zero = emit.const(np.float32(0), "zero")
        reciprocal = emit.op("Reciprocal", "reciprocal", [tensor], T="DT_FLOAT")
        signs = [
            emit.op("Less", "below", [tensor, zero], T="DT_FLOAT"),
            emit.op("Less", "below_zero", [reciprocal, zero], T="DT_FLOAT"),
        ]
        negative = emit.op("LogicalOr", "negative", signs)
        numbers = [emit.const(_SIGN, "sign"), emit.const(np.int32(0), "none")]
        emit.last("SelectV2", [negative, *numbers], T="DT_INT32")
        return True

    return replace_nodes(graph, "BitwiseAnd", rewrite)
