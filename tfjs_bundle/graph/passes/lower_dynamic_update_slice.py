"""TF.js has no XlaDynamicUpdateSlice, which ``keras.ops.slice_update`` is: decoders write their caches so."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import Value, arange
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_dynamic_update_slice(graph: GraphModel) -> GraphModel:
    """Rewrite XlaDynamicUpdateSlice as a Select between the operand and the update gathered to its size.

    Like XLA's DynamicUpdateSlice, starts are clamped so that the update lies within the operand. Along axes
    whose size the update is known to have nothing moves; along the others each position of the operand looks
    up the update's element that belongs there. Requires a known rank: :attr:`GraphModel.shapes` of the
    update, or indices that are a constant or a Pack. Leaves an op whose rank is not known.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        operand, update, indices = node.inputs
        operand_shape, update_shape = graph.shapes.get(_plain(operand)), graph.shapes.get(_plain(update))
        rank = _rank(by_name.get(indices.split(":")[0]), operand_shape, update_shape)
        if rank is None:
            return False
        dtype = str(node.attrs["T"]["type"])
        index_type = str(node.attrs["Tindices"]["type"])
        if index_type != "DT_INT32":
            indices = emit.op("Cast", "indices", [indices], SrcT=index_type, DstT="DT_INT32")
        sizes = emit.op("Shape", "sizes", [operand], T=dtype, out_type="DT_INT32")
        update_sizes = emit.op("Shape", "update_sizes", [update], T=dtype, out_type="DT_INT32")
        room = emit.op("Sub", "room", [sizes, update_sizes], T="DT_INT32")
        zero = emit.const(np.int32(0), "zero")
        low = emit.op("Maximum", "starts_low", [indices, zero], T="DT_INT32")
        starts = emit.op("Minimum", "starts", [low, room], T="DT_INT32")
        inside = ""
        for axis in range(rank):
            if operand_shape and update_shape and operand_shape[axis] == update_shape[axis] is not None:
                continue
            at = emit.const(np.array([axis], np.int32), f"axis_{axis}")
            size, width, start = (
                emit.gather(each, at, zero, f"{name}_{axis}", "DT_INT32")
                for name, each in (("size", sizes), ("width", update_sizes), ("start", starts))
            )
            one = emit.const(np.int32(1), f"one_{axis}")
            scalar = emit.const(np.zeros(0, np.int32), f"scalar_{axis}")
            limit = emit.op("Reshape", f"limit_{axis}", [size, scalar], T="DT_INT32", Tshape="DT_INT32")
            places = arange(Value(emit, "int32", reference=limit)).tensor
            offsets = emit.op("Sub", f"offsets_{axis}", [places, start], T="DT_INT32")
            before = emit.op("GreaterEqual", f"from_{axis}", [offsets, zero], T="DT_INT32")
            after = emit.op("Less", f"to_{axis}", [offsets, width], T="DT_INT32")
            here = emit.op("LogicalAnd", f"here_{axis}", [before, after])
            last = emit.op("Sub", f"last_{axis}", [width, one], T="DT_INT32")
            least = emit.op("Maximum", f"least_{axis}", [offsets, zero], T="DT_INT32")
            taken = emit.op("Minimum", f"taken_{axis}", [least, last], T="DT_INT32")
            along = emit.const(np.int32(axis), f"along_{axis}")
            update = emit.gather(update, taken, along, f"spread_{axis}", dtype)
            form = np.ones(rank, np.int32)
            form[axis] = -1
            here = emit.op(
                "Reshape",
                f"mask_{axis}",
                [here, emit.const(form, f"form_{axis}")],
                T="DT_BOOL",
                Tshape="DT_INT32",
            )
            inside = emit.op("LogicalAnd", f"inside_{axis}", [inside, here]) if inside else here
        if not inside:
            emit.last("Identity", [update], T=dtype)
        else:
            emit.last("SelectV2", [inside, update, operand], T=dtype)
        return True

    return replace_nodes(graph, "XlaDynamicUpdateSlice", rewrite)


def _plain(tensor: str) -> str:
    return tensor.removesuffix(":0")


def _rank(
    indices: Node | None, operand: tuple[int | None, ...] | None, update: tuple[int | None, ...] | None
) -> int | None:
    for shape in (operand, update):
        if shape is not None:
            return len(shape)
    if indices is not None and indices.value is not None:
        return len(indices.value)
    return int(indices.attrs["N"]["i"]) if indices is not None and indices.op == "Pack" else None
