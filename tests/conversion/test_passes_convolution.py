"""Passes around convolutions: channels_first, transposed convolutions, many axes."""

from __future__ import annotations

import base64
import itertools

import numpy as np
import pytest
from test_passes import draw, one_op

from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.passes.fold_axes import fold_axes
from tfjs_bundle.graph.passes.lower_bias_add import lower_bias_add
from tfjs_bundle.graph.passes.lower_channels_first import lower_channels_first
from tfjs_bundle.graph.passes.lower_transposed_convolutions import lower_transposed_convolutions
from tfjs_bundle.graph.passes.rewriting import attributes
from tfjs_bundle.graph.passes.split_dilated_batches import split_dilated_batches

pytestmark = pytest.mark.tensorflow


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def numbers(*values: int) -> dict[str, object]:
    return {"list": {"i": [str(value) for value in values]}}


def traced(graph: GraphModel, output: tuple[int, ...], known: bool) -> GraphModel:
    """Add the shapes that the tracer infers: the ranks only, where sizes are not known."""
    for spec in graph.signature.inputs:
        graph.shapes[spec.tensor.removesuffix(":0")] = spec.shape
    graph.shapes["y"] = output if known else (None,) * len(output)
    return graph


def last(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 1, -1)


def first(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, -1, 1)


# --- channels_first ------------------------------------------------------------------------------------

PICTURE = draw(2, 4, 7, 6)
VOLUME = draw(2, 4, 5, 6, 7)
OPS = {
    "Conv2D": (
        PICTURE,
        (draw(3, 2, 4, 5, seed=1),),
        {"strides": numbers(1, 1, 2, 3), "padding": text("SAME"), "dilations": numbers(1, 1, 1, 1)},
    ),
    "DepthwiseConv2dNative": (
        PICTURE,
        (draw(3, 3, 4, 2, seed=1),),
        {"strides": numbers(1, 1, 2, 2), "padding": text("VALID")},
    ),
    "MaxPool": (
        PICTURE,
        (),
        {"ksize": numbers(1, 1, 3, 2), "strides": numbers(1, 1, 1, 2), "padding": text("SAME")},
    ),
    "AvgPool": (
        PICTURE,
        (),
        {"ksize": numbers(1, 1, 3, 2), "strides": numbers(1, 1, 1, 2), "padding": text("SAME")},
    ),
    "Conv3D": (
        VOLUME,
        (draw(2, 3, 2, 4, 3, seed=1),),
        {"strides": numbers(1, 1, 1, 2, 3), "padding": text("SAME")},
    ),
    "AvgPool3D": (
        VOLUME,
        (),
        {"ksize": numbers(1, 1, 2, 3, 2), "strides": numbers(1, 1, 2, 1, 2), "padding": text("VALID")},
    ),
}


@pytest.mark.parametrize("op", OPS)
def test_an_op_in_channels_first_runs_in_channels_last(child, op):
    picture, constants, attrs = OPS[op]
    types = attributes(T="DT_FLOAT")
    formats = ("NCDHW", "NDHWC") if picture.ndim == 5 else ("NCHW", "NHWC")
    lowered = lower_channels_first(
        one_op(op, [picture], True, constants, **types, **attrs, data_format=text(formats[0]))
    )
    # TensorFlow itself has channels_first for few ops on a CPU: the same in channels_last is the reference
    order = [0, *range(2, picture.ndim), 1]
    moved = {
        name: numbers(*(int(attr["list"]["i"][axis]) for axis in order)) if "list" in attr else attr
        for name, attr in attrs.items()
    }
    reference = one_op(op, [last(picture)], True, constants, **types, **moved, data_format=text(formats[1]))
    (found,) = child.call("run_graph", lowered, [picture])
    (expected,) = child.call("run_graph", reference, [np.ascontiguousarray(last(picture))])
    np.testing.assert_allclose(found, first(expected), atol=1e-6)


def test_explicit_paddings_move_with_their_axes(child):
    kernel = draw(3, 2, 4, 5, seed=1)
    attrs = {**attributes(T="DT_FLOAT"), "padding": text("EXPLICIT")}
    graph = lower_channels_first(
        one_op(
            "Conv2D",
            [PICTURE],
            True,
            (kernel,),
            **attrs,
            data_format=text("NCHW"),
            strides=numbers(1, 1, 1, 1),
            explicit_paddings=numbers(0, 0, 0, 0, 2, 1, 0, 3),
        )
    )
    padded = np.pad(PICTURE, [(0, 0), (0, 0), (2, 1), (0, 3)])
    plain = {"padding": text("VALID"), "strides": numbers(1, 1, 1, 1), "data_format": text("NHWC")}
    reference = one_op("Conv2D", [last(padded)], True, (kernel,), **attributes(T="DT_FLOAT"), **plain)
    (found,) = child.call("run_graph", graph, [PICTURE])
    (expected,) = child.call("run_graph", reference, [np.ascontiguousarray(last(padded))])
    np.testing.assert_allclose(found, first(expected), atol=1e-6)


