"""CropAndResize on webgl reads within the picture where a box leaves it (TF.js 4.22)."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.arithmetic import Value, count_up, known, pack, read, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_crop_and_resize(graph: GraphModel) -> GraphModel:
    """Rewrite CropAndResize as arithmetic on coordinates and gathers, as ``crop_and_resize_op.cc`` has it.

    Leaves no CropAndResize.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        shapes = {} if emit.in_function else graph.shapes
        dtype = str(node.attrs["T"]["type"])
        pictures = node.inputs[0]
        _, height, width, channels = sizes(pictures, shapes.get(pictures) or (None,) * 4, dtype, emit)
        boxes = read(node.inputs[1], "float32", emit, by_name, shapes)
        picture = read(node.inputs[2], "int32", emit, by_name, shapes)
        wanted = read(node.inputs[3], "int32", emit, by_name, shapes)
        if dtype != "DT_FLOAT":
            pictures = emit.op("Cast", "floats", [pictures], SrcT=dtype, DstT="DT_FLOAT")
        y1, x1, y2, x2 = (boxes.column(index).reshape(-1, 1, 1) for index in range(4))
        row = _positions(y1, y2, height, wanted[0], (1, -1, 1))
        column = _positions(x1, x2, width, wanted[1], (1, 1, -1))
        pixels = _reshape(pictures, [known(emit, np.int32(-1)), channels], emit)
        start = picture.reshape(-1, 1, 1) * (height * width)

        def read_at(row: Value, column: Value) -> Value:
            index = start + row.cast("int32") * width + column.cast("int32")
            places = index.reshape(-1).tensor
            found = emit.gather(pixels, places, emit.const(np.int32(0), "axis"), "pixels", "DT_FLOAT")
            shape = [known(emit, np.int32(-1)), wanted[0], wanted[1], channels]
            return Value(emit, "float32", reference=_reshape(found, shape, emit))

        last_row, last_column = height.cast("float32") - 1.0, width.cast("float32") - 1.0
        inside = (row >= 0.0) & (row <= last_row) & (column >= 0.0) & (column <= last_column)
        row, column = row.maximum(0.0).minimum(last_row), column.maximum(0.0).minimum(last_column)
        if text(node, "method") == "nearest":
            value = read_at(_half_up(row), _half_up(column))
        else:
            top, left = row.floor(), column.floor()
            bottom, right = row.ceil(), column.ceil()
            across, down = (column - left).expanded(), (row - top).expanded()
            upper = read_at(top, left)
            upper = upper + (read_at(top, right) - upper) * across
            lower = read_at(bottom, left)
            lower = lower + (read_at(bottom, right) - lower) * across
            value = upper + (lower - upper) * down
        outside = float(node.attrs.get("extrapolation_value", {}).get("f", 0.0))
        emit.last("Identity", [inside.expanded().where(value, outside).tensor], T="DT_FLOAT")
        return True

    return replace_nodes(graph, "CropAndResize", rewrite)


def _positions(start: Value, end: Value, size: Value, count: Value, shape: tuple[int, int, int]) -> Value:
    """Return where the pixels of each box lie along one axis of the picture, ``[boxes, ...]``."""
    last = size.cast("float32") - 1.0
    steps = count.cast("float32") - 1.0
    single = steps < 1.0
    step = (end - start) * last / single.where(1.0, steps)
    spread = start * last + count_up(count).reshape(*shape) * step
    return single.where((start + end) * 0.5 * last, spread)


def _half_up(value: Value) -> Value:
    whole = value.floor()
    return ((value - whole) < 0.5).where(whole, whole + 1.0)


def _reshape(tensor: str, shape: list[Value], emit: Emitter) -> str:
    return emit.op("Reshape", "reshape", [tensor, pack(shape, emit)], T="DT_FLOAT", Tshape="DT_INT32")
