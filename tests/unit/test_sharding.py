"""Which weights share a shard: what a change of a model leaves where it was."""

from __future__ import annotations

import numpy as np
import pytest

from tfjs_bundle.graph import serde
from tfjs_bundle.graph.ir import GraphModel, Node, Signature
from tfjs_bundle.graph.sharding import layers_in_order

KIB = 1024
LIMIT = 64 * KIB


def network(*sizes: tuple[str, int], changed: str = "", sort: bool = False) -> GraphModel:
    """Dense layers by name, each with so many KiB of kernel and a bias that is added by a node of its own."""
    nodes = [Node("x", "Placeholder")]
    last = "x"
    for name, kib in sizes:
        kernel = np.random.default_rng(list(name.encode())).random((kib, 256), np.float32) + (name == changed)
        nodes += [
            Node(f"{name}/kernel", "Const", value=kernel),
            Node(f"{name}/bias", "Const", value=kernel[:, 0].copy()),
            Node(f"{name}/MatMul", "MatMul", [last, f"{name}/kernel"]),
            Node(f"{name}/Add", "AddV2", [f"{name}/MatMul", f"{name}/bias"]),
        ]
        last = f"{name}/Add"
    if sort:  # as a tracer may have it: constants ahead, by name
        nodes.sort(key=lambda node: (node.op != "Const", node.name if node.op == "Const" else ""))
    return GraphModel(nodes, Signature((), ()))


def shards(graph: GraphModel) -> dict[str, int]:
    return {shard.name: shard.size for shard in serde.dump(graph, "tests", LIMIT).shards}


def layers(count: int, kib: int = 13) -> list[tuple[str, int]]:
    return [(f"block_{index}", kib) for index in range(count)]


def test_weights_stand_in_the_order_of_their_use_by_layer():
    graph = network(("b", 2), ("a", 1), sort=True)
    assert [(layer.name, layer.weights) for layer in layers_in_order(graph)] == [
        ("b", ["b/kernel", "b/bias"]),
        ("a", ["a/kernel", "a/bias"]),
    ]


def test_what_is_computed_of_constants_is_of_the_layer_that_uses_it():
    graph = network(("a", 1), ("b", 1))
    graph.nodes[1:2] = [
        Node("a/kernel/codes", "Const", value=np.zeros((1, 256), np.float32)),
        Node("a/kernel/scales", "Const", value=np.ones(256, np.float32)),
        Node("a/kernel", "Mul", ["a/kernel/codes", "a/kernel/scales"]),
    ]
    first, _ = layers_in_order(graph)
    assert first.weights == ["a/kernel/codes", "a/kernel/scales", "a/bias"]


def test_every_weight_is_in_one_shard_even_when_nothing_uses_it():
    graph = network(*layers(3))
    graph.nodes.append(Node("unused", "Const", value=np.ones(3, np.float32)))
    found = [name for layer in layers_in_order(graph) for name in layer.weights]
    assert sorted(found) == sorted(graph.weights())


@pytest.mark.parametrize("size", [1, 40, 200], ids=["small", "large", "larger than a shard"])
def test_another_last_layer_changes_its_own_shards_alone(size):
    body = layers(30)
    before = shards(network(*body, ("head", size)))
    after = shards(network(*body, ("head", size), changed="head"))
    changed = [before[name] for name in before.keys() - after.keys()]
    assert sum(changed) <= size * (KIB + 4)
    assert sum(before[name] for name in before.keys() & after.keys()) == 30 * 13 * (KIB + 4)


def test_a_last_layer_of_another_size_and_name_changes_nothing_else():
    body = layers(30)
    before, after = shards(network(*body, ("head", 10))), shards(network(*body, ("classes", 20)))
    assert sum(after[name] for name in after.keys() - before.keys()) == 20 * (KIB + 4)


def test_a_layer_more_in_the_middle_changes_the_shards_around_it_and_no_later_ones():
    body = layers(60)
    before = shards(network(*body, ("head", 1)))
    after = shards(network(*body[:20], ("adapter", 3), *body[20:], ("head", 1)))
    assert len(before.keys() - after.keys()) <= 4
    assert len(before) > 15


def test_a_small_model_is_one_shard():
    assert len(serde.dump(network(*layers(3), ("head", 1)), "tests").shards) == 1


def test_ends_are_where_they_were_whatever_the_numbers_are():
    plain, other = network(*layers(30)), network(*layers(30), changed="block_11")
    assert list(shards(plain).values()) == list(shards(other).values())
    assert len(shards(plain).keys() - shards(other).keys()) == 1
