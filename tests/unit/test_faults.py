"""What passes leave, and a backend has but gets wrong, keeps that backend from being tried."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature
from tfjs_bundle.graph.kernels import support
from tfjs_bundle.graph.passes.rewriting import attributes, constant

CPU, WASM, WEBGL, WEBGPU = "cpu", "wasm", "webgl", "webgpu"


def refusing(
    node: Node, rank: int = 2, constants: tuple[Node, ...] = (), of_input: int | None = None
) -> set[str]:
    """Return the backends that are not said to run a graph of ``node``, of ``rank`` axes."""
    x = Node("x", "Placeholder", attrs=attributes(dtype="DT_FLOAT"))
    shapes = {"x": (2,) * (of_input or rank), node.name: (2,) * rank}
    graph = GraphModel([x, *constants, node], Signature((), ()), shapes=shapes)
    return {backend for backend, entry in support(graph).items() if not entry.supported}


@pytest.mark.parametrize("rank", [4, 5])
@pytest.mark.parametrize("op", ["Pad", "PadV2", "MirrorPad", "ReverseV2", "Cumsum", "Cumprod", "SelectV2"])
def test_an_op_of_five_axes_keeps_the_graphics_cards_out(op, rank):
    node = Node("y", op, ["x"], attributes(T="DT_FLOAT"))
    assert refusing(node, rank) == ({WEBGL, WEBGPU} if rank == 5 else set())


def test_a_tile_of_five_axes_keeps_webgpu_out():
    assert refusing(Node("y", "Tile", ["x"], attributes(T="DT_FLOAT")), 5) == {WEBGPU}


@pytest.mark.parametrize(("op", "backends"), [("Maximum", {WEBGPU}), ("Max", {WEBGPU}), ("Mul", set())])
def test_a_tile_as_often_as_a_maximum_says_keeps_webgpu_out(op, backends):
    largest = Node("largest", op, ["x", "x"], attributes(T="DT_INT32"))
    counts = Node("counts", "Pack", ["largest", "largest"], attributes(T="DT_INT32", N=2, axis=0))
    assert refusing(Node("y", "Tile", ["x", "counts"]), 2, (largest, counts)) == backends


def test_seven_axes_are_for_cpu_alone_whatever_the_op():
    assert refusing(Node("y", "AddV2", ["x", "x"], attributes(T="DT_FLOAT")), 7) == {WASM, WEBGL, WEBGPU}
    assert refusing(Node("y", "AddV2", ["x", "x"], attributes(T="DT_FLOAT")), 6) == set()


def test_an_op_that_takes_seven_axes_and_returns_fewer_is_for_cpu_alone():
    total = Node("y", "Sum", ["x", "x"], attributes(T="DT_FLOAT"))
    assert refusing(total, 5, of_input=7) == {WASM, WEBGL, WEBGPU}


def test_a_new_shape_of_seven_axes_runs_everywhere():
    assert refusing(Node("y", "Reshape", ["x", "x"], attributes(T="DT_FLOAT")), 7) == set()


@pytest.mark.parametrize(
    ("dtype", "stride", "rank", "backends"),
    [
        ("DT_INT32", 2, 2, {WASM}),
        ("DT_INT32", 1, 2, set()),
        ("DT_FLOAT", 2, 2, set()),
        ("DT_FLOAT", 2, 5, {WEBGL, WEBGPU}),
    ],
)
def test_a_slice_that_leaves_elements_out_is_known_by_its_strides(dtype, stride, rank, backends):
    strides = constant("strides", np.array([1, stride], np.int32))
    node = Node("y", "StridedSlice", ["x", "x", "x", "strides"], attributes(T=dtype))
    assert refusing(node, rank, (strides,)) == backends


def test_ranks_are_known_inside_loops_too():
    node = Node("y", "SelectV2", ["x:z:0"], attributes(T="DT_FLOAT"))
    body = Function("body", {"name": "body"}, [node], {}, shapes={"x": (2,) * 5, "y": (2,) * 5})
    graph = GraphModel(
        [Node("x", "Placeholder", attrs=attributes(dtype="DT_FLOAT"))], Signature((), ()), {"body": body}
    )
    assert {backend for backend, entry in support(graph).items() if not entry.supported} == {WEBGL, WEBGPU}


def test_one_hot_and_gathers_of_batches_keep_wasm_out():
    assert refusing(Node("y", "OneHot", ["x"], attributes(T="DT_FLOAT", axis=-1))) == {WASM}
    assert refusing(Node("y", "GatherV2", ["x"], attributes(batch_dims=1))) == {WASM}
    assert refusing(Node("y", "GatherV2", ["x"], attributes(batch_dims=0))) == set()


def test_a_prelu_whose_slopes_are_not_known_keeps_wasm_out():
    assert refusing(Node("y", "Prelu", ["x", "x"], attributes(T="DT_FLOAT"))) == {WASM}


@pytest.mark.parametrize(("shape", "backends"), [((1, 1, 4), set()), ((3, 4), set()), ((3, 1, 4), {WASM})])
def test_a_prelu_that_broadcasts_within_its_slopes_keeps_wasm_out(shape, backends):
    slopes = constant("slopes", np.ones(shape, np.float32))
    node = Node("y", "Prelu", ["x", "slopes"], attributes(T="DT_FLOAT"))
    assert refusing(node, 4, (slopes,)) == backends


def einsum(equation: str) -> Node:
    node = Node("y", "Einsum", ["x", "x"], attributes(T="DT_FLOAT"))
    node.attrs["equation"] = {"s": base64.b64encode(equation.encode()).decode()}
    return node


@pytest.mark.parametrize(
    "node",
    [
        Node("y", "BitwiseAnd", ["x", "x"], attributes(T="DT_INT32")),
        Node("y", "OneHot", ["x"], attributes(T="DT_FLOAT", axis=0)),
        Node("y", "Conv2DBackpropInput", ["x"], {"dilations": {"list": {"i": ["1", "2", "2", "1"]}}}),
        einsum("...a,ab->...b"),
        einsum("aa,ab->b"),
    ],
    ids=lambda node: node.op,
)
def test_what_every_backend_gets_wrong_is_refused_by_name(node):
    with pytest.raises(UnsupportedModelError, match=rf"no backend has {node.op} \(in node 'y'\)"):
        refusing(node)


def test_an_einsum_without_repeated_labels_is_kept_from_wasm_alone():
    assert refusing(einsum("ab,bc->ac")) == {WASM}
