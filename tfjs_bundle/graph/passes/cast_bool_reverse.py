"""TF.js's wasm kernel of Reverse reads bool tensors out of bounds, which can corrupt its memory."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def cast_bool_reverse(graph: GraphModel) -> GraphModel:
    """Cast to int32 and back around every ReverseV2 of a bool tensor (masked bidirectional RNNs).

    Requires the attribute ``T``. Leaves no ReverseV2 of bool.
    """

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        if node.attrs.get("T", {}).get("type") != "DT_BOOL":
            return False
        tensor, axes = node.inputs[:2]
        integers = emit.op("Cast", "to_int", [tensor], SrcT="DT_BOOL", DstT="DT_INT32")
        index = node.attrs.get("Tidx", {}).get("type", "DT_INT32")
        reversed_ = emit.op("ReverseV2", "reverse", [integers, axes], T="DT_INT32", Tidx=str(index))
        emit.last("Cast", [reversed_], SrcT="DT_INT32", DstT="DT_BOOL")
        return True

    return replace_nodes(graph, "ReverseV2", rewrite)
