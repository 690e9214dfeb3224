"""FloorMod of integers: where a size is computed with it, webgpu reads the size as 0, without an error."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_floor_mod(graph: GraphModel) -> GraphModel:
    """Rewrite FloorMod of int32 as ``x - FloorDiv(x, y) * y``, which every backend computes on the CPU where
    it computes sizes. Leaves no FloorMod of integers.
    """

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        dtype = str(node.attrs["T"]["type"])
        if dtype not in ("DT_INT32", "DT_INT64"):
            return False
        x, y = node.inputs[:2]
        whole = emit.op("Mul", "whole", [emit.op("FloorDiv", "quotient", [x, y], T=dtype), y], T=dtype)
        emit.last("Sub", [x, whole], T=dtype)
        return True

    return replace_nodes(graph, "FloorMod", rewrite)
