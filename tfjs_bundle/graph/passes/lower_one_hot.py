"""OneHot: TF.js always puts the new axis last, and its wasm kernel writes integers for floats."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import arange, read
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_one_hot(graph: GraphModel) -> GraphModel:
    """Rewrite OneHot as a comparison with 0, 1, ..., depth - 1 that picks the value for on or off.

    Requires, where the new axis is not the last, a rank that the tracer knows; leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        indices, depth, on, off = node.inputs[:4]
        shape = None if emit.in_function else shapes.get(indices)
        axis = int(node.attrs.get("axis", {}).get("i", "-1"))
        if shape is not None and axis == len(shape):
            axis = -1
        if axis != -1 and shape is None:
            return False
        dtype = str(node.attrs["T"]["type"])
        index_type = str(node.attrs.get("TI", {}).get("type", "DT_INT32"))
        if index_type != "DT_INT32":
            indices = emit.op("Cast", "indices", [indices], SrcT=index_type, DstT="DT_INT32")
        column = [indices, emit.const(np.int32(axis), "axis")]
        column_of = emit.op("ExpandDims", "column", column, T="DT_INT32", Tdim="DT_INT32")
        behind = 0 if axis == -1 or shape is None else len(shape) - axis
        numbers = _count(depth, behind, emit, by_name)
        hit = emit.op("Equal", "hit", [column_of, numbers], T="DT_INT32")
        values = [by_name.get(node_name(tensor)) for tensor in (on, off)]
        known = [float(value.value) if value and value.value is not None else None for value in values]
        if known == [1, 0]:
            if dtype == "DT_BOOL":
                emit.last("Identity", [hit], T=dtype)
            else:
                # on webgpu a cast shares the bool's buffer, which Sum then takes for floats (TF.js 4.22)
                number = emit.op("Cast", "number", [hit], SrcT="DT_BOOL", DstT="DT_FLOAT")
                number = emit.op("Mul", "float", [number, emit.const(np.float32(1), "one")], T="DT_FLOAT")
                same = {"T": dtype} if dtype == "DT_FLOAT" else {"SrcT": "DT_FLOAT", "DstT": dtype}
                emit.last("Identity" if dtype == "DT_FLOAT" else "Cast", [number], **same)
        elif dtype == "DT_BOOL":
            return False
        else:
            emit.last("SelectV2", [hit, on, off], T=dtype)
        return True

    return replace_nodes(graph, "OneHot", rewrite)


def _count(depth: str, behind: int, emit: Emitter, by_name: dict[str, Node]) -> str:
    """Return 0, 1, ..., depth - 1 along an axis with ``behind`` axes of size 1 behind it."""
    return arange(read(depth, "int32", emit, by_name)).reshape(-1, *[1] * behind).tensor
