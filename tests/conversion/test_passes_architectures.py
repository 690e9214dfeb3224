"""Passes for what whole models come to: caches, quantized layers, loops that write lists."""

from __future__ import annotations

import numpy as np
import pytest
from test_passes import draw, one_op

from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph import passes
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.lower_dynamic_update_slice import lower_dynamic_update_slice
from tfjs_bundle.graph.passes.lower_quantized_matmul import lower_quantized_matmul
from tfjs_bundle.graph.passes.narrow_casts import narrow_casts
from tfjs_bundle.graph.passes.return_list_items import return_list_items
from tfjs_bundle.graph.passes.rewriting import attributes, constant
from tfjs_bundle.graph.passes.split_grouped_convolutions import GROUPS, split_grouped_convolutions
from tfjs_bundle.graph.passes.unroll_loops import STEPS, unroll_loops

pytestmark = pytest.mark.tensorflow

UPDATES = [((2, 6, 3), (2, 1, 3)), ((2, 6, 3), (2, 6, 3)), ((5,), (2,)), ((4, 5), (2, 3))]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("start", [2, 100, -3], ids=str)
@pytest.mark.parametrize(("operand", "update"), UPDATES)
def test_a_slice_is_updated_where_xla_would(child, operand, update, start, known):
    starts = np.full(len(operand), start, np.int32)
    inputs = [draw(*operand), draw(*update, seed=1), starts]
    graph = one_op("XlaDynamicUpdateSlice", inputs, known, **attributes(T="DT_FLOAT", Tindices="DT_INT32"))
    graph.shapes = {f"x{i}": value.shape if known else (None,) * value.ndim for i, value in enumerate(inputs)}
    lowered = lower_dynamic_update_slice(graph)
    assert "XlaDynamicUpdateSlice" not in lowered.ops()
    (output,) = child.call("run_graph", lowered, inputs)
    expected = inputs[0].copy()
    clamped = [min(max(start, 0), size - width) for size, width in zip(operand, update, strict=True)]
    expected[tuple(slice(at, at + width) for at, width in zip(clamped, update, strict=True))] = inputs[1]
    np.testing.assert_array_equal(output, expected)


def test_an_update_of_unknown_rank_is_left_as_it_is():
    inputs = [draw(3), draw(1), np.zeros(1, np.int32)]
    graph = one_op("XlaDynamicUpdateSlice", inputs, **attributes(T="DT_FLOAT", Tindices="DT_INT32"))
    assert lower_dynamic_update_slice(graph).nodes == graph.nodes


def quantized_product(depth: int, transposed: bool) -> tuple[GraphModel, np.ndarray, np.ndarray]:
    """Return the product of a drawn int8 matrix and a constant with the extremes of int8 among its values."""
    random = np.random.default_rng(5)
    left = random.integers(-127, 128, (2, 3, depth)).astype(np.float32)
    right = random.integers(-127, 128, (4, depth) if transposed else (depth, 4)).astype(np.int32)
    right[:2] = 127
    attrs = attributes(Ta="DT_INT8", Tb="DT_INT8", Tout="DT_INT32", adj_x=False, adj_y=transposed)
    graph = one_op("Cast", [left], **attributes(SrcT="DT_FLOAT", DstT="DT_INT8"))
    graph.nodes[-1].name = "small"
    graph.nodes.append(constant("kernel", right))
    graph.nodes.append(Node("y", "BatchMatMulV3", ["small", "kernel"], attrs))
    return graph, left, right


@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize(("depth", "products"), [(40, 1), (3000, 3)])
def test_a_product_of_int8_is_exact_in_float32(child, depth, products, transposed):
    graph, left, right = quantized_product(depth, transposed)
    if depth > 1000:
        right[...] = 127  # every partial sum is as large as it can be
        left[...] = 127
    lowered = lower_quantized_matmul(graph)
    assert [node.op for node in lowered.nodes].count("BatchMatMulV2") == products
    (output,) = child.call("run_graph", lowered, [left])
    expected = left.astype(np.int64) @ (right.T if transposed else right).astype(np.int64)
    assert output.dtype == np.int32
    # beyond 2**24 the parts are added in float32
    np.testing.assert_allclose(output, expected, rtol=0 if products == 1 else 2**-23)


