"""Ordinary models take the small runtimes (runtime/op-sets.mjs), and stay there whatever passes make."""

from __future__ import annotations

import json

import pytest

from tfjs_bundle.graph import kernels, passes
from tfjs_bundle.graph.partition import partition

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("name", "op_set"),
    [
        ("cnn", "feed-forward"),
        ("dense_gelu", "feed-forward"),
        ("nested", "feed-forward"),
        ("recurrent", "sequences"),
        ("transformer", "sequences"),
    ],
)
def test_an_ordinary_model_takes_a_small_runtime(conversion, name, op_set):
    graph = passes.optimize(passes.lower(partition(conversion(name).converted.graph).graph))
    op_sets = json.loads((kernels.RUNTIME / "runtime.json").read_bytes())["op_sets"]
    assert kernels.op_set(graph.ops(), op_sets) == op_set
