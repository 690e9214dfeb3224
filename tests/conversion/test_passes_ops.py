"""Passes around ops that functions of keras.ops make and TF.js lacks, run by TensorFlow's own kernels."""

from __future__ import annotations

import numpy as np
import pytest
from test_passes import draw, one_op
from test_passes_kernels import check, known, spectrum

from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature
from tfjs_bundle.graph.passes.lower_cross_products import lower_cross_products
from tfjs_bundle.graph.passes.lower_diagonals import lower_diagonals
from tfjs_bundle.graph.passes.lower_fourier_transforms import lower_fourier_transforms
from tfjs_bundle.graph.passes.lower_padded_sizes import lower_padded_sizes
from tfjs_bundle.graph.passes.lower_products import lower_products
from tfjs_bundle.graph.passes.lower_rotations import lower_rotations
from tfjs_bundle.graph.passes.lower_sines import lower_sines
from tfjs_bundle.graph.passes.lower_space_to_depth import lower_space_to_depth
from tfjs_bundle.graph.passes.name_functions import name_functions
from tfjs_bundle.graph.passes.remove_unused import remove_unused
from tfjs_bundle.graph.passes.rewriting import attributes, constant

pytestmark = pytest.mark.tensorflow

_NUMPY = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_}

# --- rotations -----------------------------------------------------------------------------------------

ROLL = attributes(T="DT_FLOAT", Tshift="DT_INT32", Taxis="DT_INT32")


@pytest.mark.parametrize("sizes", ["known", "unknown", "unknown rank"])
@pytest.mark.parametrize(
    ("shifts", "axes"), [((2, -4), (1, -1)), ((7, 0), (0, 1)), ((-1, -2), (2, 2)), ((3,), (-2,))]
)
def test_a_rotation_is_a_gather(child, shifts, axes, sizes):
    x = draw(2, 5, 3)
    given = (np.array(shifts, np.int32), np.array(axes, np.int32))
    graph = one_op("Roll", [x], sizes == "known", given, **ROLL)
    lowered = lower_rotations(graph if sizes == "unknown rank" else known(graph, sizes=sizes == "known"))
    assert "Roll" not in lowered.ops()
    check(child, graph, lowered, [x])


@pytest.mark.parametrize("sizes", [True, False], ids=["known", "unknown"])
def test_a_rotation_of_nothing_is_nothing(child, sizes):
    x = draw(2, 0, 3)
    graph = known(one_op("Roll", [x], sizes, (np.int32(2), np.int32(1)), **ROLL), sizes=sizes)
    check(child, graph, lower_rotations(graph), [x])


def test_a_rotation_inside_a_function_is_a_gather_there():
    nodes = [constant("shift", np.int32(1)), constant("axis", np.int32(-1))]
    nodes.append(Node("roll", "Roll", ["x", "shift:output:0", "axis:output:0"], ROLL))
    body = Function("body", {"name": "body"}, nodes, {"y": "roll:output:0"})
    lowered = lower_rotations(GraphModel([], Signature((), ()), functions={"body": body}))
    inside = lowered.functions["body"].nodes
    assert "Roll" not in {node.op for node in inside}
    assert inside[-1].name == "roll"
    assert [node.inputs[0] for node in inside if node.op == "GatherV2"][1:] == ["x"]


def test_a_rotation_by_what_is_computed_is_left():
    inputs = [draw(2, 5), np.array(1, np.int32), np.array(1, np.int32)]
    graph = one_op("Roll", inputs, True, **ROLL)
    assert lower_rotations(graph).nodes == graph.nodes


# --- cross products and blocks -------------------------------------------------------------------------


