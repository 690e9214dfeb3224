"""Optimizing changes no output: a sample of the layer suite and random graphs, run by TensorFlow's kernels.

``make equivalence`` compares all cases, and as many random graphs as wanted.
"""

from __future__ import annotations

import pytest
from equivalence import case_difference, graph_difference
from layer_cases import CASES
from random_graphs import random_graph

pytestmark = pytest.mark.tensorflow

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


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_an_optimized_layer_gives_what_it_gave(child, case):
    assert case_difference(case, child) == ""


@pytest.mark.parametrize("seed", range(RANDOM_GRAPHS))
def test_an_optimized_random_graph_gives_what_it_gave(child, seed):
    assert graph_difference(random_graph(seed), seed, child) == ""
