"""Constants, shapes, common subexpressions, and formulas that TF.js has cheaper forms of.

That outputs stay what they were is compared in tests/layers/test_equivalence.py; these say what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tfjs_bundle.graph import passes
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import attributes, constant

Shape = tuple[int | None, ...]
FLOAT = {"T": {"type": "DT_FLOAT"}}


class Drawn:
    """A graph being written down, of one input ``x``; each call of :meth:`op` returns a tensor."""

    def __init__(self, *shape: int | None) -> None:
        self.nodes = [Node("x", "Placeholder", attrs=attributes(dtype="DT_FLOAT"))]
        self.shapes: dict[str, Shape] = {"x": shape}

    def op(self, op: str, *inputs: Any, shape: Shape | None = None, **attrs: Any) -> str:
        """Add a node; inputs that are no tensors become constants."""
        name = f"n{len(self.nodes)}"
        tensors = [each if isinstance(each, str) else self.const(each) for each in inputs]
        self.nodes.append(Node(name, op, tensors, {**FLOAT, **attrs}))
        if shape is not None:
            self.shapes[name] = shape
        return name

    def const(self, value: Any) -> str:
        array = np.asarray(value)
        array = array.astype(
            np.float32 if array.dtype.kind == "f" else array.dtype if array.dtype == bool else np.int32
        )
        name = f"c{len(self.nodes)}"
        self.nodes.append(constant(name, array))
        self.shapes[name] = array.shape
        return name

    def graph(self, *outputs: str) -> GraphModel:
        spec = TensorSpec("x", self.shapes["x"], "float32", "float32", "x:0")
        specs = tuple(replace(spec, name=name, tensor=f"{name}:0") for name in outputs)
        return GraphModel(self.nodes, Signature((spec,), specs), shapes=self.shapes)


def ops(graph: GraphModel) -> Counter[str]:
    return Counter(node.op for node in graph.nodes if node.op not in ("Const", "Placeholder"))


def optimized(drawn: Drawn, *outputs: str) -> Counter[str]:
    return ops(passes.optimize(drawn.graph(*outputs)))


# --- formulas ------------------------------------------------------------------------------------------


def gelu(d: Drawn, x: str) -> str:
    erfc = d.op("Sub", 1.0, d.op("Erf", d.op("Mul", d.op("Neg", x), 0.5**0.5)))
    return d.op("Mul", d.op("Mul", 0.5, x), erfc)


def gelu_by_hand(d: Drawn, x: str) -> str:
    raised = d.op("AddV2", d.op("Erf", d.op("RealDiv", x, 2**0.5)), 1.0)
    return d.op("Mul", d.op("Mul", x, raised), 0.5)


def gelu_by_tanh(d: Drawn, x: str) -> str:
    inner = d.op("AddV2", x, d.op("Mul", 0.044715, d.op("Pow", x, 3.0)))
    bent = d.op("AddV2", 1.0, d.op("Tanh", d.op("Mul", (2 / np.pi) ** 0.5, inner)))
    return d.op("Mul", d.op("Mul", 0.5, x), bent)


def gelu_by_products(d: Drawn, x: str) -> str:
    cube = d.op("Mul", x, d.op("Mul", x, x))
    inner = d.op("AddV2", d.op("Mul", cube, 0.044715), x)
    bent = d.op("AddV2", d.op("Tanh", d.op("Mul", inner, (2 / np.pi) ** 0.5)), 1.0)
    return d.op("Mul", 0.5, d.op("Mul", x, bent))


def hard_swish(d: Drawn, x: str) -> str:
    return d.op("Mul", x, d.op("Mul", d.op("Relu6", d.op("AddV2", x, 3.0)), 1 / 6))


def swish(d: Drawn, x: str) -> str:
    return d.op("Mul", x, d.op("Sigmoid", d.op("Mul", 1.0, x)))


def leaky(d: Drawn, x: str) -> str:
    return d.op("Maximum", d.op("Mul", 0.2, x), x)


def prelu(d: Drawn, x: str) -> str:
    below = d.op("Relu", d.op("Neg", x))
    return d.op("AddV2", d.op("Relu", x), d.op("Mul", np.full((8,), -0.2), below))


def celu(d: Drawn, x: str) -> str:
    grown = d.op("Expm1", d.op("Mul", d.op("Minimum", x, 0.0), 1.0))
    return d.op("AddV2", d.op("Relu", x), d.op("Mul", 1.0, grown))


def clipped(d: Drawn, x: str) -> str:
    return d.op("Maximum", d.op("Minimum", x, 1.0), -1.0)


def clipped_below_first(d: Drawn, x: str) -> str:
    return d.op("Minimum", d.op("Maximum", x, -1.0), 1.0)


def relu6(d: Drawn, x: str) -> str:
    return d.op("Minimum", d.op("Relu", x), 6.0)


def layer_norm(d: Drawn, x: str) -> str:
    axis = d.const([-1])

    def mean(y: str) -> str:
        return d.op("Mean", y, axis, keep_dims={"b": True}, Tidx={"type": "DT_INT32"})

    middle = mean(x)
    root = d.op("Rsqrt", d.op("AddV2", mean(d.op("SquaredDifference", x, middle)), 1e-3))
    scale = d.op("Mul", root, np.full((1, 8), 1.5))
    moved = d.op("AddV2", d.op("Mul", d.op("Neg", middle), scale), np.full((1, 8), 0.5))
    return d.op("AddV2", d.op("Mul", x, scale), moved)


FORMULAS: dict[Callable[[Drawn, str], str], dict[str, int]] = {
    gelu: {"Mul": 3, "Erf": 1, "AddV2": 1},
    gelu_by_hand: {"Mul": 3, "Erf": 1, "AddV2": 1},
    gelu_by_tanh: {"Square": 1, "Mul": 3, "AddV2": 1, "Sigmoid": 1},
    gelu_by_products: {"Square": 1, "Mul": 3, "AddV2": 1, "Sigmoid": 1},
    hard_swish: {"Mul": 2, "AddV2": 1, "ClipByValue": 1},
    swish: {"Sigmoid": 1, "Mul": 1},
    leaky: {"LeakyRelu": 1},
    prelu: {"Prelu": 1},
    celu: {"Elu": 1},
    layer_norm: {"Mean": 2, "Sub": 1, "Square": 1, "AddV2": 2, "Rsqrt": 1, "Mul": 2},
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda each: each.__name__)
def test_a_formula_takes_its_fewest_ops_and_gives_what_it_gave(child, formula):
    drawn = Drawn(None, 8)
    graph = drawn.graph(formula(drawn, "x"))
    changed = passes.optimize(graph)
    assert ops(changed) == FORMULAS[formula]
    equal(child, graph, changed)


@pytest.mark.parametrize("formula", [clipped, clipped_below_first, relu6], ids=lambda each: each.__name__)
def test_minima_and_maxima_stay_for_wasm_would_make_numbers_of_nan(formula):
    drawn = Drawn(None, 8)
    graph = drawn.graph(formula(drawn, "x"))
    assert ops(passes.optimize(graph)) == ops(graph)


@pytest.mark.tensorflow
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda each: each.__name__)
def test_a_formula_of_two_tensors_is_none(child, formula):
    """Every second use of the argument is one of another tensor."""
    drawn = Drawn(None, 8)
    other = drawn.op("Tanh", "x", shape=(None, 8))
    graph = drawn.graph(formula(drawn, "x"))
    uses = [
        (node, index) for node in drawn.nodes[2:] for index, each in enumerate(node.inputs) if each == "x"
    ]
    for node, index in uses[::2]:
        node.inputs[index] = other
    equal(child, graph, passes.optimize(graph))


def equal(child, graph: GraphModel, changed: GraphModel) -> None:
    x = np.random.default_rng(0).normal(0, 3, (50, 8)).astype(np.float32)
    x[0] = (0.0, -0.0, 1.0, -1.0, 6.0, -3.0, 30.0, -30.0)
    expected, actual = (child.call("run_graph", each, [x])[0] for each in (graph, changed))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_gelu_takes_three_ops_between_dense_layers():
    drawn = Drawn(None, 8)
    options = attributes(transpose_a=False, transpose_b=False)
    first = drawn.op("MatMul", "x", np.ones((8, 8)) * 0.5, shape=(None, 8), **options)
    drawn.shapes[gelu(drawn, first)] = (None, 8)
    last = drawn.op("MatMul", drawn.nodes[-1].name, np.ones((8, 4)) * 0.5, shape=(None, 4), **options)
    assert optimized(drawn, last) == {"MatMul": 2, "Erf": 1, "AddV2": 1, "Mul": 1}


def test_the_inputs_of_all_steps_are_multiplied_at_once():
    steps, drawn, options = 5, Drawn(5, None, 3), attributes(transpose_a=False, transpose_b=False)
    parts = drawn.op("Unpack", "x", num={"i": "5"}, axis={"i": "0"})
    outer, inner, bias = (
        drawn.const(np.ones((3, 4))),
        drawn.const(np.ones((4, 4)) / 9),
        drawn.const(np.ones(4)),
    )
    first = drawn.op("MatMul", parts, outer, shape=(None, 4), **options)
    state = drawn.op("Tanh", drawn.op("BiasAdd", first, bias))
    for index in range(1, steps):
        product = drawn.op("MatMul", f"{parts}:{index}", outer, shape=(None, 4), **options)
        added = drawn.op("AddV2", product, drawn.op("MatMul", state, inner, shape=(None, 4), **options))
        state = drawn.op("Tanh", drawn.op("BiasAdd", added, bias))
    left = optimized(drawn, state)
    assert (left["_FusedMatMul"], left["MatMul"], left["AddV2"], left["BiasAdd"]) == (1, 4, 4, 0)


# --- constants and shapes ------------------------------------------------------------------------------


def test_what_is_made_of_weights_is_a_weight():
    drawn = Drawn(None, 64)
    kernel = drawn.op("Transpose", np.ones((64, 64)) / 3, [1, 0], Tperm={"type": "DT_INT32"})
    graph = passes.optimize(drawn.graph(drawn.op("MatMul", "x", kernel, shape=(None, 64))))
    assert ops(graph) == {"MatMul": 1}


def test_a_weight_is_not_stored_twice_to_save_an_op():
    drawn = Drawn(None, 64)
    kernel = drawn.const(np.random.default_rng(0).normal(size=(64, 64)))
    turned = drawn.op("Transpose", kernel, [1, 0], Tperm={"type": "DT_INT32"})
    hidden = drawn.op("Tanh", drawn.op("MatMul", "x", kernel, shape=(None, 64)), shape=(None, 64))
    graph = passes.optimize(drawn.graph(drawn.op("MatMul", hidden, turned, shape=(None, 64))))
    assert sum(value.nbytes for value in graph.weights().values()) < 64 * 64 * 4 + 100


def test_a_small_weight_that_would_become_large_stays_small():
    drawn = Drawn(None, 5000)
    wide = drawn.op("Fill", [5000], 0.5)
    assert optimized(drawn, drawn.op("Mul", "x", wide)) == {"Fill": 1, "Mul": 1}


def to_shape(drawn: Drawn, tensor: str, *sizes: int) -> str:
    """Reshape to the batch of ``tensor`` and ``sizes``, as Keras does."""
    whole = drawn.op("Shape", tensor, out_type={"type": "DT_INT32"})
    masks = {f"{name}_mask": {"i": "0"} for name in ("begin", "end", "ellipsis", "new_axis")}
    batch = drawn.op("StridedSlice", whole, [0], [1], [1], **masks, shrink_axis_mask={"i": "1"})
    packed = drawn.op("Pack", batch, *sizes, axis={"i": "0"})
    return drawn.op("Reshape", tensor, packed, shape=(None, *sizes), Tshape={"type": "DT_INT32"})


def test_a_shape_of_which_only_the_batch_is_unknown_is_a_constant():
    drawn = Drawn(None, 16)
    graph = passes.optimize(drawn.graph(to_shape(drawn, "x", 1, 1, 16)))
    assert ops(graph) == {"Reshape": 1}
    (value,) = graph.weights().values()
    assert value.tolist() == [-1, 1, 1, 16]


def test_sizes_that_a_dense_layer_gathers_are_followed():
    """As Keras has a dense layer of several axes: the tracer knows no size of what comes out."""
    drawn = Drawn(None, 7, 16)
    whole = drawn.op("Shape", "x", out_type={"type": "DT_INT32"})
    front, last = (drawn.op("GatherV2", whole, where, 0) for where in ([0, 1], [2]))
    flat = drawn.op("Pack", drawn.op("Prod", front, [0]), drawn.op("Prod", last, [0]), axis={"i": "0"})
    rows = drawn.op("Reshape", "x", flat, shape=(None, None), Tshape={"type": "DT_INT32"})
    product = drawn.op("MatMul", rows, np.ones((16, 4)), shape=(None, 4))
    back = drawn.op("ConcatV2", front, [4], 0)
    result = drawn.op("Reshape", product, back, shape=(None, None, 4), Tshape={"type": "DT_INT32"})
    graph = passes.optimize(drawn.graph(result))
    assert ops(graph) == {"Reshape": 2, "MatMul": 1}
    assert graph.shapes[result] == (None, 7, 4)


def test_two_unknown_sizes_are_left_to_the_model():
    drawn = Drawn(None, None, 16)
    whole = drawn.op("Shape", "x", out_type={"type": "DT_INT32"})
    result = drawn.op("Reshape", "x", drawn.op("ConcatV2", whole, [1], 0), shape=(None, None, 16, 1))
    assert optimized(drawn, result) == {"Shape": 1, "ConcatV2": 1, "Reshape": 1}


# --- the same twice, and nothing at all ----------------------------------------------------------------


def test_what_is_computed_twice_is_computed_once():
    drawn = Drawn(None, 8)
    first, second = (drawn.op("Tanh", drawn.op("AddV2", "x", np.full(8, 0.5))) for _ in range(2))
    assert optimized(drawn, drawn.op("Mul", first, second)) == {"AddV2": 1, "Tanh": 1, "Mul": 1}


@pytest.mark.parametrize("op", ["RandomUniform", "TensorListReserve"])
def test_what_differs_each_time_is_not_merged(op):
    drawn = Drawn(None, 8)
    first, second = (drawn.op(op, [2, 8], seed={"i": "1"}) for _ in range(2))
    assert optimized(drawn, drawn.op("Sub", first, second))[op] == 2


def test_every_output_keeps_a_node_of_its_own():
    drawn = Drawn(None, 8)
    outputs = [drawn.op("Tanh", "x"), drawn.op("Tanh", "x"), drawn.op("Identity", "x")]
    graph = passes.optimize(drawn.graph(*outputs))
    assert {node.name for node in graph.nodes} == {"x", *outputs}


def test_functions_are_rewritten_too():
    inside = [
        constant("one", np.float32(1)),
        Node("scaled", "Mul", ["y", "one:output:0"], dict(FLOAT)),
        Node("first", "Tanh", ["scaled:z:0"], dict(FLOAT)),
        Node("second", "Tanh", ["scaled:z:0"], dict(FLOAT)),
        Node("sum", "AddV2", ["first:y:0", "second:y:0"], dict(FLOAT)),
    ]
    signature = {"name": "f", "inputArg": [{"name": "y", "type": "DT_FLOAT"}], "outputArg": [{"name": "z"}]}
    drawn = Drawn(None, 8)
    graph = drawn.graph(drawn.op("PartitionedCall", "x", f={"func": {"name": "f"}}))
    graph.functions["f"] = Function("f", signature, inside, {"z": "sum:z:0"})
    nodes = passes.optimize(graph).functions["f"].nodes
    assert [(node.name, node.inputs) for node in nodes] == [
        ("first", ["y"]),
        ("sum", ["first:y:0", "first:y:0"]),
    ]


def nothing(d: Drawn) -> dict[str, str]:
    """Tensors that are ``x``, by what makes them."""
    whole = (None, 8)
    turned = d.op("Transpose", "x", [1, 0], shape=(8, None))
    zeros = np.zeros((2, 2), np.int32)
    return {
        "identity": d.op("Identity", "x", shape=whole),
        "one": d.op("Mul", 1.0, "x", shape=whole),
        "ones": d.op("Mul", "x", np.ones(8), shape=whole),
        "divided by one": d.op("RealDiv", "x", 1.0, shape=whole),
        "less nothing": d.op("Sub", "x", 0.0, shape=whole),
        "and minus zero": d.op("AddV2", "x", -0.0, shape=whole),
        "cast": d.op("Cast", "x", shape=whole, SrcT=FLOAT["T"], DstT=FLOAT["T"]),
        "pad": d.op("Pad", "x", zeros, shape=whole),
        "reshaped": d.op("Reshape", "x", [-1, 8], shape=whole),
        "there and back": d.op(
            "Reshape", d.op("Reshape", "x", [-1, 4], shape=(None, 4)), [-1, 8], shape=whole
        ),
        "turned twice": d.op("Transpose", turned, [1, 0], shape=whole),
    }


@pytest.mark.parametrize("kind", nothing(Drawn(None, 8)))
def test_what_changes_nothing_is_gone(kind):
    drawn = Drawn(None, 8)
    assert optimized(drawn, drawn.op("Tanh", nothing(drawn)[kind])) == {"Tanh": 1}


def something(d: Drawn) -> dict[str, str]:
    """Tensors that nearly are ``x``."""
    return {
        "plus zero, which makes 0 of -0": d.op("AddV2", "x", 0.0, shape=(None, 8)),
        "ones of more axes": d.op("Mul", "x", np.ones((2, 1, 8)), shape=(2, None, 8)),
        "one over": d.op("RealDiv", 1.0, "x", shape=(None, 8)),
        "zero less": d.op("Sub", 0.0, "x", shape=(None, 8)),
    }


@pytest.mark.parametrize("kind", something(Drawn(None, 8)))
def test_what_changes_something_stays(kind):
    drawn = Drawn(None, 8)
    assert optimized(drawn, drawn.op("Tanh", something(drawn)[kind])) != {"Tanh": 1}
