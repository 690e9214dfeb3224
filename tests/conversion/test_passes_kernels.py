"""Passes around kernels that some backend of TF.js lacks or gets wrong, run by TensorFlow's own kernels."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from test_passes import draw, one_op

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.align_vectors import align_vectors
from tfjs_bundle.graph.passes.broadcast_products import broadcast_products
from tfjs_bundle.graph.passes.lower_arg_extremes import lower_arg_extremes
from tfjs_bundle.graph.passes.lower_arithmetic import lower_arithmetic
from tfjs_bundle.graph.passes.lower_batched_gathers import lower_batched_gathers
from tfjs_bundle.graph.passes.lower_bool_kernels import lower_bool_kernels
from tfjs_bundle.graph.passes.lower_bucketize import lower_bucketize
from tfjs_bundle.graph.passes.lower_cumulative import lower_cumulative
from tfjs_bundle.graph.passes.lower_dense_bincount import lower_dense_bincount
from tfjs_bundle.graph.passes.lower_einsum import lower_einsum
from tfjs_bundle.graph.passes.lower_floor_mod import lower_floor_mod
from tfjs_bundle.graph.passes.lower_fourier_transforms import lower_fourier_transforms
from tfjs_bundle.graph.passes.lower_max_pool3d import lower_max_pool3d
from tfjs_bundle.graph.passes.lower_one_hot import lower_one_hot
from tfjs_bundle.graph.passes.lower_products import lower_products
from tfjs_bundle.graph.passes.lower_scatters import lower_scatters
from tfjs_bundle.graph.passes.lower_signbits import lower_signbits
from tfjs_bundle.graph.passes.lower_strided_slices import lower_strided_slices
from tfjs_bundle.graph.passes.remove_unused import remove_unused
from tfjs_bundle.graph.passes.rewriting import attributes, constant

pytestmark = pytest.mark.tensorflow

AWKWARD = np.array([0, -0.0, 1, -1, 0.5, -2.5, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-30], np.float32)
_NUMPY = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_}


def known(graph: GraphModel, *, sizes: bool = True) -> GraphModel:
    """Add the shapes that the tracer infers of the inputs: the ranks only, where sizes are not known."""
    for spec in graph.signature.inputs:
        shape = spec.shape or ()
        graph.shapes[spec.name] = shape if sizes else (None,) * len(shape)
    return graph


def check(child, graph: GraphModel, lowered: GraphModel, inputs: list[np.ndarray]) -> np.ndarray:
    """Assert that both graphs give the same, dtype and shape included; return it."""
    (expected,) = child.call("run_graph", graph, inputs)
    (found,) = child.call("run_graph", lowered, inputs)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)
    return found


# --- OneHot --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
@pytest.mark.parametrize(
    ("on", "off"),
    [
        (np.float32(1), np.float32(0)),
        (np.float32(2), np.float32(-1)),
        (np.int32(1), np.int32(0)),
        (np.True_, np.False_),
    ],
    ids=["float", "other values", "int", "bool"],
)
def test_one_hot_puts_its_axis_where_it_belongs(child, axis, on, off):
    indices = np.array([[0, 5, 2], [3, -1, 6]], np.int32)
    dtype = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}[on.dtype.name]
    types = attributes(T=dtype, TI="DT_INT32", axis=axis)
    graph = known(one_op("OneHot", [indices], True, (np.int32(6), on, off), **types))
    lowered = lower_one_hot(graph)
    assert "OneHot" not in lowered.ops()
    check(child, graph, lowered, [indices])


def test_the_depth_of_one_hot_may_be_computed(child):
    inputs = [np.array([1, 0], np.int32), np.array(3, np.int32)]
    types = attributes(T="DT_FLOAT", TI="DT_INT32", axis=0)
    graph = known(one_op("OneHot", inputs, True, (np.float32(1), np.float32(0)), **types))
    check(child, graph, lower_one_hot(graph), inputs)


def test_one_hot_along_an_axis_of_an_unknown_rank_is_left():
    graph = one_op(
        "OneHot",
        [np.zeros((2, 2), np.int32)],
        True,
        (np.int32(3), np.float32(1), np.float32(0)),
        **attributes(T="DT_FLOAT", TI="DT_INT32", axis=1),
    )
    assert lower_one_hot(graph).nodes == graph.nodes


# --- sums along an axis --------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [True, False], ids=["known rank", "unknown rank"])
@pytest.mark.parametrize("op", ["Cumsum", "Cumprod"])
@pytest.mark.parametrize("dtype", ["DT_FLOAT", "DT_INT32"])
def test_the_axis_of_a_cumulative_sum_is_counted_from_the_front(child, op, dtype, rank):
    x = (draw(2, 3, 4) * 3).astype(_NUMPY[dtype])
    types = attributes(T=dtype, Tidx="DT_INT32", exclusive=True, reverse=False)
    graph = one_op(op, [x], True, (np.int32(-2),), **types)
    lowered = lower_cumulative(known(graph) if rank else graph)
    (node,) = [node for node in lowered.nodes if node.op == op]
    assert node.inputs[1] != "c0"
    assert node.attrs["T"] == {"type": "DT_FLOAT"}
    check(child, graph, lowered, [x])


# --- slices --------------------------------------------------------------------------------------------

SLICES = [
    # begin, end, strides, masks
    ((0, 0, 0), (0, 0, 0), (1, 2, -1), {"begin_mask": 7, "end_mask": 7}),
    ((0, 3, -2), (2, 0, -5), (1, -2, -1), {}),
    ((0, 0, 1), (0, 0, 2), (-1, 1, 2), {"begin_mask": 1, "end_mask": 1, "ellipsis_mask": 2}),
    ((1, 0, 0), (2, 0, 4), (1, 1, 2), {"shrink_axis_mask": 1, "new_axis_mask": 2}),
]


@pytest.mark.parametrize("dtype", ["DT_INT32", "DT_BOOL"])
@pytest.mark.parametrize(("begin", "end", "strides", "masks"), SLICES)
def test_every_second_element_is_gathered(child, begin, end, strides, masks, dtype):
    x = (draw(2, 4, 5) * 9).astype(_NUMPY[dtype])
    bounds = tuple(np.array(each, np.int32) for each in (begin, end, strides))
    zeros = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    types = attributes(T=dtype, Index="DT_INT32", **{**zeros, **masks})
    graph = known(one_op("StridedSlice", [x], True, bounds, **types))
    lowered = lower_strided_slices(graph)
    strides_left = next(node for node in lowered.nodes if node.name == lowered.nodes[-1].inputs[3])
    assert strides_left.value is not None
    assert set(strides_left.value.tolist()) == {1}
    check(child, graph, lowered, [x])


@pytest.mark.parametrize("stride", [2, -2, 3])
@pytest.mark.parametrize("size", [1, 4, 5])
def test_every_second_element_of_an_axis_of_unknown_size_is_gathered(child, stride, size):
    x = np.arange(2 * size, dtype=np.int32).reshape(2, size)
    bounds = tuple(np.array(each, np.int32) for each in ((0, 0), (0, 0), (1, stride)))
    masks = attributes(begin_mask=3, end_mask=3, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)
    graph = one_op(
        "StridedSlice", [x], False, bounds, T={"type": "DT_INT32"}, Index={"type": "DT_INT32"}, **masks
    )
    lowered = lower_strided_slices(known(graph, sizes=False))
    assert "GatherV2" in lowered.ops()
    check(child, graph, lowered, [x])


# --- bools, buckets, signs, integers -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["DT_FLOAT", "DT_INT32", "DT_BOOL"])
def test_a_cast_to_bool_is_a_comparison(child, dtype):
    x = AWKWARD if dtype == "DT_FLOAT" else np.array([0, 1, 2, 256, -1]).astype(_NUMPY[dtype])
    graph = one_op("Cast", [x], True, SrcT={"type": dtype}, DstT={"type": "DT_BOOL"})
    lowered = lower_bool_kernels(graph)
    assert "Cast" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_a_choice_between_bools_is_made_of_ands_and_ors(child):
    inputs = [np.array([[True], [False]]), np.array([True, False]), np.array([[False, True]])]
    graph = one_op("SelectV2", inputs, True, **attributes(T="DT_BOOL"))
    lowered = lower_bool_kernels(graph)
    assert "SelectV2" not in lowered.ops()
    check(child, graph, lowered, inputs)


@pytest.mark.parametrize("dtype", ["DT_FLOAT", "DT_INT32"])
def test_a_bucket_is_the_number_of_boundaries_reached(child, dtype):
    x = AWKWARD if dtype == "DT_FLOAT" else np.array([-5, 0, 1, 7], np.int32)
    graph = one_op("Bucketize", [x], True, **attributes(T=dtype))
    graph.nodes[-1].attrs["boundaries"] = {"list": {"f": [-1.0, 0.0, 0.5, 1e30]}}
    lowered = lower_bucketize(graph)
    assert "Bucketize" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_the_sign_of_zero_is_read_from_its_reciprocal(child):
    x = AWKWARD[~np.isnan(AWKWARD)]
    mask = np.int32(-(2**31))
    graph = one_op("BitwiseAnd", [x], True, (mask,), **attributes(T="DT_INT32"))
    cast = Node("bits", "Bitcast", ["x0"], attributes(T="DT_FLOAT", type="DT_INT32"))
    graph.nodes.insert(1, cast)
    graph.nodes[-1].inputs = ["bits", "c0"]
    lowered = lower_signbits(graph)
    assert "BitwiseAnd" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_another_bitwise_and_is_left():
    graph = one_op("BitwiseAnd", [np.zeros(2, np.int32)], True, (np.int32(7),), **attributes(T="DT_INT32"))
    assert lower_signbits(graph).nodes == graph.nodes


def test_the_remainder_of_integers_has_the_sign_of_the_divisor(child):
    x, y = (each.ravel().astype(np.int32) for each in np.meshgrid([7, -7, 0, 1, -1], [3, -3, 1, 100]))
    graph = one_op("FloorMod", [x, y], True, **attributes(T="DT_INT32"))
    lowered = lower_floor_mod(graph)
    assert "FloorMod" not in lowered.ops()
    check(child, graph, lowered, [x, y])


# --- vectors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["AddV2", "Sub", "Less", "BiasAdd"])
def test_a_vector_meets_a_tensor_of_five_axes_as_one_of_five(child, op):
    x, vector = draw(2, 1, 3, 2, 4), draw(4, seed=1)
    graph = known(one_op(op, [x], True, (vector,), **attributes(T="DT_FLOAT")))
    graph.shapes["c0"] = (4,)
    lowered = align_vectors(graph)
    given = next(node for node in lowered.nodes if node.name == lowered.nodes[-1].inputs[1])
    assert given.value is not None
    assert given.value.shape == (1, 1, 1, 1, 4)
    check(child, graph, lowered, [x])


def test_a_computed_vector_ahead_of_a_tensor_is_reshaped(child):
    vector, x = draw(4, seed=1), draw(2, 1, 3, 2, 4)
    graph = known(one_op("Sub", [vector, x], True, **attributes(T="DT_FLOAT")))
    lowered = align_vectors(graph)
    assert "Reshape" in lowered.ops()
    check(child, graph, lowered, [vector, x])


def test_a_scalar_stays_one():
    graph = known(one_op("Mul", [draw(2, 1, 3, 2, 4)], True, (np.float32(2),), **attributes(T="DT_FLOAT")))
    graph.shapes["c0"] = ()
    assert align_vectors(graph).nodes == graph.nodes


# --- gathers and products of batches -------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("batch", [1, 2])
def test_batches_are_gathered_as_one(child, batch, sizes):
    x = draw(2, 3, 4, 2)
    indices = np.random.default_rng(0).integers(0, x.shape[batch], (2, 3, 5)).astype(np.int32)
    types = attributes(Tparams="DT_FLOAT", Tindices="DT_INT32", Taxis="DT_INT32", batch_dims=batch)
    graph = known(one_op("GatherV2", [x, indices], sizes, (np.int32(batch),), **types), sizes=sizes)
    lowered = lower_batched_gathers(graph)
    gathers = [node for node in lowered.nodes if node.op == "GatherV2"]
    assert {node.attrs["batch_dims"]["i"] for node in gathers} == {"0"}
    check(child, graph, lowered, [x, indices])


@pytest.mark.parametrize("left", [(2, 1, 4, 2), (1, 3, 4, 2), (2, 3, 4, 2)])
@pytest.mark.parametrize("right", [(3, 2, 5), (2, 1, 2, 5)])
def test_batches_of_a_product_are_broadcast(child, left, right):
    inputs = [draw(*left), draw(*right, seed=1)]
    graph = known(one_op("BatchMatMulV2", inputs, True, **attributes(T="DT_FLOAT", adj_x=False, adj_y=False)))
    (found,) = child.call("run_graph", broadcast_products(graph), inputs)
    np.testing.assert_allclose(found, inputs[0] @ inputs[1], atol=1e-6)


def test_a_matrix_for_all_batches_stays_one():
    inputs = [draw(2, 3, 4, 2), draw(2, 5)]
    graph = known(one_op("BatchMatMulV2", inputs, True, **attributes(T="DT_FLOAT")))
    assert broadcast_products(graph).nodes == graph.nodes


# --- Fourier transforms --------------------------------------------------------------------------------


def spectrum(op: str, inputs: list[np.ndarray], part: str, length: int | None = None) -> GraphModel:
    """Return a graph of one part of a transform, of a real tensor or of a pair."""
    graph = known(one_op(part, inputs, True, **attributes(T="DT_COMPLEX64", Tout="DT_FLOAT")))
    source = "x0"
    nodes = []
    if len(inputs) == 2:
        source = "pair"
        nodes.append(Node("pair", "Complex", ["x0", "x1"], attributes(T="DT_FLOAT", Tout="DT_COMPLEX64")))
        graph.shapes["pair"] = inputs[0].shape
    if length is not None:
        nodes.append(constant("length", np.array([length], np.int32)))
    types = {"Tcomplex": "DT_COMPLEX64"} | ({"Treal": "DT_FLOAT"} if "R" in op else {})
    nodes.append(Node("spectrum", op, [source, "length"] if length else [source], attributes(**types)))
    graph.nodes[len(inputs) :] = [*nodes, Node("y", part, ["spectrum"], graph.nodes[-1].attrs)]
    return graph


@pytest.mark.parametrize("part", ["Real", "Imag"])
@pytest.mark.parametrize("length", [5, 6, 8, 11])
def test_a_real_signal_is_multiplied_by_waves(child, part, length):
    x = draw(2, 3, 8)
    graph = spectrum("RFFT", [x], part, length)
    lowered = remove_unused(lower_fourier_transforms(graph))
    assert not lowered.ops() & {"RFFT", "Real", "Imag"}
    (found,) = child.call("run_graph", lowered, [x])
    expected = np.fft.rfft(x, length)
    np.testing.assert_allclose(found, expected.real if part == "Real" else expected.imag, atol=2e-6)


@pytest.mark.parametrize("part", ["Real", "Imag"])
@pytest.mark.parametrize(("op", "transform"), [("FFT", np.fft.fft), ("IFFT", np.fft.ifft)])
def test_a_pair_of_real_and_imaginary_parts_is_transformed(child, op, transform, part):
    inputs = [draw(2, 7), draw(2, 7, seed=1)]
    lowered = remove_unused(lower_fourier_transforms(spectrum(op, inputs, part)))
    assert not lowered.ops() & {op, "Complex", "Real", "Imag"}
    (found,) = child.call("run_graph", lowered, inputs)
    expected = transform(inputs[0] + 1j * inputs[1])
    np.testing.assert_allclose(found, expected.real if part == "Real" else expected.imag, atol=2e-6)


@pytest.mark.parametrize("length", [5, 6, 8, 9, 12])
def test_half_a_spectrum_is_brought_back(child, length):
    inputs = [draw(2, 5), draw(2, 5, seed=1)]
    graph = spectrum("IRFFT", inputs, "Real", length)
    graph.nodes[-2].name, graph.nodes[-2:] = "y", graph.nodes[-2:-1]
    lowered = remove_unused(lower_fourier_transforms(graph))
    assert not lowered.ops() & {"IRFFT", "Complex"}
    (found,) = child.call("run_graph", lowered, inputs)
    np.testing.assert_allclose(found, np.fft.irfft(inputs[0] + 1j * inputs[1], length), atol=2e-6)


def test_a_transform_of_an_unknown_length_is_left():
    graph = spectrum("RFFT", [draw(2, 8)], "Real", 8)
    graph.shapes["x0"] = (2, None)
    assert lower_fourier_transforms(graph).nodes == graph.nodes


# --- arithmetic ----------------------------------------------------------------------------------------

SMALL = np.array([0, 1, -1, 2, -3, 7, -100], np.int32)
UNARY = {"Sign": AWKWARD, "Log1p": AWKWARD, "Rint": AWKWARD, "Inv": AWKWARD}
PAIRS = {
    "FloorDiv": (AWKWARD[:6], np.array([3, -3, 0.5, 7, -0.25, 1], np.float32)),
    "TruncateMod": (AWKWARD[:6], np.array([3, -3, 0.5, 7, -0.25, 1], np.float32)),
    "TruncateDiv": (SMALL, np.array([3, -3, 2, -7, 1, -2, 33], np.int32)),
    "Mod": (SMALL, np.array([3, -3, 2, -7, 1, -2, 33], np.int32)),
    "Xlogy": (AWKWARD, np.roll(np.abs(AWKWARD), 3)),
    "Xdivy": (AWKWARD, np.roll(AWKWARD, 3)),
    "MulNoNan": (AWKWARD, np.roll(AWKWARD, 3)),
    "Pow": (SMALL, np.array([3, 2, 5, 4, 3, 0, 2], np.int32)),
}


@pytest.mark.parametrize("op", UNARY)
def test_a_function_of_awkward_numbers_is_lowered(child, op):
    x = UNARY[op]
    graph = one_op(op, [x], True, **attributes(T="DT_FLOAT"))
    lowered = lower_arithmetic(graph)
    assert lowered.nodes[-1].op != op
    check(child, graph, lowered, [x])


@pytest.mark.parametrize("op", PAIRS)
def test_a_function_of_two_awkward_numbers_is_lowered(child, op):
    inputs = [np.ascontiguousarray(each) for each in PAIRS[op]]
    dtype = "DT_INT32" if inputs[0].dtype == np.int32 else "DT_FLOAT"
    graph = one_op(op, inputs, True, **attributes(T=dtype))
    lowered = lower_arithmetic(graph)
    assert lowered.nodes[-1].op != op
    (expected,) = child.call("run_graph", graph, inputs)
    (found,) = child.call("run_graph", lowered, inputs)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_integer_to_a_small_power_is_multiplied(child):
    graph = one_op("Pow", [SMALL], True, (np.int32(3),), **attributes(T="DT_INT32"))
    lowered = lower_arithmetic(graph)
    assert "Pow" not in lowered.ops()
    check(child, graph, lowered, [SMALL])


@pytest.mark.parametrize("sizes", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_the_maximum_of_a_volume_is_one_of_pictures_and_one_of_depths(child, padding, sizes):
    x = -1 - np.abs(draw(2, 5, 6, 7, 3))
    graph = one_op("MaxPool3D", [x], sizes, **attributes(T="DT_FLOAT"))
    lists = {"ksize": [1, 2, 3, 2, 1], "strides": [1, 2, 1, 3, 1]}
    graph.nodes[-1].attrs |= {
        "padding": {"s": base64.b64encode(padding.encode()).decode()},
        **{name: {"list": {"i": [str(each) for each in values]}} for name, values in lists.items()},
    }
    lowered = lower_max_pool3d(known(graph, sizes=sizes))
    assert "MaxPool3D" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_a_product_keeps_its_axes_by_a_reshape(child):
    x = draw(2, 3, 4)
    types = attributes(T="DT_FLOAT", Tidx="DT_INT32", keep_dims=True)
    graph = known(one_op("Prod", [x], True, (np.array([1, -1], np.int32),), **types))
    graph.shapes["y"] = (2, 1, 1)
    lowered = lower_products(graph)
    assert [node.attrs["keep_dims"] for node in lowered.nodes if node.op == "Prod"] == [{"b": False}]
    check(child, graph, lowered, [x])


# --- ellipses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...a,ab->...b", ((2, 3, 4), (4, 5))),
        ("b...a,ca->b...c", ((2, 3, 3, 4), (5, 4))),
        ("...ij,...jk->...ik", ((2, 3, 4, 5), (2, 3, 5, 2))),
        ("i...->...i", ((2, 3, 4),)),
    ],
)
def test_an_ellipsis_stands_for_the_axes_that_have_no_label(child, equation, shapes, sizes):
    inputs = [draw(*shape, seed=index) for index, shape in enumerate(shapes)]
    graph = known(one_op("Einsum", inputs, sizes, **attributes(N=len(inputs), T="DT_FLOAT")), sizes=sizes)
    graph.nodes[-1].attrs["equation"] = {"s": base64.b64encode(equation.encode()).decode()}
    lowered = lower_einsum(graph)
    assert "Einsum" not in lowered.ops()
    (found,) = child.call("run_graph", lowered, inputs)
    np.testing.assert_allclose(found, np.einsum(equation, *inputs), atol=1e-5)


def test_ellipses_that_broadcast_are_left():
    graph = known(one_op("Einsum", [draw(2, 1, 4), draw(2, 3, 4)], True, **attributes(N=2, T="DT_FLOAT")))
    graph.nodes[-1].attrs["equation"] = {"s": base64.b64encode(b"...a,...a->...").decode()}
    assert lower_einsum(graph).nodes == graph.nodes


# --- scatters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [True, False], ids=["known", "unknown"])
def test_rows_of_one_segment_are_added_where_they_are_scattered(child, sizes):
    x, ids = draw(2, 3, 4), np.array([[0, 1, 2], [3, 3, 1]], np.int32)
    types = attributes(T="DT_FLOAT", Tindices="DT_INT32", Tnumsegments="DT_INT32")
    graph = known(one_op("UnsortedSegmentSum", [x, ids], sizes, (np.int32(5),), **types), sizes=sizes)
    lowered = lower_scatters(graph)
    assert "UnsortedSegmentSum" not in lowered.ops()
    check(child, graph, lowered, [x, ids])


def test_updates_of_one_place_are_added(child):
    inputs = [draw(4, 3), np.array([[1], [3], [1]], np.int32), draw(3, 3, seed=1)]
    graph = one_op("TensorScatterAdd", inputs, True, **attributes(T="DT_FLOAT", Tindices="DT_INT32"))
    lowered = lower_scatters(graph)
    assert "TensorScatterAdd" not in lowered.ops()
    (expected,) = child.call("run_graph", graph, inputs)
    (found,) = child.call("run_graph", lowered, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-6)


# --- encodings and places ------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    "weights", [np.zeros(0, np.float32), np.array([[1, 2, 3], [0, -1, 0.5]], np.float32)], ids=len
)
@pytest.mark.parametrize("low", [6, 8, 4])
def test_an_encoding_is_made_of_comparisons_where_the_bounds_of_its_size_meet(child, low, weights, binary):
    x = np.array([[0, 5, 2], [3, 3, 1]], np.int32)
    types = attributes(T="DT_FLOAT", Tidx="DT_INT32", binary_output=binary)
    graph = one_op("DenseBincount", [x], True, (np.int32(6), np.int32(low), weights), **types)
    numbers = constant("axes", np.array([0, 1], np.int32))
    largest = Node(
        "largest", "Max", ["x0", "axes"], attributes(T="DT_INT32", Tidx="DT_INT32", keep_dims=False)
    )
    at_least = Node("at_least", "Maximum", ["c1", "largest"], attributes(T="DT_INT32"))
    at_most = Node("at_most", "Minimum", ["c0", "at_least"], attributes(T="DT_INT32"))
    graph.nodes[-1:] = [numbers, largest, at_least, at_most, graph.nodes[-1]]
    graph.nodes[-1].inputs = ["x0", "at_most", "c2"]
    lowered = lower_dense_bincount(graph)
    assert ("DenseBincount" in lowered.ops()) == (low < 6)
    check(child, graph, lowered, [x])


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_the_place_of_an_extreme_in_a_vector_is_a_scalar(child, op):
    x = draw(5)
    types = attributes(T="DT_FLOAT", Tidx="DT_INT32", output_type="DT_INT32")
    graph = one_op(op, [x], True, (np.int32(0),), **types)
    graph.shapes["y"] = ()
    lowered = lower_arg_extremes(graph)
    assert lowered.nodes[-1].op == "Reshape"
    check(child, graph, lowered, [x])
