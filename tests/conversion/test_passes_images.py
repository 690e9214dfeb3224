"""Passes over what works on pictures: TensorFlow's kernel against the lowered graph."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from test_passes import draw, one_op

from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph import kernels, passes
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import attributes, constant

pytestmark = pytest.mark.tensorflow


def text(value: str) -> dict[str, str]:
    """Return an attribute of bytes in protobuf's JSON form."""
    return {"s": base64.b64encode(value.encode()).decode()}


def lowered_with_sizes(
    graph: GraphModel, sizes: dict[str, tuple[int | None, ...]] | None = None
) -> GraphModel:
    """Lower ``graph``, which must then run on every backend, with the shapes that a tracer knows."""
    graph.shapes = sizes or {}
    lowered = passes.lower(graph)
    missing = {
        name: entry.missing_ops for name, entry in kernels.support(lowered).items() if entry.missing_ops
    }
    assert not missing
    return lowered


def compare(
    child, graph: GraphModel, inputs: list[np.ndarray], atol: float = 1e-6, unknown: bool = True
) -> None:
    """Assert that the graph keeps its value when it is lowered, with the picture's size known and unknown."""
    (expected,) = child.call("run_graph", graph, inputs)
    assert np.isfinite(expected).all()
    shape = (None, *inputs[0].shape[1:])
    for sizes in ({"x0": shape}, {})[: 1 + unknown]:
        lowered = lowered_with_sizes(graph, sizes)
        (found,) = child.call("run_graph", lowered, inputs)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=atol, rtol=1e-5, err_msg=f"sizes {sizes}")


# --- resizing ------------------------------------------------------------------------------------------

RESIZES = ["ResizeBicubic", "ResizeArea", "ResizeNearestNeighbor", "ResizeBilinear"]

#: (height, width) of the picture, and wanted: larger, smaller, one pixel, odd ratios, the same.
SIZES = [((7, 9), (13, 20)), ((11, 10), (4, 3)), ((1, 5), (4, 1)), ((6, 15), (10, 10)), ((5, 4), (5, 8))]


#: Those that are tried with an unknown size too, which takes longer.
UNKNOWN = [(7, 9), (1, 5)]


@pytest.mark.parametrize("corners", ["asymmetric", "align_corners", "half_pixel_centers"])
@pytest.mark.parametrize("op", RESIZES)
def test_a_resize_of_floats_equals_the_kernel(child, op, corners):
    if op == "ResizeArea" and corners == "half_pixel_centers":
        pytest.skip("ResizeArea has no half pixel centers")
    flags = {"align_corners": corners == "align_corners"}
    if op != "ResizeArea":
        flags["half_pixel_centers"] = corners == "half_pixel_centers"
    for (height, width), wanted in SIZES:
        inputs = [draw(2, height, width, 3)]
        size = (np.array(wanted, np.int32),)
        graph = one_op(op, inputs, False, size, **attributes(T="DT_FLOAT", **flags))
        compare(child, graph, inputs, unknown=(height, width) in UNKNOWN)


@pytest.mark.parametrize("op", RESIZES)
def test_a_resize_of_integers_equals_the_kernel(child, op):
    flags = {} if op == "ResizeArea" else {"half_pixel_centers": True}
    values = np.random.default_rng(0).integers(0, 256, (2, 6, 10, 3)).astype(np.int32)
    size = (np.array([9, 15], np.int32),)
    graph = one_op(op, [values], False, size, **attributes(T="DT_INT32", align_corners=False, **flags))
    exact = op in ("ResizeNearestNeighbor", "ResizeBilinear")  # in TensorFlow's own order
    compare(child, graph, [values], atol=0 if exact else 1e-4)
    assert op not in passes.lower(graph).ops()


KERNELS = ["lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"]