@pytest.mark.parametrize("known", [True, False], ids=["known rank", "unknown rank"])
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 4, 3, 5), (2, 4, 3, 2, 2)], ids=len)
def test_a_bias_of_channels_first_is_added_along_the_second_axis(child, shape, known):
    x, bias = draw(*shape), draw(4, seed=1)
    graph = one_op("BiasAdd", [x, bias], **attributes(T="DT_FLOAT"), data_format=text("NCHW"))
    if known:
        graph.shapes["x0"] = shape
    (found,) = child.call("run_graph", lower_bias_add(graph), [x, bias])
    np.testing.assert_array_equal(found, x + bias.reshape(4, *[1] * (x.ndim - 2)))


# --- transposed convolutions ---------------------------------------------------------------------------


def by_definition(
    x: np.ndarray, kernel: np.ndarray, sizes: tuple[int, ...], strides, dilations, same: bool
) -> np.ndarray:
    """Scatter every pixel times the filter: what a transposed convolution is."""
    result = np.zeros((x.shape[0], *sizes, kernel.shape[-2]))
    counts = x.shape[1:-1]
    reach = [(size - 1) * step + 1 for size, step in zip(kernel.shape, dilations, strict=False)]
    before = [
        max((count - 1) * stride + length - size, 0) // 2 if same else 0
        for count, stride, length, size in zip(counts, strides, reach, sizes, strict=True)
    ]
    for pixel in itertools.product(*map(range, counts)):
        for tap in itertools.product(*map(range, kernel.shape[: len(counts)])):
            at = tuple(
                p * s + t * d - b
                for p, s, t, d, b in zip(pixel, strides, tap, dilations, before, strict=True)
            )
            if all(0 <= place < size for place, size in zip(at, sizes, strict=True)):
                result[(slice(None), *at)] += x[(slice(None), *pixel)] @ kernel[tap].T
    return result


TRANSPOSED = [
    # strides, dilations, same, output sizes
    ((1, 1, 1), (1, 1, 1), False, (4, 5, 5)),
    ((2, 2, 2), (1, 1, 1), True, (6, 6, 8)),
    ((2, 2, 2), (1, 1, 1), True, (5, 5, 7)),  # an output_padding of 0
    ((3, 2, 1), (1, 1, 1), False, (8, 8, 6)),  # rows that no pixel reaches
    ((1, 1, 1), (2, 1, 3), False, (5, 5, 7)),
    ((1, 1, 1), (2, 2, 2), True, (3, 3, 4)),
    ((3, 3, 3), (1, 1, 1), False, (8, 9, 11)),
]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(("strides", "dilations", "same", "sizes"), TRANSPOSED)
def test_a_transposed_convolution_in_three_dimensions_becomes_a_convolution(
    child, strides, dilations, same, sizes, known
):
    x, kernel = draw(2, 3, 3, 4, 3), draw(2, 3, 2, 5, 3, seed=1)
    graph = one_op("Conv3DBackpropInputV2", [x], known, **attributes(T="DT_FLOAT", Tshape="DT_INT32"))
    graph.nodes[-1].attrs |= {
        "strides": numbers(1, *strides, 1),
        "dilations": numbers(1, *dilations, 1),
        "padding": text("SAME" if same else "VALID"),
        "data_format": text("NDHWC"),
    }
    given = one_op("Identity", [x], known, (np.array([2, *sizes, 5], np.int32), kernel))
    graph.nodes[1:1] = given.nodes[1:3]
    graph.nodes[-1].inputs = ["c0", "c1", "x0"]
    lowered = lower_transposed_convolutions(traced(graph, (2, *sizes, 5), known))
    assert "Conv3DBackpropInputV2" not in lowered.ops()
    (found,) = child.call("run_graph", lowered, [x])
    expected = by_definition(x, kernel, sizes, strides, dilations, same)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("same", [True, False])
def test_a_dilated_transposed_convolution_gets_zeros_in_its_filter(child, same):
    x, kernel, sizes = draw(2, 4, 5, 3), draw(3, 2, 5, 3, seed=1), (4, 5) if same else (8, 8)
    constants = (np.array([2, *sizes, 5], np.int32), kernel)
    graph = one_op("Conv2DBackpropInput", [x], True, constants, **attributes(T="DT_FLOAT"))
    graph.nodes[-1].inputs = ["c0", "c1", "x0"]
    graph.nodes[-1].attrs |= {
        "strides": numbers(1, 1, 1, 1),
        "dilations": numbers(1, 2, 3, 1),
        "padding": text("SAME" if same else "VALID"),
        "data_format": text("NHWC"),
    }
    lowered = lower_transposed_convolutions(graph)
    assert lowered.nodes[-1].attrs["dilations"] == numbers(1, 1, 1, 1)
    (found,) = child.call("run_graph", lowered, [x])
    expected = by_definition(x, kernel, sizes, (1, 1), (2, 3), same)
    np.testing.assert_allclose(found, expected, atol=1e-5)