def test_a_product_of_unknown_length_is_left_as_it_is():
    inputs = [np.zeros((2, 3), np.int32), np.zeros((3, 2), np.int32)]
    attrs = attributes(Ta="DT_INT8", Tb="DT_INT8", Tout="DT_INT32", adj_x=False, adj_y=False)
    graph = one_op("BatchMatMulV3", inputs, known=False, **attrs)
    assert lower_quantized_matmul(graph).nodes == graph.nodes


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_convolution_with_a_group_for_each_channel_is_depthwise(child, multiplier):
    x, kernel = draw(2, 7, 6, 4), draw(3, 3, 1, 4 * multiplier, seed=1)
    graph = one_op("Conv2D", [x], constants=(kernel,), **attributes(T="DT_FLOAT"))
    graph.nodes[-1].attrs |= {
        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
        "padding": {"s": "U0FNRQ=="},
        GROUPS: {"i": "4"},
    }
    lowered = split_grouped_convolutions(graph)
    assert "DepthwiseConv2dNative" in lowered.ops()
    (output,) = child.call("run_graph", lowered, [x])
    (expected,) = child.call("run_graph", without_groups(graph), [x])
    np.testing.assert_allclose(output, expected, atol=1e-5)


def without_groups(graph: GraphModel) -> GraphModel:
    attrs = {name: attr for name, attr in graph.nodes[-1].attrs.items() if name != GROUPS}
    return GraphModel(
        [*graph.nodes[:-1], Node("y", "Conv2D", graph.nodes[-1].inputs, attrs)], graph.signature
    )


@pytest.mark.parametrize("dtype", ["DT_UINT16", "DT_INT16", "DT_UINT32"])
def test_a_cast_to_an_integer_that_tfjs_does_not_know_is_one_to_int32(child, dtype):
    x = np.array([0.0, 1.7, 300.2], np.float32)
    graph = narrow_casts(one_op("Cast", [x], **attributes(SrcT="DT_FLOAT", DstT=dtype)))
    assert graph.nodes[-1].attrs["DstT"] == {"type": "DT_INT32"}
    (output,) = child.call("run_graph", graph, [x])
    np.testing.assert_array_equal(output, [0, 1, 300])


def test_a_cast_to_eight_bit_floats_is_refused_with_its_layer():
    graph = one_op("Cast", [draw(3)], **attributes(SrcT="DT_FLOAT", DstT="DT_FLOAT8_E4M3FN"))
    graph.layers["y"] = "dense (Dense)"
    with pytest.raises(UnsupportedModelError, match=r"float8_e4m3fn.*layer 'dense \(Dense\)'"):
        narrow_casts(graph)


