"""Passes that make convolutions and products cheaper; TensorFlow says what the graphs compute."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import models
import numpy as np
import pytest
from test_passes import draw, in_function, one_op
from test_passes_convolution import numbers, text

from tfjs_bundle import convert
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.graph import passes
from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.expand_fused_ops import fused_ops
from tfjs_bundle.graph.passes.fold_batch_norm import fold_batch_norm
from tfjs_bundle.graph.passes.fuse_bias_activation import fuse_bias_activation
from tfjs_bundle.graph.passes.merge_pads import merge_pads
from tfjs_bundle.graph.passes.remove_unused import remove_unused
from tfjs_bundle.graph.passes.rewriting import attributes, constant
from tfjs_bundle.graph.passes.split_add_n import split_add_n
from tfjs_bundle.source.identify import identify

pytestmark = pytest.mark.tensorflow

STRIDES = {"strides": numbers(1, 1, 1, 1), "padding": text("VALID"), "data_format": text("NHWC")}


def names(*values: str) -> dict[str, object]:
    return {"list": {"s": [base64.b64encode(value.encode()).decode() for value in values]}}


# --- fused ops, expanded for TensorFlow ----------------------------------------------------------------

SLOPES = draw(5, seed=3)
ACTIVATIONS = {
    "Relu": lambda x: np.maximum(x, 0),
    "Relu6": lambda x: np.clip(x, 0, 6),
    "Elu": lambda x: np.where(x < 0, np.expm1(x), x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "LeakyRelu": lambda x: np.where(x < 0, 0.3 * x, x),
    "Prelu": lambda x: np.where(x < 0, SLOPES * x, x),
}
FUSED = {
    "_FusedConv2D": ((2, 1, 1, 4), (1, 1, 4, 5), "nhwi,hwio->nhwo", STRIDES),
    "FusedDepthwiseConv2dNative": ((2, 1, 1, 5), (1, 1, 5, 1), "nhwi,hwio->nhwi", STRIDES),
    "_FusedMatMul": ((3, 4), (4, 5), "ni,io->no", {}),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("op", FUSED)
def test_tensorflow_runs_a_fused_op_of_tfjs(child, op, activation):
    size, filter_size, equation, attrs = FUSED[op]
    x, weights, bias = 4 * draw(*size), draw(*filter_size, seed=1), draw(5, seed=2)
    extra = (bias, SLOPES) if activation == "Prelu" else (bias,)
    graph = one_op(op, [x], True, (weights, *extra), **attributes(T="DT_FLOAT", num_args=len(extra)), **attrs)
    graph.nodes[-1].attrs |= {"fused_ops": names("BiasAdd", activation), "leakyrelu_alpha": {"f": 0.3}}
    (found,) = child.call("run_graph", graph, [x])
    expected = ACTIVATIONS[activation](np.einsum(equation, x, weights) + bias)
    np.testing.assert_allclose(found, expected, atol=1e-6)


# --- passes --------------------------------------------------------------------------------------------


def step(op: str, *constants: np.ndarray, shape: tuple[int | None, ...] | None = None, **attrs) -> Step:
    """One node of :func:`chain`: it takes the result before it, then ``constants``."""
    return Step(op, constants, {"T": {"type": "DT_FLOAT"}, **attrs}, shape)


@dataclass(frozen=True)
class Step:
    op: str
    constants: tuple[np.ndarray, ...]
    attrs: dict[str, object]
    shape: tuple[int | None, ...] | None


def chain(x: np.ndarray, *steps: Step) -> GraphModel:
    """Return a graph of one node after the other, and a copy of the last one's result."""
    graph = one_op("Identity", [x], **attributes(T="DT_FLOAT"))
    nodes, tensor = graph.nodes[:1], "x0"
    graph.shapes["x0"] = x.shape
    for index, each in enumerate(steps):
        constants = [constant(f"n{index}/c{at}", value) for at, value in enumerate(each.constants)]
        nodes += [*constants, Node(f"n{index}", each.op, [tensor, *(c.name for c in constants)], each.attrs)]
        tensor = f"n{index}"
        if each.shape is not None:
            graph.shapes[tensor] = each.shape
    graph.nodes[:] = [*nodes, Node("y", "Identity", [tensor], attributes(T="DT_FLOAT"))]
    return graph


def computing(graph: GraphModel) -> list[str]:
    """Return the ops that cost something, in order."""
    return [node.op for node in graph.nodes if node.op not in ("Const", "Placeholder", "Identity")]


