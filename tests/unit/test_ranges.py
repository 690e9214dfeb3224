"""Which numbers an input takes: the rows of the tables that it indexes."""

from __future__ import annotations

import numpy as np
import pytest

from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import constant
from tfjs_bundle.graph.ranges import input_ranges


def graph_of(*nodes: Node, inputs: tuple[str, ...] = ("ids",)) -> GraphModel:
    specs = tuple(TensorSpec(name, (None, 3), "int32", "int32", f"{name}:0") for name in inputs)
    placeholders = [Node(name, "Placeholder") for name in inputs]
    return GraphModel([*placeholders, *nodes], Signature(specs, ()))


def table(name: str, rows: int) -> Node:
    return constant(name, np.zeros((rows, 4), np.float32))


AXIS = constant("axis", np.int32(0))


def test_an_embedding_s_rows_bound_its_input():
    graph = graph_of(table("t", 50), AXIS, Node("look", "GatherV2", ["t", "ids", "axis"]))
    assert input_ranges(graph) == {"ids": (0, 50)}


def test_the_smallest_of_several_tables_counts():
    graph = graph_of(
        table("t", 50),
        table("u", 7),
        AXIS,
        Node("a", "GatherV2", ["t", "ids", "axis"]),
        Node("b", "GatherV2", ["u", "ids:0", "axis"]),
    )
    assert input_ranges(graph) == {"ids": (0, 7)}


@pytest.mark.parametrize("op", ["Cast", "Reshape", "ExpandDims", "Squeeze", "Identity", "Transpose"])
def test_ops_that_hand_numbers_on_are_looked_through(op):
    graph = graph_of(
        table("t", 9), AXIS, Node("same", op, ["ids"]), Node("look", "GatherV2", ["t", "same", "axis"])
    )
    assert input_ranges(graph) == {"ids": (0, 9)}


def test_a_one_hot_encoding_s_depth_bounds_its_input():
    graph = graph_of(constant("depth", np.int32(6)), Node("hot", "OneHot", ["ids", "depth"]))
    assert input_ranges(graph) == {"ids": (0, 6)}


def test_an_input_that_is_gathered_from_is_no_index():
    graph = graph_of(
        constant("where", np.zeros(2, np.int32)), AXIS, Node("pick", "GatherV2", ["ids", "where", "axis"])
    )
    assert input_ranges(graph) == {}


def test_a_table_that_is_no_constant_says_nothing():
    graph = graph_of(AXIS, Node("look", "GatherV2", ["rows", "ids", "axis"]), inputs=("ids", "rows"))
    assert input_ranges(graph) == {}


def test_each_input_has_its_own_range():
    graph = graph_of(
        table("t", 50),
        AXIS,
        Node("look", "GatherV2", ["t", "words", "axis"]),
        Node("other", "Relu", ["features"]),
        inputs=("words", "features"),
    )
    assert input_ranges(graph) == {"words": (0, 50)}
