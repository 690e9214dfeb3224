"""Sums of rows that share a place have no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import pack, read, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_scatters(graph: GraphModel) -> GraphModel:
    """Rewrite UnsortedSegmentSum and TensorScatterAdd as ScatterNd, which adds what meets in one place.

    Requires ranks that the tracer knows; leaves others. No segment may be negative (TensorFlow drops such
    rows, TF.js throws).
    """
    shapes = graph.shapes

    def segments(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        data, ids, count = node.inputs[:3]
        own, index = (None if emit.in_function else shapes.get(each) for each in (data, ids))
        if own is None or index is None:
            return False
        dtype, index_type = (str(node.attrs[name]["type"]) for name in ("T", "Tindices"))
        last = [ids, emit.const(np.int32(-1), "last_axis")]
        column = emit.op("ExpandDims", "places", last, T=index_type, Tdim="DT_INT32")
        rows = sizes(data, own, dtype, emit)[len(index) :]
        shape = pack([read(count, "int32", emit, by_name), *rows], emit)
        emit.last("ScatterNd", [column, data, shape], T=dtype, Tindices=index_type)
        return True

    def addition(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        tensor, indices, updates = node.inputs[:3]
        dtype, index_type = (str(node.attrs[name]["type"]) for name in ("T", "Tindices"))
        shape = emit.op("Shape", "shape", [tensor], T=dtype, out_type="DT_INT32")
        scattered = emit.op("ScatterNd", "sums", [indices, updates, shape], T=dtype, Tindices=index_type)
        emit.last("AddV2", [tensor, scattered], T=dtype)
        return True

    graph = replace_nodes(graph, "UnsortedSegmentSum", segments)
    return replace_nodes(graph, "TensorScatterAdd", addition)