def equal(child, graph: GraphModel, changed: GraphModel, x: np.ndarray) -> None:
    """Compare two graphs, relative to the size of the result."""
    (expected,), (found,) = (child.call("run_graph", each, [x]) for each in (graph, changed))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def conv(*filter_size: int, op: str = "Conv2D", padding: str = "VALID", stride: int = 1) -> Step:
    attrs = {"strides": numbers(1, stride, stride, 1), "padding": text(padding), "data_format": text("NHWC")}
    return step(op, draw(*filter_size, seed=len(filter_size)), **attrs)


def depthwise(*filter_size: int, **options) -> Step:
    return conv(*filter_size, op="DepthwiseConv2dNative", **options)


def norm(channels: int) -> tuple[Step, Step]:
    """A batch normalisation as the converter has it; one gamma is 0, one variance almost."""
    scale, offset = 5 * draw(channels, seed=8), draw(channels, seed=9)
    scale[:2] = 0, 31
    return step("Mul", scale), step("AddV2", offset)


def pad(*margins: tuple[int, int]) -> Step:
    paddings = np.array([(0, 0), *margins, (0, 0)], np.int32)
    return step("Pad", paddings, Tpaddings={"type": "DT_INT32"})


def reshape(*sizes: int) -> Step:
    return step("Reshape", np.array(sizes, np.int32), Tshape={"type": "DT_INT32"}, shape=(None, *sizes[1:]))


PHOTO = draw(2, 8, 8, 4)
ROWS = draw(3, 6)
DENSE = {"transpose_b": {"b": False}}
POOL = {"ksize": numbers(1, 2, 2, 1), "strides": numbers(1, 2, 2, 1), "padding": text("VALID")}
VOLUME_CONV = {"strides": numbers(1, 1, 1, 1, 1), "padding": text("SAME"), "data_format": text("NDHWC")}
POSITIVE = np.abs(draw(5, seed=6)) + np.float32(0.1)
FOLDED = {
    "a convolution": (PHOTO, [conv(3, 3, 4, 5), *norm(5)], ["Conv2D", "AddV2"]),
    "a depthwise convolution": (
        PHOTO,
        [depthwise(3, 3, 4, 1), *norm(4)],
        ["DepthwiseConv2dNative", "AddV2"],
    ),
    "a depthwise convolution with a multiplier": (
        PHOTO,
        [depthwise(3, 3, 4, 2), *norm(8)],
        ["DepthwiseConv2dNative", "AddV2"],
    ),
    "a dense layer": (ROWS, [step("MatMul", draw(6, 5, seed=1)), *norm(5)], ["MatMul", "AddV2"]),
    "a dense layer with transposed weights": (
        ROWS,
        [step("MatMul", draw(5, 6, seed=1), transpose_b={"b": True}), *norm(5)],
        ["MatMul", "AddV2"],
    ),
    "a convolution with a bias": (
        PHOTO,
        [conv(1, 1, 4, 5), step("BiasAdd", draw(5, seed=2)), step("Mul", draw(5, seed=3))],
        ["Conv2D", "BiasAdd"],
    ),
    "a convolution in three dimensions": (
        draw(1, 4, 4, 4, 3),
        [step("Conv3D", draw(2, 2, 2, 3, 5), **VOLUME_CONV), step("BiasAdd", draw(5, seed=2)), *norm(5)],
        ["Conv3D", "AddV2"],
    ),
    "the layer before a pad": (
        PHOTO,
        [conv(3, 3, 4, 5), pad((1, 2), (0, 1)), step("Mul", draw(5, seed=3))],
        ["Conv2D", "Pad"],
    ),
    "the layer before a reshape": (
        PHOTO,
        [conv(3, 3, 4, 6), reshape(2, 72, 3), step("Mul", draw(3, seed=3))],
        ["Conv2D", "Reshape"],
    ),
    "the layer before a ReLU": (
        PHOTO,
        [conv(3, 3, 4, 5), step("Relu"), step("MaxPool", **POOL), step("RealDiv", POSITIVE)],
        ["Conv2D", "Relu", "MaxPool"],
    ),
    "the layer behind": (
        PHOTO,
        [step("Elu"), *norm(4), conv(3, 3, 4, 5)],
        ["Elu", "Conv2D", "AddV2"],
    ),
    "the depthwise layer behind": (
        PHOTO,
        [step("Elu"), *norm(4), depthwise(3, 3, 4, 2)],
        ["Elu", "DepthwiseConv2dNative", "AddV2"],
    ),
    "the dense layer behind": (
        PHOTO,
        [step("Elu", shape=PHOTO.shape), *norm(4), reshape(2, 256), step("MatMul", draw(256, 3, seed=1))],
        ["Elu", "Reshape", "MatMul", "AddV2"],
    ),
    "the layer behind a pad": (
        PHOTO,
        [step("Elu"), step("Mul", np.float32(0.1)), pad((1, 1), (2, 0)), conv(3, 3, 4, 5)],
        ["Elu", "Pad", "Conv2D"],
    ),
}


