"""How TensorFlow's kernels resample one axis of a picture: weights and indices as formulas.

Every function takes sizes as float32 scalars and returns a matrix ``[output size, input size]`` of weights,
or a vector ``[output size]`` of indices. What TensorFlow does is in ``tensorflow/core/kernels/image``:
``resize_bicubic_op.cc``, ``resize_area_op.cc``, ``resize_nearest_neighbor_op.cc``, ``resize_bilinear_op.cc``,
``scale_and_translate_op.cc`` and ``sampling_kernels.h``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfjs_bundle.graph.passes.arithmetic import Value, count_up, divide

#: The bicubic kernel is read from a table with this many steps between two pixels.
BICUBIC_STEPS = 1024.0


@dataclass(frozen=True)
class Axis:
    """One axis to resize.

    Attributes:
        input: its size, an int32 scalar.
        output: the size wanted, an int32 scalar.
    """

    input: Value
    output: Value

    @property
    def input_size(self) -> Value:
        """The input's size in float32."""
        return self.input.cast("float32")

    @property
    def sources(self) -> Value:
        """The input's positions, ``[1, input]``."""
        return count_up(self.input).reshape(1, -1)

    @property
    def targets(self) -> Value:
        """The output's positions, ``[output, 1]``."""
        return count_up(self.output).reshape(-1, 1)

    def scale(self, align_corners: bool) -> Value:
        """Return the input's pixels to one of the output, as ``CalculateResizeScale`` does."""
        output = self.output.cast("float32")
        whole = divide(self.input_size, output)
        if not align_corners:
            return whole
        between = divide(self.input_size - 1.0, (output - 1.0).maximum(1.0))
        return (output <= 1.0).where(whole, between)


# --- kernels: what a pixel counts for at a distance of x >= 0 pixels -------------------------------------


def triangle(x: Value) -> Value:
    return (1.0 - x).maximum(0.0)


def keys_cubic(x: Value) -> Value:
    """Keys's kernel with a = -0.5 (R. G. Keys, "Cubic convolution interpolation", 1981)."""
    near = ((1.5 * x - 2.5) * x) * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return (x < 1.0).where(near, (x < 2.0).where(far, 0.0))


