"""Products of matrices in batches: TF.js broadcasts a batch only where the other has none."""

from __future__ import annotations

import math

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

_OPS = ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


def broadcast_products(graph: GraphModel) -> GraphModel:
    """Broadcast both operands of a batched product to the same batch axes where those differ.

    Requires shapes that the tracer knows, but for one axis that both have; leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        own = [None if emit.in_function else shapes.get(tensor) for tensor in node.inputs[:2]]
        if own[0] is None or own[1] is None or len(own[0]) < 2 or len(own[1]) < 2:
            return False
        left, right = own[0][:-2], own[1][:-2]
        if left == right or not _wrong(left, right):
            return False
        dtypes = [
            str(node.attrs[name]["type"]) if name in node.attrs else "DT_FLOAT" for name in ("Ta", "Tb")
        ]
        if "T" in node.attrs:
            dtypes = [str(node.attrs["T"]["type"])] * 2
        inputs = []
        for index, (tensor, shape, dtype) in enumerate(zip(node.inputs[:2], own, dtypes, strict=True)):
            assert shape is not None
            inputs.append(_broadcast(tensor, node.inputs[1 - index], shape, dtype, dtypes[1 - index], emit))
        emit.nodes.append(Node(node.name, node.op, inputs, dict(node.attrs)))
        return True

    for op in _OPS:
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _wrong(left: tuple[int | None, ...], right: tuple[int | None, ...]) -> bool:
    """Say whether TF.js goes wrong: neither operand is a single matrix for all of the other's."""
    counts = [None if None in batch else math.prod(size or 0 for size in batch) for batch in (left, right)]
    return 1 not in counts


def _broadcast(
    tensor: str, other: str, shape: tuple[int | None, ...], dtype: str, other_dtype: str, emit: Emitter
) -> str:
    """Return ``tensor`` with the batch axes of both: the shapes are computed, for one axis may be unknown."""
    mine = _batch(tensor, dtype, emit)
    theirs = _batch(other, other_dtype, emit)
    batch = emit.op("BroadcastArgs", "batch", [mine, theirs], T="DT_INT32")
    matrix = _part(tensor, dtype, (-2, 0), "matrix", emit)
    axis = emit.const(np.int32(0), "axis")
    whole = emit.op("ConcatV2", "whole", [batch, matrix, axis], T="DT_INT32", Tidx="DT_INT32", N=2)
    return emit.op("BroadcastTo", "broadcast", [tensor, whole], T=dtype, Tidx="DT_INT32")


def _batch(tensor: str, dtype: str, emit: Emitter) -> str:
    return _part(tensor, dtype, (0, -2), "batch_of", emit)


def _part(tensor: str, dtype: str, window: tuple[int, int], hint: str, emit: Emitter) -> str:
    shape = emit.op("Shape", f"{hint}_shape", [tensor], T=dtype, out_type="DT_INT32")
    bounds = [emit.const(np.array([number], np.int32), f"{hint}_bound") for number in (*window, 1)]
    masks = {"ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
    masks |= {"begin_mask": int(window[0] == 0), "end_mask": int(window[1] == 0)}
    return emit.op("StridedSlice", hint, [shape, *bounds], T="DT_INT32", Index="DT_INT32", **masks)