@pytest.mark.parametrize("place", FOLDED)
def test_batch_normalisation_goes_into(child, place):
    x, steps, expected = FOLDED[place]
    graph = chain(x, *steps)
    for name, each in zip((f"n{index}" for index in range(9)), steps, strict=False):
        if each.op in ("Mul", "AddV2"):  # as the tracer knows them
            before = graph.shapes.get(f"n{int(name[1:]) - 1}")
            graph.shapes |= {name: before} if before else {}
    folded = fold_batch_norm(graph)
    assert computing(folded) == expected
    equal(child, graph, folded, x)


NOT_FOLDED = {
    "zeros are padded between": (PHOTO, [step("Elu"), *norm(4), conv(3, 3, 4, 5, padding="SAME")]),
    "a pad stands between": (PHOTO, [step("Elu"), *norm(4), pad((1, 1), (1, 1)), conv(3, 3, 4, 5)]),
    "a factor is negative": (PHOTO, [conv(3, 3, 4, 5), step("Relu"), step("Mul", draw(5, seed=3))]),
    "it makes more channels": (PHOTO, [conv(3, 3, 4, 1), step("Mul", draw(5, seed=3))]),
    "it is not by channel": (PHOTO, [conv(3, 3, 4, 5), step("Mul", draw(6, 6, 5, seed=3))]),
    "the weights would overflow": (ROWS, [step("MatMul", draw(6, 5) * 9), step("Mul", np.float32(2e38))]),
}


@pytest.mark.parametrize("reason", NOT_FOLDED)
def test_batch_normalisation_stays_where(reason):
    x, steps = NOT_FOLDED[reason]
    graph = chain(x, *steps)
    assert computing(fold_batch_norm(graph)) == [each.op for each in steps]


def test_a_transposed_convolution_takes_its_batch_normalisation(child):
    x, sizes = draw(2, 5, 6, 4), np.array([2, 7, 8, 3], np.int32)
    graph = chain(x, conv(3, 3, 3, 4, op="Conv2DBackpropInput"), *norm(3))
    graph.nodes.insert(0, constant("sizes", sizes))
    layer = next(node for node in graph.nodes if node.name == "n0")
    layer.inputs = ["sizes", "n0/c0", "x0"]
    folded = fold_batch_norm(graph)
    assert computing(folded) == ["Conv2DBackpropInput", "AddV2"]
    equal(child, graph, folded, x)


def test_what_others_use_keeps_its_batch_normalisation():
    graph = chain(PHOTO, conv(3, 3, 4, 5), *norm(5))
    graph.nodes.append(Node("other", "Relu", ["n0"], attributes(T="DT_FLOAT")))
    assert computing(fold_batch_norm(graph)) == ["Conv2D", "Mul", "AddV2", "Relu"]


def test_parameters_that_are_computed_from_weights_are_folded(child):
    graph = chain(PHOTO, conv(3, 3, 4, 5), *norm(5))
    computed = [
        constant("variance", POSITIVE),
        constant("epsilon", np.float32(1e-3)),
        Node("sum", "AddV2", ["variance", "epsilon"], attributes(T="DT_FLOAT")),
        Node("n1/c0", "Rsqrt", ["sum"], attributes(T="DT_FLOAT")),
    ]
    graph.nodes[:] = [*computed, *(node for node in graph.nodes if node.name != "n1/c0")]
    folded = remove_unused(fold_batch_norm(graph))
    assert computing(folded) == ["Conv2D", "AddV2"]
    equal(child, graph, folded, PHOTO)