@pytest.mark.parametrize("antialias", [True, False], ids=["antialias", "plain"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_scale_and_translate_equals_the_kernel(child, kernel, antialias):
    """Enlarged, reduced, shifted to where nothing is, and a scale that the sizes do not tell."""
    attrs = {**attributes(T="DT_FLOAT", antialias=antialias), "kernel_type": text(kernel)}
    for (height, width), wanted in [((7, 9), (13, 20)), ((23, 20), (4, 3))]:
        inputs = [draw(2, height, width, 3)]
        exact = np.array([wanted[0] / height, wanted[1] / width], np.float32)
        for scale, shift in ((exact, (0, 0)), (exact * np.float32(0.7), (1.5, -4.25))):
            constants = (np.array(wanted, np.int32), scale, np.array(shift, np.float32))
            graph = one_op("ScaleAndTranslate", inputs, False, constants, **attrs)
            compare(
                child, graph, inputs, atol=3e-6, unknown=(height, shift) in ((7, (0, 0)), (23, (1.5, -4.25)))
            )


def test_a_bilinear_resize_of_floats_is_left_to_the_kernel():
    graph = one_op(
        "ResizeBilinear", [draw(1, 3, 3, 1)], False, (np.array([4, 4], np.int32),), **attributes(T="DT_FLOAT")
    )
    assert "ResizeBilinear" in passes.lower(graph).ops()


def test_weights_are_constants_where_the_size_is_known_and_computed_where_they_would_be_large():
    size = (np.array([300, 5], np.int32),)
    attrs = {**attributes(T="DT_FLOAT", antialias=True), "kernel_type": text("lanczos3")}
    constants = (*size, np.array([0.06, 0.5], np.float32), np.zeros(2, np.float32))

    def weights(height: int) -> tuple[set[str], int]:
        graph = one_op("ScaleAndTranslate", [np.zeros((1, 1, 1, 1), np.float32)], False, constants, **attrs)
        lowered = lowered_with_sizes(graph, {"x0": (None, height, 10, 1)})
        return lowered.ops(), sum(value.nbytes for value in lowered.weights().values())

    ops, _ = weights(50)
    assert ops == {"Placeholder", "Const", "Reshape", "BatchMatMulV2", "Identity"}
    ops, size_in_bytes = weights(5000)
    assert "Range" in ops
    assert size_in_bytes < 10_000


# --- sizes that are known ------------------------------------------------------------------------------


def half_of_the_height(shape: tuple[int | None, ...]) -> GraphModel:
    """Return a graph that divides a picture by half of its height, of which the tracer knows ``shape``."""
    graph = one_op("Shape", [draw(2, 8, 6, 1)], **attributes(T="DT_FLOAT", out_type="DT_INT32"))
    bounds = {"begin": [1], "end": [2], "step": [1]}
    graph.nodes += [constant(name, np.array(value, np.int32)) for name, value in bounds.items()]
    graph.nodes.append(constant("two", np.float32(2)))
    sliced = attributes(T="DT_INT32", Index="DT_INT32", shrink_axis_mask=1)
    graph.nodes.append(Node("height", "StridedSlice", ["y", *bounds], sliced))
    graph.nodes.append(Node("float", "Cast", ["height"], attributes(SrcT="DT_INT32", DstT="DT_FLOAT")))
    graph.nodes.append(Node("half", "RealDiv", ["float", "two"], attributes(T="DT_FLOAT")))
    graph.nodes.append(Node("scaled", "RealDiv", ["x0", "half"], attributes(T="DT_FLOAT")))
    output = TensorSpec("scaled", None, "float32", "float32", "scaled:0")
    graph.signature = Signature(graph.signature.inputs, (output,))
    graph.shapes = {"x0": shape}
    return graph


def test_what_is_made_of_a_known_height_becomes_a_constant_though_the_batch_is_unknown(child):
    graph, x = half_of_the_height((None, 8, None, 1)), draw(2, 8, 6, 1)
    folded = passes.lower(graph)
    assert folded.ops() == {"Placeholder", "Const", "RealDiv"}
    assert folded.weights()["half"] == 4
    np.testing.assert_allclose(child.call("run_graph", folded, [x])[0], x / 4)


def test_what_is_made_of_an_unknown_height_stays():
    graph = half_of_the_height((2, None, 6, 1))
    assert passes.lower(graph).ops() == graph.ops()


# --- projective transforms -----------------------------------------------------------------------------

TRANSFORMS = np.array(
    [
        [1, 0, 0, 0, 1, 0, 0, 0],
        [0.87, 0.23, -1.3, -0.15, 1.13, 0.71, 0, 0],
        [0.5, 0.1, -14, 0.3, 0.6, 25, 0.01, 0.02],  # far outside, with a perspective
        [1, 0, -2.5, 0, 1, 3.5, 0, 0],  # halfway between pixels
        [1, 0, 0, 0, 1, 0, -0.25, 0],  # the projection is 0 somewhere
    ],
    np.float32,
)


@pytest.mark.parametrize("mode", ["CONSTANT", "NEAREST", "WRAP", "REFLECT"])
@pytest.mark.parametrize("interpolation", ["NEAREST", "BILINEAR"])
def test_a_projective_transform_equals_the_kernel(child, interpolation, mode):
    attrs = {**attributes(dtype="DT_FLOAT"), "interpolation": text(interpolation), "fill_mode": text(mode)}
    count = len(TRANSFORMS)
    constants = (np.array([7, 11], np.int32), np.float32(0.25))
    own = [draw(count, 7, 9, 3), TRANSFORMS]
    compare(child, one_op("ImageProjectiveTransformV3", own, False, constants, **attrs), own, atol=1e-5)
    for transform in TRANSFORMS:
        shared = [draw(2, 7, 9, 3)]
        graph = one_op(
            "ImageProjectiveTransformV3", shared, False, (transform[np.newaxis], *constants), **attrs
        )
        compare(child, graph, shared, atol=1e-5, unknown=False)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_crops_equal_the_kernel(child, method):
    """Boxes that are the picture, a part of it, partly and wholly outside, and turned around."""
    boxes = [[0, 0, 1, 1], [0.13, 0.2, 0.6, 0.9], [-0.3, 0.5, 1.4, 0.8], [0.71, 0.8, 0.2, 0.1], [2, 2, 3, 3]]
    inputs = [draw(2, 7, 9, 3), np.array(boxes, np.float32), np.array([0, 1, 1, 0, 1], np.int32)]
    attrs = {**attributes(T="DT_FLOAT"), "method": text(method), "extrapolation_value": {"f": 0.25}}
    for size in ((4, 5), (1, 3)):
        constants = (np.array(size, np.int32),)
        compare(child, one_op("CropAndResize", inputs, False, constants, **attrs), inputs, atol=1e-5)


# --- colours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["RGBToHSV", "HSVToRGB"])
def test_colour_spaces_equal_the_kernel(child, op):
    """Drawn colours, and gray, black, white and pure ones, where a channel is not defined."""
    pure = np.stack(np.meshgrid([0, 0.5, 1], [0, 0.5, 1], [0, 0.5, 1]), -1).reshape(-1, 3)
    values = np.concatenate([pure, np.random.default_rng(0).uniform(0, 1, (73, 3))]).astype(np.float32)
    picture = values.reshape(2, 5, 10, 3)
    compare(child, one_op(op, [picture], **attributes(T="DT_FLOAT")), [picture])


@pytest.mark.parametrize("op", ["AdjustHue", "AdjustSaturation", "AdjustContrastv2"])
def test_adjustments_of_colours_equal_the_kernel(child, op):
    picture = np.random.default_rng(0).uniform(0, 1, (2, 5, 10, 3)).astype(np.float32)
    for amount in (-0.4, 0.2, 0.9) if op == "AdjustHue" else (0.0, 0.6, 1.7):
        graph = one_op(op, [picture], False, (np.float32(amount),), **attributes(T="DT_FLOAT"))
        compare(child, graph, [picture], unknown=False)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_patches_equal_the_kernel(child, padding):
    """Also of a picture that is not a multiple of the patch, and dilated."""
    picture = draw(2, 7, 10, 3)
    for size, stride, rate in (((3, 2), (3, 2), (1, 1)), ((2, 3), (1, 2), (1, 1)), ((2, 2), (1, 1), (2, 3))):
        lists = {"ksizes": size, "strides": stride, "rates": rate}
        attrs = {name: {"list": {"i": ["1", *map(str, pair), "1"]}} for name, pair in lists.items()}
        attrs |= {**attributes(T="DT_FLOAT"), "padding": text(padding)}
        compare(child, one_op("ExtractImagePatches", [picture], False, **attrs), [picture], unknown=False)


def test_patches_of_unknown_channels_are_refused_by_name():
    attrs = {name: {"list": {"i": ["1", "2", "2", "1"]}} for name in ("ksizes", "strides")}
    attrs["rates"] = {"list": {"i": ["1"] * 4}}
    attrs |= {**attributes(T="DT_FLOAT"), "padding": text("VALID")}
    lowered = passes.lower(one_op("ExtractImagePatches", [draw(1, 4, 4, 3)], False, **attrs))
    with pytest.raises(UnsupportedModelError, match="ExtractImagePatches"):
        kernels.support(lowered)


def test_a_check_of_shapes_is_dropped(child):
    x = draw(2, 3)
    attrs = {**attributes(T="DT_FLOAT"), "shape": {"shape": {"dim": [{"size": "-1"}, {"size": "3"}]}}}
    lowered = lowered_with_sizes(one_op("EnsureShape", [x], **attrs))
    assert "EnsureShape" not in lowered.ops()
    np.testing.assert_array_equal(child.call("run_graph", lowered, [x])[0], x)
