"""GatherV2 with batch axes: TF.js's wasm kernel takes every batch from the first one."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import Value, arange, known, pack, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_batched_gathers(graph: GraphModel) -> GraphModel:
    """Rewrite GatherV2 whose axis follows its batch axes as one without any, of a tensor whose batches lie
    one behind the other.

    Requires ranks that the tracer knows and a constant axis; leaves others, and an axis further behind.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        batch = int(node.attrs.get("batch_dims", {}).get("i", "0"))
        tensor, indices = node.inputs[:2]
        axis = by_name.get(node_name(node.inputs[2]))
        shape, index_shape = (None if emit.in_function else shapes.get(each) for each in (tensor, indices))
        if batch == 0 or shape is None or index_shape is None or axis is None or axis.value is None:
            return False
        batch %= len(index_shape)
        if int(axis.value) % len(shape) != batch:
            return False
        dtype, index_type = (str(node.attrs[name]["type"]) for name in ("Tparams", "Tindices"))
        of_tensor, of_indices = (
            sizes(tensor, shape, dtype, emit),
            sizes(indices, index_shape, index_type, emit),
        )
        batches = _product([*of_tensor[:batch]], emit)
        length, rest = of_tensor[batch], of_tensor[batch + 1 :]
        one = known(emit, np.int32(-1))
        flat = _reshape(tensor, [one, *rest], "batches_in_a_row", dtype, emit)
        if index_type != "DT_INT32":
            indices = emit.op("Cast", "indices", [indices], SrcT=index_type, DstT="DT_INT32")
        rows = _reshape(indices, [batches, one], "rows", "DT_INT32", emit)
        offsets = _offsets(batches, length)
        places = emit.op("AddV2", "places", [rows, offsets], T="DT_INT32")
        vector = _reshape(places, [one], "all_places", "DT_INT32", emit)
        gathered = emit.gather(flat, vector, emit.const(np.int32(0), "first_axis"), "gathered", dtype)
        whole = pack([*of_indices, *rest], emit)
        emit.last("Reshape", [gathered, whole], T=dtype, Tshape="DT_INT32")
        return True

    return replace_nodes(graph, "GatherV2", rewrite)


def _offsets(batches: Value, length: Value) -> str:
    """Return a column with the place at which each batch begins."""
    return (arange(batches) * length).reshape(-1, 1).tensor


def _product(parts: list[Value], emit: Emitter) -> Value:
    result = known(emit, np.int32(1))
    for part in parts:
        result = part * result
    return result


def _reshape(tensor: str, parts: list[Value], hint: str, dtype: str, emit: Emitter) -> str:
    return emit.op("Reshape", hint, [tensor, pack(parts, emit)], T=dtype, Tshape="DT_INT32")