def mitchell_cubic(x: Value) -> Value:
    """Mitchell and Netravali's kernel with B = C = 1/3."""
    near = ((7.0 / 6.0 * x - 2.0) * x) * x + 8.0 / 9.0
    far = ((-7.0 / 18.0 * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0
    return (x < 1.0).where(near, (x < 2.0).where(far, 0.0))


def gaussian(x: Value) -> Value:
    """The bell of standard deviation 0.5, cut off at 1.5."""
    return (x < 1.5).where((x * x * -2.0).exp(), 0.0)


def box(x: Value) -> Value:
    return (x < 0.5).where(1.0, x.equals(0.5).where(0.5, 0.0))


def lanczos(radius: int) -> Callable[[Value], Value]:
    """Return the windowed sine of ``radius``."""

    def kernel(x: Value) -> Value:
        product = sine_of_half_turns(x) * sine_of_half_turns(x / float(radius)) * float(radius)
        scaled = x * float(np.pi)
        value = product / (scaled * scaled).maximum(1e-6)
        return (x <= 1e-3).where(1.0, (x <= float(radius)).where(value, 0.0))

    return kernel


def sine_of_half_turns(x: Value) -> Value:
    """Return sin(pi x) to within 2e-7: a graphics card's own sine may be off by 5e-4.

    The series of sine around the nearest whole number of half turns, whose parity gives the sign.
    """
    turns = (x + 0.5).floor()
    rest = (x - turns) * float(np.pi)  # in [-pi/2, pi/2]
    square = rest * rest
    series = square * (-1.0 / 39916800.0) + 1.0 / 362880.0
    for factor in (-1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0):
        series = series * square + factor
    odd = turns - 2.0 * (turns * 0.5).floor()
    return series * rest * (1.0 - 2.0 * odd)


#: ``kernel_type`` of ScaleAndTranslate -> the kernel.
KERNELS: dict[str, Callable[[Value], Value]] = {
    "lanczos1": lanczos(1),
    "lanczos3": lanczos(3),
    "lanczos5": lanczos(5),
    "gaussian": gaussian,
    "box": box,
    "triangle": triangle,
    "keyscubic": keys_cubic,
    "mitchellcubic": mitchell_cubic,
}


# --- weights -------------------------------------------------------------------------------------------


def scale_and_translate(axis: Axis, scale: Value, translation: Value, kernel: str, antialias: bool) -> Value:
    """Return ScaleAndTranslate's weights; ``scale`` and ``translation`` are float32 scalars."""
    weigh = KERNELS[kernel]
    inverse = 1.0 / scale
    centers = (axis.targets + 0.5) * inverse - inverse * translation
    distances = abs(axis.sources + 0.5 - centers)
    if antialias:
        distances = distances * (1.0 / inverse.maximum(1.0))
    weights = _normalized(weigh(distances))
    inside = (centers >= 0.0) & (centers <= axis.input_size)
    return inside.where(weights, 0.0)


def bicubic(axis: Axis, align_corners: bool, half_pixel_centers: bool) -> Value:
    """Return ResizeBicubic's weights.

    With half pixel centers the kernel has a = -0.5 and weights beyond the edge are dropped; without,
    a = -0.75 and the pixels at the edge take them.
    """
    scale = axis.scale(align_corners)
    if half_pixel_centers:
        location = (axis.targets + 0.5) * scale - 0.5
    else:
        location = axis.targets * scale
    whole = location.floor()
    place = whole + ((location - whole) * BICUBIC_STEPS).round() * (1.0 / BICUBIC_STEPS)
    sources = axis.sources
    if half_pixel_centers:
        return _normalized(keys_cubic(abs(sources - place)))
    last = axis.input_size - 1.0
    before = _wide_cubic(abs(place + 1.0))
    after = _wide_cubic(abs(last + 1.0 - place)) + _wide_cubic(abs(last + 2.0 - place))
    weights = _wide_cubic(abs(sources - place))
    weights = weights + sources.equals(0.0).where(before, 0.0)
    return weights + sources.equals(last).where(after, 0.0)


def area(axis: Axis, align_corners: bool) -> Value:
    """Return ResizeArea's weights: how much of a target pixel each source pixel covers.

    The last pixel goes on beyond the edge, where targets may end up that are aligned by their corners.
    """
    scale = axis.scale(align_corners)
    start, end = axis.targets * scale, (axis.targets + 1.0) * scale
    left = axis.sources
    right = (left < axis.input_size - 1.0).where(left + 1.0, 1e9)
    covered = (right.minimum(end) - left.maximum(start)).maximum(0.0)
    point = scale <= 0.0  # one pixel aligned by its corners
    return point.where(1.0, covered / point.where(1.0, scale))


def _wide_cubic(x: Value) -> Value:
    near = ((1.25 * x - 2.25) * x) * x + 1.0
    far = ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0
    return (x < 1.0).where(near, (x < 2.0).where(far, 0.0))


def _normalized(weights: Value) -> Value:
    total = weights.sum(1)
    negligible = abs(total) < float(1000 * np.finfo(np.float32).tiny)
    return negligible.where(0.0, weights / negligible.where(1.0, total))


# --- indices -------------------------------------------------------------------------------------------


def nearest(axis: Axis, align_corners: bool, half_pixel_centers: bool) -> Value:
    """Return the source of each target in ResizeNearestNeighbor, int32 ``[output]``."""
    scale = axis.scale(align_corners)
    targets = count_up(axis.output)
    location = (targets + 0.5) * scale if half_pixel_centers else targets * scale
    index = location.floor()
    if align_corners:  # halves away from zero
        index = ((location - index) < 0.5).where(index, index + 1.0)
    return index.minimum(axis.input_size - 1.0).maximum(0.0).cast("int32")


def bilinear(axis: Axis, align_corners: bool, half_pixel_centers: bool) -> tuple[Value, Value, Value]:
    """Return ResizeBilinear's lower and upper source of each target, int32 ``[output]``, and the
    share of the upper, float32 ``[output]``."""
    scale = axis.scale(align_corners)
    targets = count_up(axis.output)
    location = (targets + 0.5) * scale - 0.5 if half_pixel_centers else targets * scale
    whole = location.floor()
    last = axis.input_size - 1.0
    lower = whole.maximum(0.0)
    upper = location.ceil().minimum(last)
    return lower.cast("int32"), upper.cast("int32"), location - whole
