"""TF.js's Transform kernels map what lies outside the picture otherwise than TensorFlow, and than each other.

On cpu, a picture of a batch beyond the first is transformed by what is not there; fill modes "nearest" and
"reflect" read other pixels; on wasm "reflect" does (TF.js 4.22).
"""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.arithmetic import Value, arange, count_up, divide, known, pack, read, sizes
from tfjs_bundle.graph.passes.known_values import Shapes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: Up to so many target pixels, what can be computed while building becomes constants.
SMALL = 1 << 14

_Point = tuple[Value, Value]  # row and column


def lower_projective_transforms(graph: GraphModel) -> GraphModel:
    """Rewrite ImageProjectiveTransformV2 and V3 as arithmetic on coordinates and gathers. Leaves neither.

    As ``image_ops.h`` has it: a target pixel ``(x, y)`` comes from ``((a0 x + a1 y + a2) / k,
    (b0 x + b1 y + b2) / k)`` with ``k = c0 x + c1 y + 1``, is brought into the picture by the fill mode, and
    is read there; what is still outside is the fill value.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        shapes = {} if emit.in_function else graph.shapes
        _Transform(node, emit, by_name, shapes).emit_nodes()
        return True

    for op in ("ImageProjectiveTransformV2", "ImageProjectiveTransformV3"):
        graph = replace_nodes(graph, op, rewrite)
    return graph


class _Transform:
    """One transform; all values of coordinates have the shape ``[transforms or 1, height, width]``."""

    def __init__(self, node: Node, emit: Emitter, by_name: dict[str, Node], shapes: Shapes) -> None:
        self._node, self._emit = node, emit
        self._dtype = str(node.attrs["dtype"]["type"])
        shape = shapes.get(node.inputs[0]) or (None,) * 4
        self._sizes = sizes(node.inputs[0], shape, self._dtype, emit)
        self._transforms = read(node.inputs[1], "float32", emit, by_name, shapes)
        wanted = read(node.inputs[2], "int32", emit, by_name, shapes)
        self._height, self._width = wanted[0], wanted[1]
        if wanted.array is not None and int(wanted.array.prod()) > SMALL:
            self._transforms = self._transforms.unknown()
        rows = shapes.get(node.inputs[1], (None, 8))[0]
        if self._transforms.array is not None:
            rows = len(self._transforms.array)
        #: whether all pictures share one transform, for certain
        self._shared = rows == 1
        if len(node.inputs) > 3:
            self._fill = read(node.inputs[3], "float32", emit, by_name, shapes)
        else:
            self._fill = known(emit, np.float32(0))

    def emit_nodes(self) -> None:
        picture = self._node.inputs[0]
        if self._dtype != "DT_FLOAT":
            picture = self._emit.op("Cast", "floats", [picture], SrcT=self._dtype, DstT="DT_FLOAT")
        point = self._mapped(self._sources())
        pixels = self._pixels(picture)
        if self._text("interpolation") == "NEAREST":
            read_at = self._read(pixels, (_half_away(point[0]), _half_away(point[1])))
        else:
            read_at = self._bilinear(pixels, point)
        if self._dtype != "DT_FLOAT":
            self._emit.last("Cast", [read_at.tensor], SrcT="DT_FLOAT", DstT=self._dtype)
        else:
            self._emit.last("Identity", [read_at.tensor], T="DT_FLOAT")

    def _text(self, name: str) -> str:
        return text(self._node, name) or "CONSTANT"

    def _sources(self) -> _Point:
        """Return where each target pixel comes from."""
        transforms = self._transforms
        a0, a1, a2, b0, b1, b2, c0, c1 = (transforms.column(i).reshape(-1, 1, 1) for i in range(8))
        x = count_up(self._width).reshape(1, 1, -1)
        y = count_up(self._height).reshape(1, -1, 1)
        projection = c0 * x + c1 * y + 1.0
        self._somewhere = projection.differs(0.0)
        divisor = self._somewhere.where(projection, 1.0)
        return (b0 * x + b1 * y + b2) / divisor, (a0 * x + a1 * y + a2) / divisor

    def _mapped(self, point: _Point) -> _Point:
        mode = self._text("fill_mode")
        _, height, width, _ = (size.cast("float32") for size in self._sizes)
        row, column = point
        if mode == "REFLECT":
            return _reflect(row, height), _reflect(column, width)
        if mode == "WRAP":
            return _wrap(row, height), _wrap(column, width)
        if mode == "NEAREST":
            return _clamp(row, height), _clamp(column, width)
        return point

    def _pixels(self, picture: str) -> str:
        """Bring the pictures into ``[batch, pixels, channels]``, or ``[pixels, channels]`` of all of them."""
        _, height, width, channels = self._sizes
        minus = known(self._emit, np.int32(-1))
        lead = [minus, height * width, channels] if self._shared else [minus, channels]
        return self._reshape(picture, lead)

    def _bilinear(self, pixels: str, point: _Point) -> Value:
        row, column = point
        top, left = row.floor(), column.floor()
        bottom, right = top + 1.0, left + 1.0
        before, after = (right - column).expanded(), (column - left).expanded()
        upper = before * self._read(pixels, (top, left)) + after * self._read(pixels, (top, right))
        lower = before * self._read(pixels, (bottom, left)) + after * self._read(pixels, (bottom, right))
        value = (bottom - row).expanded() * upper + (row - top).expanded() * lower
        return self._filled(self._somewhere, value)

    def _read(self, pixels: str, point: _Point) -> Value:
        """Read the pixels at whole coordinates, ``[batch, height, width, channels]``."""
        row, column = point
        batch, height, width, channels = self._sizes
        last_row, last_column = height.cast("float32") - 1.0, width.cast("float32") - 1.0
        inside = (row >= 0.0) & (row <= last_row) & (column >= 0.0) & (column <= last_column)
        row = row.maximum(0.0).minimum(last_row).cast("int32")
        column = column.maximum(0.0).minimum(last_column).cast("int32")
        index = row * width + column
        if not self._shared:
            index = index + arange(batch).reshape(-1, 1, 1) * (height * width)
        axis = 1 if self._shared else 0
        found = self._emit.op(
            "GatherV2",
            "pixels",
            [pixels, index.reshape(-1).tensor, self._emit.const(np.int32(axis), "axis")],
            Tparams="DT_FLOAT",
            Tindices="DT_INT32",
            Taxis="DT_INT32",
            batch_dims=0,
        )
        found = self._reshape(found, [known(self._emit, np.int32(-1)), self._height, self._width, channels])
        return self._filled(inside & self._somewhere, Value(self._emit, "float32", reference=found))

    def _filled(self, inside: Value, value: Value) -> Value:
        if inside.array is not None and inside.array.all():
            return value
        return inside.expanded().where(value, self._fill)

    def _reshape(self, tensor: str, shape: list[Value]) -> str:
        inputs = [tensor, pack(shape, self._emit)]
        return self._emit.op("Reshape", "reshape", inputs, T="DT_FLOAT", Tshape="DT_INT32")


def _half_away(value: Value) -> Value:
    """Round to the nearest whole number, halves away from zero, as ``std::round``."""
    size = abs(value)
    whole = size.floor()
    rounded = ((size - whole) < 0.5).where(whole, whole + 1.0)
    return (value < 0.0).where(-rounded, rounded)


# --- fill modes: MapCoordinate in image_ops.h -------------------------------------------------------------


def _clamp(value: Value, size: Value) -> Value:
    return value.maximum(0.0).minimum(size - 1.0)


def _reflect(value: Value, size: Value) -> Value:
    """Continue ``abcd`` as ``dcba abcd dcba``."""
    period = size * 2.0
    below = value + period * divide(-value, period).floor()
    below = (below < -size).where(below + period, -below - 1.0)
    above = value - period * divide(value, period).floor()
    above = (above < size).where(above, period - above - 1.0)
    return _clamp((value < 0.0).where(below, (value <= size - 1.0).where(value, above)), size)


def _wrap(value: Value, size: Value) -> Value:
    """Continue ``abcd`` as ``abcd abcd abcd``."""
    last = size - 1.0
    step = last.maximum(1.0)
    below = value + size * (divide(-value, step).floor() + 1.0)
    above = value - size * divide(value, step).floor()
    return _clamp((value < 0.0).where(below, (value <= last).where(value, above)), size)
