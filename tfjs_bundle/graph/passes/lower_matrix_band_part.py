"""TF.js 4.22 computes MatrixBandPart wrongly: causal masks come out as something else, without an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import Value, arange
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_matrix_band_part(graph: GraphModel) -> GraphModel:
    """Rewrite MatrixBandPart by its definition: element (i, j) stays where
    ``i - j <= num_lower`` and ``j - i <= num_upper``; a negative bound is none.

    Requires constant bounds; leaves others, which no backend is said to have.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        bounds = [by_name.get(node_name(name)) for name in node.inputs[1:3]]
        if any(bound is None or bound.value is None for bound in bounds):
            return False
        lower, upper = (int(bound.value) for bound in bounds if bound is not None and bound.value is not None)
        tensor, dtype = node.inputs[0], str(node.attrs["T"]["type"])
        below = _rows_minus_columns(tensor, emit, dtype)
        conditions = []
        if lower >= 0:
            conditions.append(
                emit.op("LessEqual", "lower", [below, emit.const(np.int32(lower), "num_lower")], T="DT_INT32")
            )
        if upper >= 0:
            conditions.append(
                emit.op(
                    "GreaterEqual", "upper", [below, emit.const(np.int32(-upper), "num_upper")], T="DT_INT32"
                )
            )
        if not conditions:
            emit.last("Identity", [tensor], T=dtype)
            return True
        band = conditions[0] if len(conditions) == 1 else emit.op("LogicalAnd", "band", conditions)
        if dtype == "DT_BOOL":
            emit.last("LogicalAnd", [tensor, band])
        else:
            kind = np.float32 if dtype == "DT_FLOAT" else np.int32
            emit.last("SelectV2", [band, tensor, emit.const(kind(0), "zero")], T=dtype)
        return True

    return replace_nodes(graph, "MatrixBandPart", rewrite)


def _rows_minus_columns(tensor: str, emit: Emitter, dtype: str) -> str:
    """Return an int32 matrix ``[rows, columns]`` with ``i - j`` at (i, j)."""
    shape = emit.op("Shape", "shape", [tensor], T=dtype, out_type="DT_INT32")
    ends = [emit.const(np.array([value], np.int32), name) for value, name in ((-2, "begin"), (0, "end"))]
    stride = emit.const(np.array([1], np.int32), "stride")
    matrix = emit.op(
        "StridedSlice",
        "matrix",
        [shape, *ends, stride],
        T="DT_INT32",
        Index="DT_INT32",
        begin_mask=0,
        end_mask=1,
        ellipsis_mask=0,
        new_axis_mask=0,
        shrink_axis_mask=0,
    )
    zero = emit.const(np.int32(0), "start")
    gathering: dict[str, Any] = dict.fromkeys(("Tparams", "Tindices", "Taxis"), "DT_INT32")
    indices = []
    for position, (name, axis) in enumerate((("rows", 1), ("columns", 0))):
        at = emit.const(np.int32(position), f"{name}_at")
        size = emit.op("GatherV2", name, [matrix, at, zero], batch_dims=0, **gathering)
        numbers = arange(Value(emit, "int32", reference=size)).tensor
        column = [numbers, emit.const(np.int32(axis), f"{name}_axis")]
        indices.append(emit.op("ExpandDims", f"{name}_index", column, T="DT_INT32", Tdim="DT_INT32"))
    return emit.op("Sub", "rows_minus_columns", indices, T="DT_INT32")
