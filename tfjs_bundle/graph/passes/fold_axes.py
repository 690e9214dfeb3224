"""Ops of five or more axes: TF.js's GPU backends throw, or, worse, webgpu pads and tiles them wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import Value, known, pack, read, sizes
from tfjs_bundle.graph.passes.axes import Axes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: axes up to which every backend has the ops
_ENOUGH = 4

_Shape = tuple[int | None, ...]
_Shapes = dict[str, _Shape]


def fold_axes(graph: GraphModel) -> GraphModel:
    """Rewrite Pad, PadV2, MirrorPad, ReverseV2, Cumsum, Cumprod, Tile and BroadcastTo of more than four axes
    along one axis after another, every other axis folded into its neighbours; SelectV2 as one of a vector.

    Requires a rank that the tracer knows, and constant axes; leaves others.
    """
    shapes = graph.shapes

    def folded(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        shape = None if emit.in_function else shapes.get(node.name)
        if shape is None or len(shape) <= _ENOUGH:
            return False
        return _REWRITES[node.op](shapes, node, shape, emit, by_name)

    for op in _REWRITES:
        graph = replace_nodes(graph, op, folded)
    return graph


def _pad(shapes: _Shapes, node: Node, _: _Shape, emit: Emitter, by_name: dict[str, Node]) -> bool:
    shape = shapes.get(node.inputs[0])
    if shape is None:
        return False
    dtype = str(node.attrs["T"]["type"])
    axes = Axes(node.inputs[0], shape, dtype, emit)
    margins = read(node.inputs[1], "int32", emit, by_name).reshape(-1)
    none = known(emit, np.int32(0))
    for axis in range(len(shape)):
        before, behind = margins[2 * axis], margins[2 * axis + 1]
        if before.array is not None and behind.array is not None and not before.array and not behind.array:
            continue
        numbers = pack([none, none, before, behind, none, none], emit)
        pairs = emit.const(np.array([3, 2], np.int32), "pairs")
        paddings = emit.op("Reshape", "paddings", [numbers, pairs], T="DT_INT32", Tshape="DT_INT32")
        attrs: dict[str, Any] = {**node.attrs, "Tpaddings": {"type": "DT_INT32"}}
        inputs = [axes.fold(axis), paddings, *node.inputs[2:]]
        padded = emit.node(Node(f"pad_{axis}", node.op, inputs, attrs))
        axes.put(padded, axis, axes.sizes[axis] + before + behind)
    axes.unfold()
    return True


def _reverse(shapes: _Shapes, node: Node, shape: _Shape, emit: Emitter, by_name: dict[str, Node]) -> bool:
    which = by_name.get(node_name(node.inputs[1]))
    if which is None or which.value is None:
        return False
    dtype = str(node.attrs["T"]["type"])
    axes = Axes(node.inputs[0], shape, dtype, emit)
    middle = emit.const(np.array([1], np.int32), "middle")
    for axis in sorted(int(axis) % len(shape) for axis in which.value.reshape(-1)):
        inputs = [axes.fold(axis), middle]
        turned = emit.op("ReverseV2", f"reverse_{axis}", inputs, T=dtype, Tidx="DT_INT32")
        axes.put(turned, axis, axes.sizes[axis])
    axes.unfold()
    return True


def _accumulate(shapes: _Shapes, node: Node, shape: _Shape, emit: Emitter, by_name: dict[str, Node]) -> bool:
    which = by_name.get(node_name(node.inputs[1]))
    if which is None or which.value is None:
        return False
    axis = int(which.value) % len(shape)
    axes = Axes(node.inputs[0], shape, str(node.attrs["T"]["type"]), emit)
    attrs: dict[str, Any] = {**node.attrs, "Tidx": {"type": "DT_INT32"}}
    inputs = [axes.fold(axis), emit.const(np.int32(1), "middle")]
    axes.put(emit.node(Node("accumulate", node.op, inputs, attrs)), axis, axes.sizes[axis])
    axes.unfold()
    return True


def _tile(shapes: _Shapes, node: Node, shape: _Shape, emit: Emitter, by_name: dict[str, Node]) -> bool:
    own = shapes.get(node.inputs[0])
    if own is None:
        return False
    times = read(node.inputs[1], "int32", emit, by_name)
    axes = Axes(node.inputs[0], own, str(node.attrs["T"]["type"]), emit)
    for axis in range(len(own)):
        _repeat(axes, axis, times[axis], str(node.attrs["T"]["type"]), emit)
    axes.unfold()
    return True


def _broadcast(shapes: _Shapes, node: Node, shape: _Shape, emit: Emitter, by_name: dict[str, Node]) -> bool:
    own = shapes.get(node.inputs[0])
    if own is None or None in own:
        return False
    given = read(node.inputs[1], "int32", emit, by_name)
    target = [given[axis] if size is None else known(emit, np.int32(size)) for axis, size in enumerate(shape)]
    axes = _whole(node.inputs[0], own, target, str(node.attrs["T"]["type"]), emit)
    axes.unfold()
    return True


def _whole(tensor: str, own: _Shape, target: list[Value], dtype: str, emit: Emitter) -> Axes:
    """Repeat what has size 1 as often as ``target`` says."""
    aligned = (1,) * (len(target) - len(own)) + own
    axes = Axes(tensor, aligned, dtype, emit)
    for axis, (size, wanted) in enumerate(zip(aligned, target, strict=True)):
        if size == 1:
            _repeat(axes, axis, wanted, dtype, emit)
    return axes


def _repeat(axes: Axes, axis: int, times: Value, dtype: str, emit: Emitter) -> None:
    if times.array is not None and int(times.array) == 1:
        return
    one = known(emit, np.int32(1))
    inputs = [axes.fold(axis), pack([one, times, one], emit)]
    repeated = emit.op("Tile", f"repeat_{axis}", inputs, T=dtype, Tmultiples="DT_INT32")
    axes.put(repeated, axis, axes.sizes[axis] * times)


def _select(shapes: _Shapes, node: Node, shape: _Shape, emit: Emitter, _: dict[str, Node]) -> bool:
    dtype = str(node.attrs["T"]["type"])
    inputs = list(node.inputs[:3])
    own = [shapes.get(tensor) for tensor in inputs]
    # of sizes that the tracer does not know, those of the operand with all axes are taken
    full = next((i for i, each in enumerate(own) if each and _is_full(each, shape)), None)
    types = ("DT_BOOL", dtype, dtype)
    if any(each is None for each in own) or (full is None and None in shape):
        return False
    if full is None:
        target = [known(emit, np.int32(size or 0)) for size in shape]
    else:
        target = sizes(inputs[full], own[full] or (), types[full], emit)
    flat = emit.const(np.array([-1], np.int32), "flat")
    for index, (type_, each) in enumerate(zip(types, own, strict=True)):
        whole = _whole(inputs[index], each or (), target, type_, emit).unfolded()
        inputs[index] = emit.op("Reshape", f"flat_{index}", [whole, flat], T=type_, Tshape="DT_INT32")
    picked = emit.op("SelectV2", "select", inputs, T=dtype)
    emit.last("Reshape", [picked, pack(target, emit)], T=dtype, Tshape="DT_INT32")
    return True


def _is_full(own: _Shape, shape: _Shape) -> bool:
    """Whether an operand of shape ``own`` has all axes of ``shape``, and is repeated along none."""
    return len(own) == len(shape) and all(
        size != 1 or whole == 1 for size, whole in zip(own, shape, strict=True)
    )


_REWRITES: dict[str, Callable[..., bool]] = {
    "Pad": _pad,
    "PadV2": _pad,
    "MirrorPad": _pad,
    "ReverseV2": _reverse,
    "Cumsum": _accumulate,
    "Cumprod": _accumulate,
    "SelectV2": _select,
    "Tile": _tile,
    "BroadcastTo": _broadcast,
}
