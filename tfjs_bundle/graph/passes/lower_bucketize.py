"""Bucketize, which Discretization comes down to, has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_bucketize(graph: GraphModel) -> GraphModel:
    """Rewrite Bucketize as all boundaries less those that a value is below: NaN is in the last bucket.

    Leaves no Bucketize.
    """

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        dtype = str(node.attrs["T"]["type"])
        given = node.attrs.get("boundaries", {}).get("list", {}).get("f", [])
        boundaries = emit.const(np.array([float(each) for each in given], np.float32), "boundaries")
        tensor = node.inputs[0]
        if dtype != "DT_FLOAT":
            tensor = emit.op("Cast", "float", [tensor], SrcT=dtype, DstT="DT_FLOAT")
        last = emit.const(np.int32(-1), "last_axis")
        column = emit.op("ExpandDims", "column", [tensor, last], T="DT_FLOAT", Tdim="DT_INT32")
        below = emit.op("Less", "below", [column, boundaries], T="DT_FLOAT")
        numbers = emit.op("Cast", "numbers", [below], SrcT="DT_BOOL", DstT="DT_INT32")
        axes = emit.const(np.array([-1], np.int32), "axes")
        above = emit.op("Sum", "above", [numbers, axes], T="DT_INT32", Tidx="DT_INT32", keep_dims=False)
        emit.last("Sub", [emit.const(np.int32(len(given)), "all"), above], T="DT_INT32")
        return True

    return replace_nodes(graph, "Bucketize", rewrite)