def test_a_fused_batch_norm_is_folded(child):
    parameters = [draw(5, seed=seed) for seed in (2, 3, 4)]
    types = {"U": {"type": "DT_FLOAT"}, "epsilon": {"f": 1e-3}, "is_training": {"b": False}}
    normalize = step("FusedBatchNormV3", *parameters, POSITIVE, **types, data_format=text("NHWC"))
    graph = chain(PHOTO, conv(3, 3, 4, 5), normalize)
    folded = fold_batch_norm(graph)
    assert computing(folded) == ["Conv2D", "AddV2"]
    equal(child, graph, folded, PHOTO)


BIAS = draw(5, seed=2)
ALPHAS = draw(5, seed=4)
BEHIND = {
    "a bias": ([step("BiasAdd", BIAS)], "BiasAdd"),
    "a ReLU": ([step("Relu")], "BiasAdd Relu"),
    "a bias and a ReLU": ([step("AddV2", BIAS), step("Relu")], "BiasAdd Relu"),
    "a bias and a ReLU6": ([step("AddV2", BIAS), step("Relu6")], "BiasAdd Relu6"),
    "a bias and an ELU": ([step("Sub", BIAS), step("Elu")], "BiasAdd Elu"),
    "a bias and a sigmoid": ([step("AddV2", np.float32(3)), step("Sigmoid")], "BiasAdd Sigmoid"),
    "a bias and a leaky ReLU": (
        [step("BiasAdd", BIAS), step("LeakyRelu", alpha={"f": 0.3})],
        "BiasAdd LeakyRelu",
    ),
    "two biases": ([step("BiasAdd", BIAS), step("AddV2", ALPHAS)], "BiasAdd"),
}
LAYERS = {
    "_FusedConv2D": (PHOTO, conv(3, 3, 4, 5)),
    "FusedDepthwiseConv2dNative": (draw(2, 8, 8, 5), depthwise(3, 3, 5, 1, padding="SAME")),
    "_FusedMatMul": (ROWS, step("MatMul", draw(6, 5, seed=1))),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("op", LAYERS)
def test_one_op_computes_a_layer_with(child, op, behind):
    x, layer = LAYERS[op]
    steps, names_of_ops = BEHIND[behind]
    graph = chain(x, layer, *steps)
    fused = fuse_bias_activation(graph)
    if op == "FusedDepthwiseConv2dNative" and "leaky" in behind:
        assert computing(fused) == [op, "LeakyRelu"]  # TF.js would take another slope
    else:
        assert computing(fused) == [op]
        assert fused_ops(next(node for node in fused.nodes if node.op == op)) == names_of_ops.lower().split()
    equal(child, graph, fused, x)


@pytest.mark.parametrize("op", LAYERS)
def test_one_op_computes_a_layer_with_a_prelu(child, op):
    x, layer = LAYERS[op]
    graph = chain(x, layer, step("BiasAdd", BIAS), step("Prelu", ALPHAS))
    fused = fuse_bias_activation(graph)
    assert computing(fused) == [op]
    equal(child, graph, fused, x)


def test_a_prelu_with_a_slope_for_each_pixel_is_not_fused():
    graph = chain(PHOTO, conv(3, 3, 4, 5), step("Prelu", draw(6, 6, 5)))
    assert computing(fuse_bias_activation(graph)) == computing(graph)


def test_a_bias_is_added_before_a_reshape(child):
    graph = chain(PHOTO, conv(3, 3, 4, 5), reshape(2, 36, 5), step("BiasAdd", BIAS), step("Relu"))
    fused = fuse_bias_activation(graph)
    assert computing(fused) == ["_FusedConv2D", "Reshape"]
    equal(child, graph, fused, PHOTO)


def test_constant_weights_are_transposed_for_a_fused_product(child):
    graph = chain(ROWS, step("MatMul", draw(5, 6, seed=1), transpose_b={"b": True}), step("BiasAdd", BIAS))
    fused = fuse_bias_activation(graph)
    assert computing(fused) == ["_FusedMatMul"]
    assert "transpose_b" not in fused.nodes[-2].attrs
    equal(child, graph, fused, ROWS)


NOT_FUSED = {
    "of other numbers than one for each channel": [conv(3, 3, 4, 5), step("AddV2", draw(6, 6, 5))],
    "that makes more channels": [conv(3, 3, 4, 1), step("AddV2", BIAS)],
    "behind a reshape that takes the channels apart": [
        conv(3, 3, 4, 5),
        reshape(2, 5, 36),
        step("AddV2", draw(36)),
    ],
}


@pytest.mark.parametrize("kind", NOT_FUSED)
def test_no_bias_is_fused(kind):
    graph = chain(PHOTO, *NOT_FUSED[kind])
    assert computing(fuse_bias_activation(graph)) == computing(graph)


def test_a_layer_that_others_use_is_not_fused():
    graph = chain(PHOTO, conv(3, 3, 4, 5), step("BiasAdd", BIAS))
    graph.nodes.append(Node("other", "Relu", ["n0"], attributes(T="DT_FLOAT")))
    assert computing(fuse_bias_activation(graph)) == computing(graph)


def test_a_layer_inside_a_function_is_folded_and_fused(child):
    graph, x = in_function("Relu", "activations"), draw(3, 6)
    graph.nodes[0].attrs.pop("shape")
    types = attributes(T="DT_FLOAT")
    body = graph.functions["body"]
    body.nodes[:0] = [
        constant("weights", draw(6, 5, seed=1)),
        constant("factor", draw(5, seed=2)),
        constant("bias", draw(5, seed=3)),
        Node("product", "MatMul", ["x", "weights:output:0"], types),
        Node("scaled", "Mul", ["product:product:0", "factor:output:0"], types),
        Node("sum", "BiasAdd", ["scaled:z:0", "bias:output:0"], types),
    ]
    body.nodes[-1].inputs = ["sum:output:0"]
    body.shapes |= {"product": (3, 5), "scaled": (3, 5), "sum": (3, 5)}
    changed = fuse_bias_activation(fold_batch_norm(graph))
    assert changed.ops() == {"Placeholder", "StatefulPartitionedCall", "Const", "_FusedMatMul", "Identity"}
    equal(child, graph, changed, x)


PADS = {
    "into SAME": (((0, 1), (0, 1)), {"stride": 2}, "SAME"),
    "into explicit paddings": (((1, 1), (1, 1)), {"stride": 2}, "EXPLICIT"),
    "that is wider than the filter": (((4, 4), (0, 3)), {}, "EXPLICIT"),
}


@pytest.mark.parametrize("kind", PADS)
@pytest.mark.parametrize("layer", [conv, depthwise])
def test_a_pad_is_merged(child, layer, kind):
    margins, options, padding = PADS[kind]
    graph = chain(PHOTO, pad(*margins), layer(3, 3, 4, 2, **options))
    merged = merge_pads(graph)
    assert computing(merged) == computing(graph)[1:]
    assert merged.nodes[-2].attrs["padding"] == text(padding)
    equal(child, graph, merged, PHOTO)


def test_a_pad_whose_size_is_not_known_is_never_taken_for_same():
    graph = chain(PHOTO, pad((0, 1), (0, 1)), conv(3, 3, 4, 2, stride=2))
    graph.shapes["x0"] = (None, None, 8, 4)
    assert merge_pads(graph).nodes[-2].attrs["padding"] == text("EXPLICIT")


def test_a_pad_before_a_convolution_that_pads_the_same_stays():
    graph = chain(PHOTO, pad((0, 1), (0, 1)), conv(3, 3, 4, 2, padding="SAME"))
    assert computing(merge_pads(graph)) == ["Pad", "Conv2D"]


def test_a_sum_of_many_begins_with_the_layer_and_its_bias(child):
    graph = chain(draw(2, 8, 8, 4), conv(1, 1, 4, 4), step("AddN", draw(2, 8, 8, 4, seed=5), N={"i": "3"}))
    graph.nodes[-2].inputs.insert(0, "x0")
    split = split_add_n(graph)
    assert computing(split) == ["Conv2D", "AddV2", "AddV2"]
    assert split.nodes[-3].inputs == ["n0", "n1/c0"]
    equal(child, graph, split, PHOTO)


def test_mobilenet_takes_69_ops(child, tmp_path):
    keras = models.keras()
    model = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), alpha=0.35)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, each.shape) for each in layer.get_weights()])
    model.save(tmp_path / "mobilenet.keras")
    options = BuildOptions()
    converted = convert.convert(identify(tmp_path / "mobilenet.keras"), options, child, tmp_path)
    lowered = passes.lower(converted.graph)
    optimized = passes.optimize(lowered)
    assert len(computing(lowered)) > 200
    assert len(computing(optimized)) <= 69
    equal(child, lowered, optimized, np.float32(random.uniform(-1, 1, (1, 96, 96, 3))))
