"""Passes that make convolutions and products cheaper; TensorFlow says what the graphs compute."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from test_passes import draw, one_op
from test_passes_convolution import numbers, text

from tfjs_bundle.graph.passes.rewriting import attributes

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
