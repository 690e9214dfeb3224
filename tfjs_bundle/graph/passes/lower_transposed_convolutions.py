"""Transposed convolutions: TF.js ignores their dilation, and has none in three dimensions."""

from __future__ import annotations

import base64

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name, text
from tfjs_bundle.graph.passes.arithmetic import Value, known, pack, read
from tfjs_bundle.graph.passes.axes import Axes
from tfjs_bundle.graph.passes.rewriting import Emitter, attributes, replace_nodes


def lower_transposed_convolutions(graph: GraphModel) -> GraphModel:
    """Rewrite dilated Conv2DBackpropInput with zeros between the filter's numbers, and
    Conv3DBackpropInputV2 as the convolution of a picture with zeros between its pixels.

    Requires channels_last and constant filters; leaves others.
    """
    graph = replace_nodes(graph, "Conv2DBackpropInput", _dilate_filter)
    return replace_nodes(graph, "Conv3DBackpropInputV2", lambda *given: _convolve_upsampled(graph, *given))


def dilated(kernel: np.ndarray, dilations: list[int]) -> np.ndarray:
    """Return ``kernel`` with ``dilations[i] - 1`` zeros between its numbers along axis i."""
    spread = [(size - 1) * step + 1 for size, step in zip(kernel.shape, dilations, strict=False)]
    result = np.zeros((*spread, *kernel.shape[len(spread) :]), kernel.dtype)
    result[tuple(slice(None, None, step) for step in dilations)] = kernel
    return result


def _dilate_filter(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    dilations = numbers(node, "dilations", 4)[1:3]
    kernel = by_name.get(node_name(node.inputs[1]))
    if dilations == [1, 1] or kernel is None or kernel.value is None:
        return False
    attrs = {**node.attrs, "dilations": {"list": {"i": ["1"] * 4}}}
    spread = emit.const(dilated(kernel.value, dilations), "dilated_filter")
    inputs = [node.inputs[0], spread, *node.inputs[2:]]
    emit.nodes.append(Node(node.name, "Conv2DBackpropInput", inputs, attrs))
    return True


def _convolve_upsampled(graph: GraphModel, node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    """Turn the gradient of a convolution round: zeros between the pixels, the filter upside down.

    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning" (2016), relationship 14.
    """
    kernel = by_name.get(node_name(node.inputs[1]))
    if kernel is None or kernel.value is None:
        return False
    dtype = str(node.attrs["T"]["type"])
    strides, dilations = numbers(node, "strides", 5)[1:4], numbers(node, "dilations", 5)[1:4]
    weights = dilated(kernel.value, dilations)
    wanted = _output_sizes(graph, node, emit, by_name)
    picture = node.inputs[2]
    shape = None if emit.in_function else graph.shapes.get(picture)
    axes = Axes(picture, shape or (None,) * 5, dtype, emit)
    same = text(node, "padding") == "SAME"
    for axis, (stride, length) in enumerate(zip(strides, weights.shape[:3], strict=True), start=1):
        count = axes.sizes[axis]
        before: Value = known(emit, np.int32(0))
        if same:
            total = ((count - 1) * stride + length - wanted[axis]).maximum(0)
            before = total // 2
        left = -before + (length - 1)
        _spread(axes, axis, stride, dtype, emit)
        # what is behind the last pixel is cut off or filled up, so that the output has the wanted size
        size = wanted[axis] + (length - 1)
        _place(axes, axis, left, size, dtype, emit)
    flipped = np.ascontiguousarray(weights[::-1, ::-1, ::-1].swapaxes(3, 4))
    last = Node(node.name, "Conv3D", [axes.unfolded(), emit.const(flipped, "flipped_filter")])
    last.attrs = {
        **attributes(T=dtype),
        "strides": {"list": {"i": ["1"] * 5}},
        "dilations": {"list": {"i": ["1"] * 5}},
        "padding": {"s": base64.b64encode(b"VALID").decode()},
        "data_format": {"s": base64.b64encode(b"NDHWC").decode()},
    }
    emit.nodes.append(last)
    return True


def _output_sizes(graph: GraphModel, node: Node, emit: Emitter, by_name: dict[str, Node]) -> list[Value]:
    given = read(node.inputs[0], "int32", emit, by_name)
    shape = None if emit.in_function else graph.shapes.get(node.name)
    known_sizes = shape or (None,) * 5
    return [
        given[axis] if size is None else known(emit, np.int32(size)) for axis, size in enumerate(known_sizes)
    ]


def _spread(axes: Axes, axis: int, stride: int, dtype: str, emit: Emitter) -> None:
    """Put ``stride - 1`` zeros behind each pixel along ``axis``."""
    if stride == 1:
        return
    paddings = emit.const(np.array([[0, 0], [0, 0], [0, stride - 1], [0, 0]], np.int32), "zeros")
    inputs = [axes.fold_apart(axis), paddings]
    spread = emit.op("Pad", "spread", inputs, T=dtype, Tpaddings="DT_INT32")
    axes.put(spread, axis, axes.sizes[axis] * stride)


def _place(axes: Axes, axis: int, left: Value, size: Value, dtype: str, emit: Emitter) -> None:
    """Put ``left`` zeros before ``axis``, and as many behind it, or as little of it, as gives ``size``."""
    right = size - left - axes.sizes[axis]
    none = known(emit, np.int32(0))
    paddings = pack([none, none, left, right.maximum(0), none, none], emit)
    shape = emit.const(np.array([3, 2], np.int32), "pairs")
    pairs = emit.op("Reshape", "paddings", [paddings, shape], T="DT_INT32", Tshape="DT_INT32")
    padded = emit.op("Pad", "pad", [axes.fold(axis), pairs], T=dtype, Tpaddings="DT_INT32")
    if right.array is None or int(right.array) < 0:
        begin = emit.const(np.zeros(3, np.int32), "begin")
        every = known(emit, np.int32(-1))
        inputs = [padded, begin, pack([every, size, every], emit)]
        padded = emit.op("Slice", "cut", inputs, T=dtype, Index="DT_INT32")
    axes.put(padded, axis, size)


def numbers(node: Node, attr: str, count: int) -> list[int]:
    """Return an attribute that is a list of integers; ones where it is absent."""
    return [int(number) for number in node.attrs.get(attr, {}).get("list", {}).get("i", ["1"] * count)]
