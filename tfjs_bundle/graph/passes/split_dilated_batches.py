"""SpaceToBatchND and BatchToSpaceND, which dilated 3-D convolutions are made of, have four axes on GPUs."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import Value, known, pack, read
from tfjs_bundle.graph.passes.axes import Axes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: axes, those of the blocks included, up to which every backend can transpose
_ENOUGH = 6


def split_dilated_batches(graph: GraphModel) -> GraphModel:
    """Rewrite SpaceToBatchND and BatchToSpaceND as one for each axis in turn, where tensor and blocks have
    more than six axes between them.

    Requires constant block sizes and a rank that the tracer knows; leaves others.
    """
    graph = replace_nodes(graph, "SpaceToBatchND", lambda *given: _split(graph, *given))
    return replace_nodes(graph, "BatchToSpaceND", lambda *given: _split(graph, *given))


def _split(graph: GraphModel, node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    shape = None if emit.in_function else graph.shapes.get(node.inputs[0])
    blocks = by_name.get(node_name(node.inputs[1]))
    if shape is None or blocks is None or blocks.value is None:
        return False
    sizes = [int(size) for size in blocks.value]
    if len(shape) + len(sizes) <= _ENOUGH:
        return False
    dtype = str(node.attrs["T"]["type"])
    margins = read(node.inputs[2], "int32", emit, by_name)
    axes = Axes(node.inputs[0], shape, dtype, emit)
    order = list(enumerate(sizes, start=1))
    # the first axis' blocks are the outermost in the batch
    for axis, size in order if node.op == "BatchToSpaceND" else reversed(order):
        before, behind = _pair(margins, axis - 1)
        if size == 1 and _is_zero(before) and _is_zero(behind):
            continue
        pairs = _pairs(before, behind, emit)
        block = emit.const(np.array([1, size], np.int32), "block")
        types = {"T": dtype, "Tblock_shape": "DT_INT32"}
        types["Tcrops" if node.op == "BatchToSpaceND" else "Tpaddings"] = "DT_INT32"
        inputs = [axes.fold_behind_batch(axis), block, pairs]
        moved = emit.op(node.op, f"axis_{axis}", inputs, **types)
        length = axes.sizes[axis]
        if node.op == "BatchToSpaceND":
            length = length * size - before - behind
        else:
            length = (length + before + behind) // size
        axes.put(moved, axis, length)
    axes.unfold()
    return True


def _pair(margins: Value, row: int) -> tuple[Value, Value]:
    flat = margins.reshape(-1)
    return flat[2 * row], flat[2 * row + 1]


def _pairs(before: Value, behind: Value, emit: Emitter) -> str:
    none = known(emit, np.int32(0))
    numbers = pack([none, none, before, behind], emit)
    shape = emit.const(np.array([2, 2], np.int32), "pairs")
    return emit.op("Reshape", "margins", [numbers, shape], T="DT_INT32", Tshape="DT_INT32")


def _is_zero(value: Value) -> bool:
    return value.array is not None and int(value.array) == 0
