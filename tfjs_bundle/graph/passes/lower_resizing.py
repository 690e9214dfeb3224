"""Resizing of pictures beyond bilinear has no kernel in TF.js; some that it has are not TensorFlow's.

ResizeBicubic, ResizeArea and ScaleAndTranslate (lanczos, and everything antialiased) are unknown to it.
ResizeNearestNeighbor divides on the graphics card, where a pixel in the middle of two may fall on the wrong
side, and gives float32 for integers on wasm; ResizeBilinear of integers is rounded afterwards, so that the
last bit decides.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes import resampling
from tfjs_bundle.graph.passes.arithmetic import Value, known, pack, read, sizes
from tfjs_bundle.graph.passes.resampling import Axis
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: Up to so many source pixels for each target, they are gathered and added; beyond, a matrix product does it.
TAPS = 8

#: A matrix of more elements is computed by the model, so that it takes no place in the bundle.
LARGE = 1 << 20


def lower_resizing(graph: GraphModel) -> GraphModel:
    """Rewrite the resizing ops as gathers, or as products with matrices of weights.

    The weights are constants where the tracer knows the size of the picture, and are computed by the model
    where it does not. Leaves ResizeBilinear of floats, and no other of these ops. A NaN or an infinity
    spreads over whole rows and columns where a matrix is multiplied, which TensorFlow keeps to its
    surroundings.
    """

    def resize(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        if node.op == "ResizeBilinear" and node.attrs["T"]["type"] == "DT_FLOAT":
            return False
        _Resize(graph, node, emit, by_name).emit_nodes()
        return True

    for op in ("ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic", "ResizeArea", "ScaleAndTranslate"):
        graph = replace_nodes(graph, op, resize)
    return graph


class _Resize:
    """One resize: its attributes, its axes, and the nodes that take its place."""

    def __init__(self, graph: GraphModel, node: Node, emit: Emitter, by_name: dict[str, Node]) -> None:
        self._node = node
        self._emit = emit
        self._dtype = str(node.attrs["T"]["type"])
        self._shapes = {} if emit.in_function else graph.shapes
        shape = self._shapes.get(node.inputs[0])
        _, *spatial, self._channels = sizes(
            node.inputs[0], shape or (None, None, None, None), self._dtype, emit
        )
        wanted = read(node.inputs[1], "int32", emit, by_name, self._shapes)
        self._axes = [Axis(size, wanted[index]) for index, size in enumerate(spatial)]
        self._by_name = by_name

    def emit_nodes(self) -> None:
        picture = self._node.inputs[0]
        if self._node.op == "ResizeNearestNeighbor":
            for number, axis in enumerate(self._axes, start=1):
                index = resampling.nearest(
                    axis, self._flag("align_corners"), self._flag("half_pixel_centers")
                )
                picture = self._gather(picture, index, number)
        else:
            if self._dtype != "DT_FLOAT":
                picture = self._emit.op("Cast", "floats", [picture], SrcT=self._dtype, DstT="DT_FLOAT")
                self._dtype = "DT_FLOAT"
            for number, axis in enumerate(self._axes, start=1):
                if self._node.op == "ResizeBilinear":
                    picture = self._interpolate(picture, axis, number)
                else:
                    picture = self._weigh(picture, axis, number)
        self._emit.last("Identity", [picture], T=self._dtype)

    def _flag(self, name: str) -> bool:
        return bool(self._node.attrs.get(name, {}).get("b", False))

    def _weights(self, axis: Axis, number: int) -> Value:
        if self._node.op == "ResizeBicubic":
            return resampling.bicubic(axis, self._flag("align_corners"), self._flag("half_pixel_centers"))
        if self._node.op == "ResizeArea":
            return resampling.area(axis, self._flag("align_corners"))
        scale, translation = (
            read(tensor, "float32", self._emit, self._by_name, self._shapes)[number - 1]
            for tensor in self._node.inputs[2:4]
        )
        kernel = text(self._node, "kernel_type")
        return resampling.scale_and_translate(axis, scale, translation, kernel, self._flag("antialias"))

    def _weigh(self, picture: str, axis: Axis, number: int) -> str:
        weights = self._weights(axis, number)
        if weights.array is not None:
            columns, parts = _taps(weights.array)
            if columns.shape[1] <= TAPS:
                return self._add_taps(picture, columns, parts, number)
            if weights.array.size > LARGE:
                weights = self._weights(replace(axis, input=axis.input.unknown()), number)
        return self._multiply(picture, weights, axis, number)

    def _multiply(self, picture: str, weights: Value, axis: Axis, number: int) -> str:
        """Multiply from the left: ``[1, output, input] @ [-1, input, the axes behind it]``."""
        height, width = self._axes
        inner = width.input * self._channels if number == 1 else self._channels
        minus = known(self._emit, np.int32(-1))
        flat = self._reshape(picture, [minus, axis.input, inner])
        matrix = self._reshape(weights.tensor, [known(self._emit, np.int32(1)), axis.output, axis.input])
        product = self._emit.op(
            "BatchMatMulV2", "resized", [matrix, flat], T="DT_FLOAT", adj_x=False, adj_y=False
        )
        now_wide = width.output if number == 2 else width.input
        return self._reshape(product, [minus, height.output, now_wide, self._channels])

    def _add_taps(self, picture: str, columns: np.ndarray, parts: np.ndarray, number: int) -> str:
        """Add what each tap, a column of sources and their weights, brings."""
        total = ""
        for column, part in zip(columns.T, parts.T, strict=True):
            tap = self._gather(picture, known(self._emit, column), number)
            if not np.all(part == 1):
                tap = self._scale(tap, known(self._emit, part), number)
            total = self._emit.op("AddV2", "sum", [total, tap], T="DT_FLOAT") if total else tap
        return total

    def _interpolate(self, picture: str, axis: Axis, number: int) -> str:
        """Compute ``lower + (upper - lower) * share``, in TensorFlow's order."""
        align, half = self._flag("align_corners"), self._flag("half_pixel_centers")
        lower_index, upper_index, share = resampling.bilinear(axis, align, half)
        lower = self._gather(picture, lower_index, number)
        upper = self._gather(picture, upper_index, number)
        step = self._emit.op("Sub", "step", [upper, lower], T="DT_FLOAT")
        return self._emit.op("AddV2", "sum", [lower, self._scale(step, share, number)], T="DT_FLOAT")

    def _scale(self, picture: str, factors: Value, number: int) -> str:
        """Multiply with one factor for each row (axis 1) or column (axis 2)."""
        shaped = factors.reshape(-1, 1, 1) if number == 1 else factors.reshape(-1, 1)
        return self._emit.op("Mul", "weighed", [picture, shaped.tensor], T="DT_FLOAT")

    def _gather(self, picture: str, indices: Value, number: int) -> str:
        axis = self._emit.const(np.int32(number), "axis")
        return self._emit.op(
            "GatherV2",
            "rows" if number == 1 else "columns",
            [picture, indices.tensor, axis],
            Tparams=self._dtype,
            Tindices="DT_INT32",
            Taxis="DT_INT32",
            batch_dims=0,
        )

    def _reshape(self, tensor: str, shape: list[Value]) -> str:
        inputs = [tensor, pack(shape, self._emit)]
        return self._emit.op("Reshape", "reshape", inputs, T="DT_FLOAT", Tshape="DT_INT32")


def _taps(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sources (int32) and weights (float32) of each row that cover all that is not zero.

    Args:
        weights: ``[output, input]``.

    Returns:
        Two arrays ``[output, taps]``.
    """
    used = weights != 0
    first = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    end = np.where(used.any(axis=1), weights.shape[1] - used[:, ::-1].argmax(axis=1), 1)
    count = max(1, int((end - first).max(initial=1)))
    start = np.minimum(first, weights.shape[1] - count)
    columns = (start[:, None] + np.arange(count)).astype(np.int32)
    return columns, np.take_along_axis(weights, columns, axis=1).astype(np.float32)