def writing_loop() -> GraphModel:
    """Return a loop that writes ``x * i`` into a list four times; nothing else depends on it."""
    types = ["DT_INT32", "DT_VARIANT", "DT_FLOAT"]
    arguments = [{"name": name, "type": dtype} for name, dtype in zip("ilx", types, strict=True)]
    results = [{"name": f"{name}_out", "type": dtype} for name, dtype in zip("ilx", types, strict=True)]
    body = Function(
        "body",
        {"name": "body", "inputArg": arguments, "outputArg": results},
        [
            constant("one", np.int32(1)),
            Node("next", "AddV2", ["i", "one:output:0"], attributes(T="DT_INT32")),
            Node("factor", "Cast", ["i"], attributes(SrcT="DT_INT32", DstT="DT_FLOAT")),
            Node("item", "Mul", ["x", "factor:y:0"], attributes(T="DT_FLOAT")),
            Node("set", "TensorListSetItem", ["l", "i", "item:z:0"], attributes(element_dtype="DT_FLOAT")),
        ],
        {"i_out": "next:z:0", "l_out": "set:output_handle:0", "x_out": "x"},
    )
    condition = Function(
        "condition",
        {"name": "condition", "inputArg": arguments, "outputArg": [{"name": "go", "type": "DT_BOOL"}]},
        [
            constant("four", np.int32(4)),
            Node("less", "Less", ["i", "four:output:0"], attributes(T="DT_INT32")),
        ],
        {"go": "less:z:0"},
    )
    reserve = attributes(element_dtype="DT_FLOAT", shape_type="DT_INT32")
    nodes = [
        Node("x", "Placeholder", attrs=attributes(dtype="DT_FLOAT")),
        constant("zero", np.int32(0)),
        constant("size", np.int32(4)),
        constant("shape", np.array([3], np.int32)),
        Node("list", "TensorListReserve", ["shape", "size"], reserve),
        Node(
            "loop",
            "StatelessWhile",
            ["zero", "list", "x"],
            {
                "T": {"list": {"type": types}},
                "body": {"func": {"name": "body"}},
                "cond": {"func": {"name": "condition"}},
                "output_shapes": {"list": {"shape": [{}, {}, {"dim": [{"size": "3"}]}]}},
            },
        ),
        Node("y", "TensorListStack", ["loop:1", "shape"], attributes(element_dtype="DT_FLOAT")),
    ]
    signature = Signature(
        (TensorSpec("x", (3,), "float32", "float32", "x:0"),),
        (TensorSpec("y", (4, 3), "float32", "float32", "y:0"),),
    )
    return GraphModel(nodes, signature, {"body": body, "condition": condition})


def test_a_loop_of_few_steps_is_written_out(child):
    x = draw(3)
    graph = unroll_loops(writing_loop())
    assert not graph.ops() & {"StatelessWhile", "TensorListStack"}
    (output,) = child.call("run_graph", graph, [x])
    np.testing.assert_allclose(output, x * np.arange(4, dtype=np.float32)[:, None])


def test_the_states_after_the_last_step_are_the_loop_s_outputs(child):
    x, graph = draw(3), writing_loop()
    graph.functions["body"].ret["x_out"] = "item:z:0"
    last = TensorSpec("last", (3,), "float32", "float32", "loop:2")
    graph.signature = Signature(graph.signature.inputs, (*graph.signature.outputs, last))
    inputs = [x]
    expected = child.call("run_graph", graph, inputs)
    unrolled = unroll_loops(graph)
    assert "StatelessWhile" not in unrolled.ops()
    for output, value in zip(child.call("run_graph", unrolled, inputs), expected, strict=True):
        np.testing.assert_allclose(output, value)


def test_a_loop_of_many_steps_or_of_an_unknown_number_stays_a_loop():
    long = writing_loop()
    long.functions["condition"].nodes[0] = constant("four", np.int32(STEPS + 1))
    assert unroll_loops(long) is long
    open_ended = writing_loop()
    open_ended.functions["condition"].nodes[0] = Node(
        "four", "Cast", ["x"], attributes(SrcT="DT_FLOAT", DstT="DT_INT32")
    )
    assert unroll_loops(open_ended) is open_ended


def test_a_loop_returns_what_it_writes_into_a_list(child):
    x = draw(3)
    graph = return_list_items(writing_loop())
    body = graph.functions["body"]
    assert "item:z:0" in body.ret.values()
    assert len(graph.functions["condition"].signature["inputArg"]) == len(body.signature["inputArg"]) == 4
    (output,) = child.call("run_graph", graph, [x])
    np.testing.assert_allclose(output, x * np.arange(4, dtype=np.float32)[:, None])


def test_a_loop_that_returns_what_it_writes_is_left_as_it_is():
    graph = return_list_items(writing_loop())
    assert return_list_items(graph) is graph


def test_all_passes_together_leave_a_writing_loop_right(child):
    x = draw(3)
    (output,) = child.call("run_graph", passes.lower(writing_loop()), [x])
    np.testing.assert_allclose(output, x * np.arange(4, dtype=np.float32)[:, None])