def test_a_cross_product_is_two_products(child):
    inputs = [draw(2, 4, 3), draw(2, 4, 3, seed=1)]
    graph = one_op("Cross", inputs, True, **attributes(T="DT_FLOAT"))
    lowered = lower_cross_products(graph)
    assert "Cross" not in lowered.ops()
    (expected,) = child.call("run_graph", graph, inputs)
    (found,) = child.call("run_graph", lowered, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("sizes", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("block", [2, 3])
def test_blocks_of_a_picture_become_channels(child, block, sizes):
    x = draw(2, 6, 12, 3)
    graph = known(
        one_op("SpaceToDepth", [x], sizes, **attributes(T="DT_FLOAT", block_size=block)), sizes=sizes
    )
    lowered = lower_space_to_depth(graph)
    assert "SpaceToDepth" not in lowered.ops()
    check(child, graph, lowered, [x])


# --- sines ---------------------------------------------------------------------------------------------

SMALL = [0, -0.0, 1e-30, -1e-30, 1e-7, -1e-7, 1e-3, -1e-3, 0.00999, -0.00999, 0.01, 0.1, 1, -2, 1e6]


def test_the_sine_of_a_small_number_is_a_series(child):
    x = np.array([*SMALL, np.inf, -np.inf, np.nan], np.float32)
    graph = one_op("Sin", [x], True, **attributes(T="DT_FLOAT"))
    lowered = lower_sines(graph)
    assert "SelectV2" in lowered.ops()
    (expected,) = child.call("run_graph", graph, [x])
    (found,) = child.call("run_graph", lowered, [x])
    np.testing.assert_allclose(found, expected, rtol=3e-7)


def test_the_sine_of_a_tensor_of_five_axes_is_left():
    graph = known(one_op("Sin", [draw(1, 2, 1, 2, 1)], True, **attributes(T="DT_FLOAT")))
    assert lower_sines(graph).nodes == graph.nodes


# --- sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paddings", [(0, 2), (3, 0), (1, 1), (0, 0)])
def test_sizes_are_padded_by_putting_others_beside_them(child, paddings):
    x = np.array([4, 5], np.int32)
    constants = (np.array([paddings], np.int32), np.int32(1))
    graph = one_op("PadV2", [x], True, constants, **attributes(T="DT_INT32", Tpaddings="DT_INT32"))
    lowered = lower_padded_sizes(graph)
    assert "PadV2" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_a_tensor_of_numbers_is_padded_as_it_is():
    constants = (np.array([[1, 1]], np.int32), np.float32(0))
    graph = one_op("PadV2", [draw(3)], True, constants, **attributes(T="DT_FLOAT", Tpaddings="DT_INT32"))
    assert lower_padded_sizes(graph).nodes == graph.nodes


# --- products of nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_the_product_of_nothing_is_one(child, dtype):
    x = np.zeros((0,), dtype)
    proto = {np.int32: "DT_INT32", np.float32: "DT_FLOAT"}[dtype]
    types = attributes(T=proto, Tidx="DT_INT32", keep_dims=False)
    graph = known(one_op("Prod", [x], True, (np.array([0], np.int32),), **types))
    graph.shapes["y"] = ()
    lowered = lower_products(graph)
    assert "Prod" not in lowered.ops()
    check(child, graph, lowered, [x])


# --- diagonals -----------------------------------------------------------------------------------------

LEFT = {"align": {"s": "UklHSFRfTEVGVA=="}}  # RIGHT_LEFT, TensorFlow's default


@pytest.mark.parametrize("dtype", ["DT_FLOAT", "DT_INT32", "DT_BOOL"])
@pytest.mark.parametrize("k", [0, 1, -2])
@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 3, 5), (2, 5, 3), (4, 3)])
def test_a_diagonal_is_gathered(child, shape, k, dtype):
    x = (draw(*shape) * 9).astype(_NUMPY[dtype])
    padding = np.zeros((), _NUMPY[dtype])
    types = attributes(T=dtype) | LEFT
    graph = known(one_op("MatrixDiagPartV3", [x], True, (np.int32(k), padding), **types))
    lowered = lower_diagonals(graph)
    assert "MatrixDiagPartV3" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_a_diagonal_of_matrices_of_unknown_number_is_gathered(child):
    x = draw(2, 3, 4, 5)
    constants = (np.int32(1), np.float32(0))
    graph = one_op("MatrixDiagPartV3", [x], False, constants, **attributes(T="DT_FLOAT"), **LEFT)
    graph.shapes["x0"] = (None, None, 4, 5)
    lowered = lower_diagonals(graph)
    assert "MatrixDiagPartV3" not in lowered.ops()
    check(child, graph, lowered, [x])