# --- many axes -----------------------------------------------------------------------------------------

BLOCKS, MARGINS = np.array([2, 1, 3], np.int32), np.array([[1, 1], [0, 2], [2, 0]], np.int32)
INDEX = dict.fromkeys(("Tidx", "Tpaddings", "Tblock_shape", "Tcrops", "Tmultiples"), "DT_INT32")
MANY = draw(2, 3, 4, 2, 3)
FOLDED = {
    "SpaceToBatchND": (draw(2, 4, 3, 4, 2), (BLOCKS, MARGINS), {}),
    "BatchToSpaceND": (draw(12, 3, 4, 3, 2), (BLOCKS, MARGINS[:, ::-1].copy()), {}),
    "Pad": (MANY, (np.array([[0, 0], [1, 2], [0, 1], [2, 0], [0, 0]], np.int32),), {}),
    "PadV2": (MANY, (np.array([[1, 0], [0, 0], [0, 1], [0, 0], [0, 2]], np.int32), np.float32(-1)), {}),
    "MirrorPad": (
        MANY,
        (np.array([[0, 0], [1, 2], [0, 1], [1, 0], [0, 0]], np.int32),),
        {"mode": text("REFLECT")},
    ),
    "Tile": (MANY, (np.array([2, 1, 3, 1, 2], np.int32),), {}),
    "ReverseV2": (MANY, (np.array([1, -1], np.int32),), {}),
    "Cumsum": (MANY, (np.int32(-2),), attributes(exclusive=True, reverse=True)),
    "Cumprod": (MANY, (np.int32(1),), attributes(exclusive=False, reverse=False)),
}


def without_inputs(op: str, attrs: dict[str, object]) -> dict[str, object]:
    """Leave out the types of inputs that the op does not have."""
    takes = {
        "Tile": ("Tmultiples",),
        "SpaceToBatchND": ("Tblock_shape", "Tpaddings"),
        "BatchToSpaceND": ("Tblock_shape", "Tcrops"),
    }
    own = takes.get(op, ("Tpaddings",) if "Pad" in op else ("Tidx",))
    return {name: attr for name, attr in attrs.items() if name not in INDEX or name in own}


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("op", FOLDED)
def test_an_op_of_five_axes_runs_with_four_at_most(child, op, known):
    x, constants, attrs = FOLDED[op]
    every = without_inputs(op, {**attributes(T="DT_FLOAT", **INDEX), **attrs})
    graph = one_op(op, [x], known, constants, **every)
    (expected,) = child.call("run_graph", graph, [x])
    lowered = fold_axes(split_dilated_batches(traced(graph, expected.shape, known)))
    for node in lowered.nodes:  # every node of this op is fed by a reshape to few axes
        if node.op == op:
            assert node.inputs[0] != "x0"
    (found,) = child.call("run_graph", lowered, [x])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_choice_between_tensors_of_five_axes_becomes_one_of_vectors(child, known):
    condition, a, b = draw(2, 1, 4, 1, 3) > 0, draw(2, 3, 4, 2, 3), draw(3, 1, 2, 1, seed=1)
    inputs = [condition, a, b]
    graph = one_op("SelectV2", inputs, True, **attributes(T="DT_FLOAT"))
    graph.shapes |= {f"x{index}": each.shape for index, each in enumerate(inputs)}
    if not known:
        graph.shapes["x1"] = (None,) * 5
    graph.shapes["y"] = a.shape if known else (None,) * 5
    lowered = fold_axes(graph)
    assert lowered.nodes != graph.nodes
    (found,) = child.call("run_graph", lowered, inputs)
    np.testing.assert_array_equal(found, np.where(condition, a, b))


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_tensor_is_broadcast_to_five_axes_one_after_another(child, known):
    x, sizes = draw(3, 1, 2), np.array([4, 2, 3, 5, 2], np.int32)
    graph = one_op("BroadcastTo", [x], True, (sizes,), **attributes(T="DT_FLOAT", Tidx="DT_INT32"))
    graph.shapes |= {"x0": x.shape, "y": (4, 2, 3, 5, 2) if known else (None,) * 5}
    lowered = fold_axes(graph)
    assert "BroadcastTo" not in lowered.ops()
    (found,) = child.call("run_graph", lowered, [x])
    np.testing.assert_array_equal(found, np.broadcast_to(x, sizes))


def test_what_has_four_axes_is_left_as_it_is():
    x = draw(2, 3, 4, 5)
    graph = traced(
        one_op("ReverseV2", [x], True, (np.array([1], np.int32),), **attributes(T="DT_FLOAT")), x.shape, True
    )
    assert fold_axes(graph).nodes == graph.nodes
