"""Passes on small graphs, run by TensorFlow's own kernels."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest

from tfjs_bundle.graph import passes, serde
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.name_functions import name_functions
from tfjs_bundle.graph.passes.rewriting import attributes, constant

pytestmark = pytest.mark.tensorflow

_PROTO = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}


def one_op(
    op: str, inputs: list[np.ndarray], known: bool = True, constants: tuple[np.ndarray, ...] = (), **attrs
) -> GraphModel:
    """Return a graph of one node over placeholders for ``inputs``, followed by ``constants``."""
    nodes, specs = [], []
    for index, value in enumerate(inputs):
        sizes = value.shape if known else (None,) * value.ndim
        shape = {"dim": [{"size": str(-1 if size is None else size)} for size in sizes]}
        dtype = {"type": _PROTO[value.dtype.name]}
        nodes.append(Node(f"x{index}", "Placeholder", attrs={"dtype": dtype, "shape": {"shape": shape}}))
        specs.append(TensorSpec(f"x{index}", sizes, value.dtype.name, value.dtype.name, f"x{index}:0"))
    nodes += [constant(f"c{index}", value) for index, value in enumerate(constants)]
    nodes.append(Node("y", op, [node.name for node in nodes], attrs))
    return GraphModel(nodes, Signature(tuple(specs), (TensorSpec("y", None, "float32", "float32", "y:0"),)))


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


# --- einsum --------------------------------------------------------------------------------------------

EQUATIONS = [
    "ab,bc->ac",
    "ab,cb->ac",
    "ab,bc->ca",  # transposed output
    "abc,cd->abd",  # a dense layer on three axes
    "abc,cde->abde",  # attention: the projection to heads
    "aecd,abcd->acbe",  # attention: keys by queries
    "acbe,aecd->abcd",  # attention: scores by values
    "abcd,cde->abe",  # attention: the projection back, two summed labels
    "BTNH,BSNH->BNTS",
    "abcd,abde->abce",  # two batch labels
    "abcd,dbae->ecab",  # batch labels apart
    "ab,ab->ab",  # nothing summed
    "ab,ab->a",  # rows and columns both empty
    "ab,ab->",  # everything summed
    "a,b->ab",  # an outer product
    "ab,cd->dbca",
    "ab,cd->ac",  # labels of one operand summed out
    "abc,bd->ad",
    "abc,abd->dc",  # a label of both summed, no batch
    "a,a->",
    "ab,b->a",
    "b,ab->a",
    ",ab->ab",  # a scalar
    "ab->ba",
    "abc->b",
    "abc->ca",
    "ab->",
    "a->a",
]


def sizes_of(equation: str) -> list[tuple[int, ...]]:
    labels = sorted(set(equation) - set(",->"))
    sizes = dict(zip(labels, (2, 3, 4, 5, 6, 7), strict=False))
    return [tuple(sizes[label] for label in side) for side in equation.split("->")[0].split(",")]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_becomes_a_matrix_product_of_the_same_value(child, equation, known):
    inputs = [draw(*shape, seed=index) for index, shape in enumerate(sizes_of(equation))]
    attrs = attributes(N=len(inputs), T="DT_FLOAT")
    attrs["equation"] = {"s": base64.b64encode(equation.encode()).decode()}
    graph = passes.lower_einsum(one_op("Einsum", inputs, known, **attrs))
    assert "Einsum" not in graph.ops()
    (output,) = child.call("run_graph", graph, inputs)
    expected = np.einsum(equation, *inputs)
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("equation", ["aab,bc->ac", "...a,ab->...b", "a,a,a->a", "ab,bc->aac"])
def test_an_equation_beyond_the_pass_is_left_as_it_is(equation):
    inputs = [np.zeros((2,) * 3, np.float32)] * (equation.count(",") + 1)
    attrs = attributes(N=len(inputs), T="DT_FLOAT")
    attrs["equation"] = {"s": base64.b64encode(equation.encode()).decode()}
    graph = one_op("Einsum", inputs, **attrs)
    assert passes.lower_einsum(graph).nodes == graph.nodes


# --- single ops ----------------------------------------------------------------------------------------


def test_erfc_is_lowered_to_within_float_precision(child):
    x = np.concatenate([np.linspace(-6, 6, 241), [-100, 100, -np.inf, np.inf]]).astype(np.float32)
    graph = passes.lower_erfc(one_op("Erfc", [x], **attributes(T="DT_FLOAT")))
    assert "Erfc" not in graph.ops()
    (output,) = child.call("run_graph", graph, [x])
    np.testing.assert_allclose(output, [math.erfc(value) for value in x], atol=3e-7)


def test_softsign_is_lowered(child):
    x = np.concatenate([np.linspace(-4, 4, 33), [-1e30, 1e30]]).astype(np.float32)
    graph = passes.lower_softsign(one_op("Softsign", [x], **attributes(T="DT_FLOAT")))
    assert "Softsign" not in graph.ops()
    (output,) = child.call("run_graph", graph, [x])
    np.testing.assert_allclose(output, x / (1 + np.abs(x)), atol=1e-7)


def test_a_bool_is_reversed_as_integers(child):
    x = np.random.default_rng(0).integers(0, 2, (3, 5)).astype(bool)
    axis = np.array([1], np.int32)
    graph = one_op("ReverseV2", [x], constants=(axis,), **attributes(T="DT_BOOL", Tidx="DT_INT32"))
    lowered = passes.cast_bool_reverse(graph)
    reverses = [node for node in lowered.nodes if node.op == "ReverseV2"]
    assert [node.attrs["T"]["type"] for node in reverses] == ["DT_INT32"]
    (output,) = child.call("run_graph", lowered, [x])
    assert output.dtype == bool
    np.testing.assert_array_equal(output, x[:, ::-1])


def test_a_float_is_reversed_as_it_is():
    graph = one_op(
        "ReverseV2",
        [draw(2, 3)],
        constants=(np.array([1], np.int32),),
        **attributes(T="DT_FLOAT", Tidx="DT_INT32"),
    )
    assert passes.cast_bool_reverse(graph).nodes == graph.nodes


# --- functions, names, dead nodes ----------------------------------------------------------------------


def in_function(op: str, output: str) -> GraphModel:
    """Return a graph that calls a function whose body is one ``op``."""
    signature = {
        "name": "body",
        "inputArg": [{"name": "x", "type": "DT_FLOAT"}],
        "outputArg": [{"name": "result", "type": "DT_FLOAT"}],
    }
    body = [Node("inner", op, ["x"], attributes(T="DT_FLOAT"))]
    graph = one_op("StatefulPartitionedCall", [draw(3)])
    graph.nodes[-1].attrs = {
        "Tin": {"list": {"type": ["DT_FLOAT"]}},
        "Tout": {"list": {"type": ["DT_FLOAT"]}},
        "f": {"func": {"name": "body"}},
    }
    graph.functions = {"body": Function("body", signature, body, {"result": f"inner:{output}:0"})}
    return graph


@pytest.mark.parametrize(("op", "output"), [("Erfc", "y"), ("Softsign", "activations")])
def test_an_op_inside_a_function_is_lowered_too(child, op, output):
    graph, x = in_function(op, output), draw(3)
    lowered = passes.lower(graph)
    assert op not in lowered.ops()
    (expected,) = child.call("run_graph", graph, [x])
    (found,) = child.call("run_graph", lowered, [x])
    np.testing.assert_allclose(found, expected, atol=3e-7)


def test_a_pass_leaves_the_graph_it_was_given_as_it_was():
    graph = one_op("Erfc", [draw(3)], **attributes(T="DT_FLOAT"))
    before = list(graph.nodes)
    passes.lower(graph)
    assert graph.nodes == before
    assert graph.nodes[-1].op == "Erfc"


def test_new_nodes_take_no_name_that_is_taken_and_keep_the_layer():
    graph = one_op("Erfc", [draw(3)], **attributes(T="DT_FLOAT"))
    graph.nodes.insert(0, constant("y/erf", np.float32(3)))
    graph.layers["y"] = "act (Activation)"
    lowered = passes.lower_erfc(graph)
    names = [node.name for node in lowered.nodes]
    assert len(set(names)) == len(names)
    (erf,) = [node for node in lowered.nodes if node.op == "Erf"]
    assert lowered.layers[erf.name] == "act (Activation)"


def test_dead_nodes_and_functions_go_and_placeholders_stay():
    graph = in_function("Erfc", "y")
    graph.functions["dead"] = Function("dead", {"name": "dead"}, [], {})
    graph.nodes.insert(0, constant("dead", np.float32(1)))
    graph.nodes.insert(0, Node("spare", "Placeholder", attrs=attributes(dtype="DT_FLOAT")))
    spare = TensorSpec("spare", (None,), "float32", "float32", "spare:0")
    graph.signature = Signature((*graph.signature.inputs, spare), graph.signature.outputs)
    kept = passes.remove_unused(graph)
    assert [node.name for node in kept.nodes] == ["spare", "x0", "y"]
    assert list(kept.functions) == ["body"]


def test_what_only_a_control_input_needs_stays():
    graph = one_op("Erfc", [draw(3)], **attributes(T="DT_FLOAT"))
    graph.nodes.insert(0, Node("first", "NoOp"))
    graph.nodes[-1].inputs.append("^first")
    assert "first" in {node.name for node in passes.remove_unused(graph).nodes}


def loop_like(numbers: tuple[int, int]) -> GraphModel:
    """Return a graph of two calls, as TensorFlow names them after other traces."""
    graph = one_op("Identity", [draw(3)], **attributes(T="DT_FLOAT"))
    for index, number in enumerate(numbers):
        name = f"While_body_{number}"
        argument = f"while_body_{number}___x"
        signature = {
            "name": name,
            "inputArg": [{"name": argument, "type": "DT_FLOAT"}],
            "outputArg": [{"name": "result", "type": "DT_FLOAT"}],
        }
        body = [
            constant("two", np.float32(index + 2)),
            Node("scaled", "Mul", [argument, "two:output:0"], attributes(T="DT_FLOAT")),
        ]
        function = Function(name, signature, body, {"result": "scaled:z:0"})
        graph.functions = {name: function, **graph.functions}  # the library's order is by chance
        types = {"list": {"type": ["DT_FLOAT"]}}
        attrs = {"Tin": types, "Tout": types, "f": {"func": {"name": name}}}
        graph.nodes.append(
            Node(f"call{index}", "StatefulPartitionedCall", ["y" if not index else "call0"], attrs)
        )
    output = TensorSpec("out", None, "float32", "float32", "call1:0")
    graph.signature = Signature(graph.signature.inputs, (output,))
    return graph


def test_functions_are_named_and_ordered_by_the_graph_alone(child):
    first, second = (name_functions(loop_like(numbers)) for numbers in ((9, 17), (441, 440)))
    assert list(first.functions) == ["While_body_0", "While_body_1"]
    assert first.functions["While_body_1"].signature["inputArg"][0]["name"] == "while_body_1___x"
    assert {"f": {"func": {"name": "While_body_1"}}}.items() <= first.nodes[-1].attrs.items()
    assert serde.dump(first, "tests").model_json == serde.dump(second, "tests").model_json
    x = draw(3)
    for graph in (first, second):
        (output,) = child.call("run_graph", graph, [x])
        np.testing.assert_allclose(output, x * 6, rtol=1e-6)


def test_random_draws_become_ones_that_tfjs_has(child):
    inputs = [np.array([1000, 3], np.int32)]
    rest = (np.zeros(1, np.int32), np.zeros(2, np.int32), np.int32(1))
    graph = one_op(
        "StatelessRandomNormalV2", inputs, constants=rest, **attributes(dtype="DT_FLOAT", Tshape="DT_INT32")
    )
    (output,) = child.call("run_graph", passes.lower(graph), inputs)
    assert output.shape == (1000, 3)
    assert abs(output.mean()) < 0.2
    assert abs(output.std() - 1) < 0.2