@pytest.mark.parametrize("padding", [0.0, 2.5])
def test_a_matrix_of_a_diagonal_is_a_choice(child, padding):
    x = draw(2, 3, 4)
    x[0, 0, 0] = np.inf
    sizes = (np.int32(0), np.int32(-1), np.int32(-1), np.float32(padding))
    graph = known(one_op("MatrixDiagV3", [x], True, sizes, **attributes(T="DT_FLOAT"), **LEFT))
    lowered = lower_diagonals(graph)
    assert "MatrixDiagV3" not in lowered.ops()
    check(child, graph, lowered, [x])


def test_a_matrix_of_another_diagonal_is_left():
    sizes = (np.int32(1), np.int32(-1), np.int32(-1), np.float32(0))
    graph = known(one_op("MatrixDiagV3", [draw(2, 4)], True, sizes, **attributes(T="DT_FLOAT")))
    assert lower_diagonals(graph).nodes == graph.nodes


@pytest.mark.parametrize(
    ("shape", "k", "length"),
    [((4, 4), 0, 4), ((3, 5), 0, 3), ((5, 3), 0, 3), ((3, 5), 2, 3), ((3, 5), 1, 3), ((5, 3), -2, 3)],
)
def test_a_diagonal_is_written_by_a_choice(child, shape, k, length):
    inputs = [draw(2, *shape), draw(2, length, seed=1)]
    graph = known(one_op("MatrixSetDiagV3", inputs, True, (np.int32(k),), **attributes(T="DT_FLOAT"), **LEFT))
    lowered = lower_diagonals(graph)
    assert "MatrixSetDiagV3" not in lowered.ops()
    check(child, graph, lowered, inputs)


def test_a_short_diagonal_is_not_written():
    inputs = [draw(2, 4, 4), draw(2, 3, seed=1)]
    graph = known(one_op("MatrixSetDiagV3", inputs, True, (np.int32(1),), **attributes(T="DT_FLOAT")))
    assert lower_diagonals(graph).nodes == graph.nodes


# --- Fourier transforms --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["Real", "Imag"])
@pytest.mark.parametrize(("op", "transform"), [("FFT2D", np.fft.fft2), ("IFFT2D", np.fft.ifft2)])
def test_a_plane_is_transformed_along_both_axes(child, op, transform, part):
    inputs = [draw(2, 3, 5, 6), draw(2, 3, 5, 6, seed=1)]
    lowered = remove_unused(lower_fourier_transforms(spectrum(op, inputs, part)))
    assert not lowered.ops() & {op, "Complex", "Real", "Imag"}
    (found,) = child.call("run_graph", lowered, inputs)
    expected = transform(inputs[0] + 1j * inputs[1])
    np.testing.assert_allclose(found, expected.real if part == "Real" else expected.imag, atol=5e-6)


# --- names ---------------------------------------------------------------------------------------------


def test_a_node_that_is_called_as_the_function_that_it_calls_is_found_by_what_follows():
    call = Node("inner_7", "PartitionedCall", ["x"], {"f": {"func": {"name": "inner_7"}}})
    signature = {"name": "outer_3", "inputArg": [{"name": "x"}], "outputArg": [{"name": "y"}]}
    outer = Function("outer_3", signature, [call], {"y": "inner_7:output:0"})
    inner = Function("inner_7", {**signature, "name": "inner_7"}, [], {"y": "x"})
    start = Node("start", "PartitionedCall", [], {"f": {"func": {"name": "outer_3"}}})
    functions = {"outer_3": outer, "inner_7": inner}
    named = name_functions(GraphModel([start], Signature((), ()), functions=functions))
    assert named.functions["outer_0"].ret["y"] == "inner_7:output:0"
    assert named.functions["outer_0"].nodes[0].attrs == {"f": {"func": {"name": "inner_1"}}}
