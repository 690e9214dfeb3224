"""StridedSlice by other strides than 1: TF.js's wasm kernel takes integers and bools for floats, and webgl's
has four axes."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import Value, arange, known, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: axes up to which every backend has the op
_ENOUGH = 4

_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def lower_strided_slices(graph: GraphModel) -> GraphModel:
    """Take the elements along an axis of another stride than 1 by GatherV2, ahead of the slice.

    Requires constant bounds and a rank that the tracer knows; of the axes of unknown size only those that are
    taken whole. Leaves others, and those of four axes in float32, which every backend has.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        tensor = node.inputs[0]
        shape = None if emit.in_function else shapes.get(tensor)
        dtype = str(node.attrs["T"]["type"])
        bounds = [by_name.get(node_name(name)) for name in node.inputs[1:4]]
        if shape is None or any(bound is None or bound.value is None for bound in bounds):
            return False
        if dtype == "DT_FLOAT" and len(shape) <= _ENOUGH:
            return False
        begin, end, stride = (
            [int(number) for number in bound.value] for bound in bounds if bound and bound.value is not None
        )
        masks = {name: int(node.attrs.get(name, {}).get("i", "0")) for name in _MASKS}
        if all(step == 1 for step in stride):
            return False
        axes = _axes_of(masks, len(begin), len(shape))
        for entry, axis in axes.items():
            step = stride[entry]
            if step == 1 or masks["shrink_axis_mask"] >> entry & 1:
                continue
            whole = [masks[name] >> entry & 1 for name in ("begin_mask", "end_mask")]
            size = shape[axis]
            if size is None and not all(whole):
                return False
            first, last = (
                None if skip else at for skip, at in zip(whole, (begin[entry], end[entry]), strict=True)
            )
            window = slice(first, last, step)
            tensor = _take(tensor, axis, shape, window, dtype, emit)
            for name in ("begin_mask", "end_mask"):
                masks[name] |= 1 << entry
            stride[entry] = 1
        inputs = [tensor, *(emit.const(np.array(each, np.int32), "bound") for each in (begin, end, stride))]
        emit.last("StridedSlice", inputs, T=dtype, Index="DT_INT32", **masks)
        return True

    return replace_nodes(graph, "StridedSlice", rewrite)


def _axes_of(masks: dict[str, int], entries: int, rank: int) -> dict[int, int]:
    """Return the axis of the tensor that each entry of the bounds is about."""
    new = sum(masks["new_axis_mask"] >> entry & 1 for entry in range(entries))
    dots = next((entry for entry in range(entries) if masks["ellipsis_mask"] >> entry & 1), None)
    result, axis = {}, 0
    for entry in range(entries):
        if entry == dots:
            axis += rank - (entries - 1 - new)
        elif not masks["new_axis_mask"] >> entry & 1:
            result[entry] = axis
            axis += 1
    return result


def _take(
    tensor: str, axis: int, shape: tuple[int | None, ...], window: slice, dtype: str, emit: Emitter
) -> str:
    size = shape[axis]
    if size is not None:
        indices = emit.const(np.arange(size, dtype=np.int32)[window], "indices")
    else:
        length = sizes(tensor, shape, dtype, emit)[axis]
        step = abs(window.step)
        numbers: Value = arange((length + (step - 1)) // step) * step
        if window.step < 0:
            numbers = (length - 1) - numbers
        indices = numbers.tensor
    types = {"Tparams": dtype, "Tindices": "DT_INT32", "Taxis": "DT_INT32"}
    inputs = [tensor, indices, known(emit, np.int32(axis)).tensor]
    return emit.op("GatherV2", f"axis_{axis}", inputs, batch_dims=0, **types)
