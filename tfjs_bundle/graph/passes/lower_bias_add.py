"""BiasAdd: TF.js adds the bias along the last axis, whatever the format says."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_bias_add(graph: GraphModel) -> GraphModel:
    """Rewrite BiasAdd in channels_first, of any rank, as the sum with the bias in the shape ``[c, 1, ...]``.

    Leaves no such BiasAdd.
    """

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        if text(node, "data_format") != "NCHW":
            return False
        tensor, bias = node.inputs[:2]
        dtype = str(node.attrs["T"]["type"])
        shape = None if emit.in_function else graph.shapes.get(tensor)
        if shape is not None:
            sizes = emit.const(np.array([-1, *[1] * (len(shape) - 2)], np.int32), "sizes")
        else:
            sizes = _sizes(tensor, dtype, emit)
        column = emit.op("Reshape", "bias", [bias, sizes], T=dtype, Tshape="DT_INT32")
        emit.last("AddV2", [tensor, column], T=dtype)
        return True

    return replace_nodes(graph, "BiasAdd", rewrite)


def _sizes(tensor: str, dtype: str, emit: Emitter) -> str:
    """Return ``[-1, 1, 1, ...]``, two shorter than the tensor's rank, which only the model knows."""
    shape = emit.op("Shape", "shape", [tensor], T=dtype, out_type="DT_INT32")
    slicing = [emit.const(np.array([value], np.int32), name) for name, value in (("begin", 2), ("end", 0))]
    spatial = emit.op(
        "StridedSlice",
        "spatial",
        [shape, *slicing, emit.const(np.array([1], np.int32), "step")],
        T="DT_INT32",
        Index="DT_INT32",
        begin_mask=0,
        end_mask=1,
        ellipsis_mask=0,
        new_axis_mask=0,
        shrink_axis_mask=0,
    )
    ones = emit.op("OnesLike", "ones", [spatial], T="DT_INT32")
    axis, first = emit.const(np.int32(0), "axis"), emit.const(np.array([-1], np.int32), "channels")
    return emit.op("ConcatV2", "sizes", [first, ones, axis], T="DT_INT32", Tidx="DT_INT32", N=2)
