"""Reading, writing and making diagonals have no executors in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import known, pack, sizes
from tfjs_bundle.graph.passes.known_values import known_value
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_diagonals(graph: GraphModel) -> GraphModel:
    """Rewrite MatrixDiagPartV3 as a gather, MatrixDiagV3 and MatrixSetDiagV3 as a choice by a constant mask.

    Requires one diagonal of matrices whose sizes the tracer knows (not the number of matrices). Of a square
    matrix, or of a diagonal as long as a row or a column, only; leaves others.
    """
    shapes = graph.shapes

    def which(tensor: str, by_name: dict[str, Node]) -> int | None:
        value = known_value(tensor, by_name, shapes)
        return int(value.reshape(-1)[0]) if value is not None and len(set(value.reshape(-1))) == 1 else None

    def read(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        tensor, k = node.inputs[0], which(node.inputs[1], by_name)
        shape = () if emit.in_function else shapes.get(tensor, ())
        rows, columns = shape[-2:] or (None, None)
        if k is None or rows is None or columns is None:
            return False
        dtype = str(node.attrs["T"]["type"])
        length = _length(rows, columns, k)
        if length <= 0:
            return False
        outer = sizes(tensor, shape, dtype, emit)[:-2]
        flat_shape = pack([*outer, known(emit, np.int32(rows * columns))], emit)
        flat = emit.op("Reshape", "flat", [tensor, flat_shape], T=dtype, Tshape="DT_INT32")
        places = np.arange(length) * (columns + 1) + (k if k >= 0 else -k * columns)
        axis = emit.const(np.int32(len(outer)), "axis")
        found = emit.gather(flat, emit.const(places.astype(np.int32), "places"), axis, "diagonal", dtype)
        emit.last("Identity", [found], T=dtype)
        return True

    def make(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        diagonal = node.inputs[0]
        k, rows, columns = (which(each, by_name) for each in node.inputs[1:4])
        shape = None if emit.in_function else shapes.get(diagonal)
        if shape is None or k != 0 or not shape[-1] or {rows, columns} - {-1, shape[-1]}:
            return False
        dtype = str(node.attrs["T"]["type"])
        _choose(diagonal, -1, np.eye(shape[-1], dtype=np.bool_), node.inputs[4], dtype, emit)
        return True

    def write(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        tensor, diagonal, k = *node.inputs[:2], which(node.inputs[2], by_name)
        shape = () if emit.in_function else shapes.get(tensor, ())
        rows, columns = shape[-2:] or (None, None)
        if k is None or rows is None or columns is None:
            return False
        length = _length(rows, columns, k)
        if length <= 0 or (k > 0 and length < rows) or (k < 0 and length < columns):
            return False
        # the diagonal is as long as a column is high, or as a row is wide, and lies along it
        axis = -1 if length == rows and k >= 0 else -2
        mask = np.eye(rows, columns, k, dtype=np.bool_)
        _choose(diagonal, axis, mask, tensor, str(node.attrs["T"]["type"]), emit)
        return True

    for op, rewrite in (("MatrixDiagPartV3", read), ("MatrixDiagV3", make), ("MatrixSetDiagV3", write)):
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _length(rows: int, columns: int, k: int) -> int:
    return min(rows + min(k, 0), columns - max(k, 0))


def _choose(diagonal: str, axis: int, mask: np.ndarray, other: str, dtype: str, emit: Emitter) -> None:
    """Emit the diagonal, with another axis at ``axis``, where ``mask`` is true, and ``other`` elsewhere."""
    at = emit.const(np.int32(axis), "axis")
    wide = emit.op("ExpandDims", "wide", [diagonal, at], T=dtype, Tdim="DT_INT32")
    emit.last("SelectV2", [emit.const(mask, "on_diagonal"), wide, other], T=dtype)
