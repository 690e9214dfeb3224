"""Optimizing changes no output: a sample of the layer suite and random graphs, run by TensorFlow's kernels.

``make equivalence`` compares all cases, and as many random graphs as wanted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from equivalence import case_difference, graph_difference
from layer_cases import CASES
from random_graphs import random_graph

from tfjs_bundle.graph import passes
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import attributes, constant

#: What of the layer suite makes graphs that passes rewrite; ``make equivalence`` compares all of it.
SAMPLE = tuple(
    case
    for case in CASES
    if case.sampled
    and case.layer
    in (
        *("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "PReLU"),
        *("LSTM", "MultiHeadAttention", "SeparableConv2D", "ZeroPadding2D"),
        *("activations.gelu", "activations.hard_silu", "activations.silu"),
    )
)

#: Random graphs compared with every test run.
RANDOM_GRAPHS = 60

#: Random graphs in which every pass finds something to do.
COUNTED = 30


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_an_optimized_layer_gives_what_it_gave(child, case):
    assert case_difference(case, child) == ""


@pytest.mark.tensorflow
@pytest.mark.parametrize("seed", range(RANDOM_GRAPHS))
def test_an_optimized_random_graph_gives_what_it_gave(child, seed):
    assert graph_difference(random_graph(seed), seed, child) == ""


@pytest.mark.parametrize("left_out", passes.OPTIMIZING, ids=lambda each: each.__name__)
def test_no_optimizing_pass_can_be_left_out(monkeypatch, left_out):
    """A new pass that finds nothing in these graphs fails: they need what it looks for."""
    fewest = fewest_ops()
    monkeypatch.setattr(passes, "OPTIMIZING", [each for each in passes.OPTIMIZING if each is not left_out])
    assert any(ops(graph) > count for graph, count in zip(counted(), fewest, strict=True))


@cache
def counted() -> list[GraphModel]:
    return [added_by_add_n(), *map(random_graph, range(COUNTED))]


@cache
def fewest_ops() -> list[int]:
    return [ops(graph) for graph in counted()]


def ops(graph: GraphModel) -> int:
    """Return how many nodes of the optimized graph compute something."""
    nodes = passes.optimize(graph).nodes
    return sum(node.op not in ("Const", "Placeholder", "Identity") for node in nodes)


def added_by_add_n() -> GraphModel:
    """A bias as TensorFlow's optimizer adds it to a batch of one; random graphs have open batches."""
    shape = {"shape": {"dim": [{"size": "1"}, {"size": "3"}]}}
    nodes = [
        Node("x", "Placeholder", attrs={**attributes(dtype="DT_FLOAT"), "shape": shape}),
        constant("kernel", np.ones((3, 3), np.float32)),
        constant("bias", np.ones((1, 3), np.float32)),
        Node(
            "product",
            "MatMul",
            ["x", "kernel"],
            attributes(T="DT_FLOAT", transpose_a=False, transpose_b=False),
        ),
        Node("sum", "AddN", ["bias", "product"], attributes(T="DT_FLOAT", N=2)),
    ]
    spec = TensorSpec("x", (1, 3), "float32", "float32", "x:0")
    signature = Signature((spec,), (replace(spec, name="sum", tensor="sum:0"),))
    return GraphModel(nodes, signature, shapes=dict.fromkeys(("x", "bias", "product", "sum"), (1, 3)))
