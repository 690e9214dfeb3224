"""What pruning and quantizing do to weights, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tfjs_bundle.compress.apply import Compressed, Recipe, Sensitivity, compress
from tfjs_bundle.compress.cost import compare
from tfjs_bundle.compress.outputs import before_squashing, movement
from tfjs_bundle.compress.prune import LEVELS, allocate
from tfjs_bundle.compress.weights import weights_of
from tfjs_bundle.graph import serde
from tfjs_bundle.graph.encodings import Encoding, float16, linear, per_channel
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import attributes, constant

SCHEMES = ("float16", "uint16", "uint8", "int8")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def model(op: str = "MatMul", *values: np.ndarray, **types: bool) -> GraphModel:
    """Return a graph that hands its input through nodes of ``op``, each with one of ``values``."""
    values = values or (normal(64, 64),)
    nodes = [Node("x", "Placeholder", attrs={"dtype": {"type": "DT_FLOAT"}})]
    for index, value in enumerate(values):
        inputs = [nodes[-1].name, f"w{index}"]
        if op == "GatherV2":
            inputs = inputs[::-1]
        nodes += [
            constant(f"w{index}", value),
            Node(f"y{index}", op, inputs, attributes(T="DT_FLOAT", **types)),
        ]
    spec = TensorSpec("x", (None, 64), "float32", "float32", "x:0")
    out = TensorSpec("y", (None, 64), "float32", "float32", f"{nodes[-1].name}:0")
    layers = {f"y{index}": f"layer_{index}" for index in range(len(values))}
    return GraphModel(nodes, Signature((spec,), (out,)), layers=layers)


def write(graph: GraphModel, directory: Path) -> Path:
    files = serde.dump(graph, "tests")
    for shard in files.shards:
        shard.write(directory / shard.name)
    (directory / "model.json").write_bytes(files.model_json)
    return directory / "model.json"


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*.bin"))


def schemes(compressed: Compressed) -> list[str]:
    return [tensor.scheme for tensor in compressed.tensors]


# --- codes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding",
    [
        float16(),
        linear(normal(999), "uint8"),
        linear(normal(999), "uint16"),
        per_channel(normal(9, 111), (0,)),
    ],
    ids=["float16", "uint8", "uint16", "int8"],
)
def test_numbers_that_were_decoded_come_back_bit_for_bit(encoding: Encoding):
    values = normal(9, 111, seed=1)
    decoded = encoding.decode(encoding.encode(values))
    codes = encoding.exact(decoded)
    assert codes is not None
    assert np.array_equal(encoding.decode(codes), decoded)
    assert encoding.exact(decoded + np.float32(1e-3)) is None


@pytest.mark.parametrize("low", [-3.3, 0.2, -0.7], ids=["both signs", "positive", "mostly positive"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_zero_has_a_code_of_its_own(dtype, low):
    values = np.random.default_rng(0).uniform(low, 5.7, 1000).astype(np.float32)
    encoding = linear(values, dtype)
    assert encoding.decode(encoding.encode(np.zeros(1, np.float32))).tolist() == [0.0]
    step = encoding.scale
    assert (
        np.abs(encoding.decode(encoding.encode(values)) - values).max() <= step
    )  # half a step, but at the ends


def test_codes_are_decoded_in_double_precision_and_rounded_once_as_javascript_does_it():
    encoding = Encoding("uint8", 0.1, -3.7)
    expected = [np.float32(code * 0.1 - 3.7) for code in (0, 37, 38, 255)]
    assert encoding.decode(np.array([0, 37, 38, 255], np.uint8)).tolist() == [
        float(value) for value in expected
    ]


@pytest.mark.parametrize(
    ("op", "shape", "types", "scales"),
    [
        ("Conv2D", (3, 3, 8, 16), {}, (1, 1, 1, 16)),
        ("_FusedConv2D", (3, 3, 8, 16), {}, (1, 1, 1, 16)),
        ("DepthwiseConv2dNative", (5, 5, 64, 2), {}, (1, 1, 64, 2)),
        ("FusedDepthwiseConv2dNative", (5, 5, 64, 2), {}, (1, 1, 64, 2)),
        ("Conv2DBackpropInput", (3, 3, 8, 16), {}, (1, 1, 8, 1)),
        ("Conv3D", (3, 3, 3, 4, 16), {}, (1, 1, 1, 1, 16)),
        ("MatMul", (64, 32), {}, (1, 32)),
        ("_FusedMatMul", (64, 32), {"transpose_b": True}, (64, 1)),
        ("BatchMatMulV2", (4, 32, 16), {"adj_y": False}, (4, 1, 16)),
        ("BatchMatMulV2", (4, 32, 16), {"adj_y": True}, (4, 32, 1)),
        ("GatherV2", (128, 32), {}, (128, 1)),
    ],
)
def test_each_op_has_a_scale_for_each_channel_that_it_does_not_sum_over(op, shape, types, scales):
    graph = compress(model(op, normal(*shape), **types), Recipe("int8")).graph
    channels = graph.encodings["w0"].channels
    assert channels is not None
    assert channels.shape == scales


def test_a_scale_per_channel_is_better_where_channels_differ_in_size():
    value = normal(64, 64) * np.geomspace(0.01, 1, 64, dtype=np.float32)
    whole, channels = (
        compress(model("MatMul", value), Recipe(scheme)).tensors[0] for scheme in ("uint8", "int8")
    )
    assert channels.moved < whole.moved / 2


# --- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "size"), [("float16", 8192), ("uint16", 8192), ("uint8", 4096), ("int8", 4352)]
)
def test_what_is_written_comes_back_as_it_was_and_is_written_again_as_small(tmp_path, scheme, size):
    graph = compress(model(), Recipe(scheme)).graph
    found = serde.load(write(graph, tmp_path))
    assert size_of(tmp_path) == size
    assert [node.name for node in found.nodes] == [node.name for node in graph.nodes]
    np.testing.assert_array_equal(found.weights()["w0"], graph.weights()["w0"])
    (tmp_path / "again").mkdir()
    write(found, tmp_path / "again")
    assert size_of(tmp_path / "again") == size


def test_scales_per_channel_are_a_product_of_two_constants_for_other_loaders(tmp_path):
    path = write(compress(model(), Recipe("int8")).graph, tmp_path)
    document = json.loads(path.read_bytes())
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    assert nodes["w0"]["op"] == "Mul"
    assert nodes["w0"]["input"] == ["w0/codes", "w0/scales"]
    specs = {spec["name"]: spec for group in document["weightsManifest"] for spec in group["weights"]}
    assert specs["w0/codes"]["quantization"] == {
        "dtype": "uint8",
        "original_dtype": "float32",
        "scale": 1.0,
        "min": -128.0,
    }
    assert specs["w0/scales"] == {"name": "w0/scales", "shape": [1, 64], "dtype": "float32"}


def test_weights_that_changed_after_they_were_quantized_are_written_as_floats(tmp_path):
    for scheme in SCHEMES:
        graph = compress(model(), Recipe(scheme)).graph
        changed = {"w0": graph.weights()["w0"] * np.float32(1.0007)}
        graph.nodes[1].value = changed["w0"]
        (tmp_path / scheme).mkdir()
        np.testing.assert_array_equal(
            serde.load(write(graph, tmp_path / scheme)).weights()["w0"], changed["w0"]
        )


# --- what is left alone --------------------------------------------------------------------------------


def test_small_weights_long_biases_and_what_is_not_finite_stay_float32():
    masked = normal(64, 64)
    masked[0, 0] = -np.inf
    compressed = compress(model("AddV2", normal(2000), normal(31, 33), masked), Recipe("int8"))
    assert [(tensor.name, tensor.scheme) for tensor in compressed.tensors] == [("w0", "float32")]
    assert compressed.graph.encodings == {}


def test_a_weight_whose_rounding_moves_the_outputs_is_written_finer():
    values = [normal(64, 64, seed=seed) for seed in range(3)]
    graph = model("MatMul", *values)

    def damage(changed):
        return 0.5 if "w1" in changed and np.abs(changed["w1"] - values[1]).max() > 2e-3 else 0.001

    compressed = compress(graph, Recipe("int8"), Sensitivity(damage))
    assert schemes(compressed) == ["int8", "float16", "int8"]


def test_small_errors_of_many_weights_are_not_allowed_to_add_up():
    graph = model("MatMul", *(normal(64, 64, seed=seed) for seed in range(9)))
    compressed = compress(graph, Recipe("uint8"), Sensitivity(lambda changed: 0.04 if len(changed) else 0))
    moved = np.sqrt(sum(tensor.moved**2 for tensor in compressed.tensors))
    assert moved <= 0.1
    assert "float32" in schemes(compressed)


def test_without_outputs_to_ask_a_weight_with_outliers_is_written_finer():
    value = normal(64, 64)
    value[3, 5] = 2000
    assert schemes(compress(model("MatMul", value, normal(64, 64)), Recipe("uint8"))) == ["float16", "uint8"]


def test_what_float16_cannot_hold_stays_float32_and_its_layer_is_named():
    value = normal(64, 64)
    value[0, 0] = 70000
    compressed = compress(model("MatMul", normal(64, 64), value), Recipe("float16"))
    assert schemes(compressed) == ["float16", "float32"]
    assert compressed.warnings == (
        "The weights of layer 'layer_1' stay float32: they reach 7e+04, and float16 ends at 65504.",
    )
    assert np.isfinite(compressed.graph.weights()["w1"]).all()


def test_the_graph_that_is_given_stays_as_it_is():
    graph = model()
    before = graph.weights()["w0"].copy()
    compress(graph, Recipe("uint8", 0.5))
    np.testing.assert_array_equal(graph.weights()["w0"], before)
    assert graph.encodings == {}


# --- pruning -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["none", *SCHEMES])
def test_what_was_pruned_is_exactly_zero_whatever_it_is_written_as(tmp_path, scheme):
    graph = compress(model("MatMul", normal(64, 64) + 0.3), Recipe(scheme, 0.5)).graph
    (tmp_path / "model").mkdir()
    found = serde.load(write(graph, tmp_path / "model")).weights()["w0"]
    assert np.count_nonzero(found == 0) >= 64 * 64 // 2
    assert np.abs(found[found != 0]).min() > 0.2  # the smallest are gone


def test_what_the_outputs_mind_is_pruned_less_and_the_share_of_all_is_kept():
    graph = model("MatMul", *(normal(64, 64, seed=seed) for seed in range(3)))
    weight = {"w0": 1.0, "w1": 30.0, "w2": 1.0}

    def damage(changed):
        ((name, value),) = changed.items()
        return weight[name] * float(np.linalg.norm(value - graph.weights()[name]))

    first, sensitive, last = (
        tensor.sparsity for tensor in compress(graph, Recipe(prune=0.5), Sensitivity(damage)).tensors
    )
    assert sensitive < 0.2 < 0.5 < min(first, last)
    assert (first + sensitive + last) / 3 == pytest.approx(0.5, abs=0.01)


def test_tables_that_are_looked_up_and_constants_that_are_added_are_not_pruned():
    for op in ("GatherV2", "AddV2"):
        compressed = compress(model(op, normal(64, 64)), Recipe(prune=0.9))
        assert [tensor.sparsity for tensor in compressed.tensors] == [0.0]


def test_a_share_is_reached_even_where_measuring_says_that_more_zeros_are_better():
    kernels = weights_of(model("MatMul", normal(64, 64), normal(64, 64, seed=1)))
    costs = {"w0": [0.5, 0.1, 0.0, 0.2, 0.1], "w1": [0.0] * len(LEVELS)}
    shares = allocate(kernels, costs, 0.9)
    assert sum(shares.values()) / 2 == pytest.approx(0.9)


def test_sensitivities_are_measured_once_for_all_recipes_of_a_graph():
    calls = []
    sensitivity = Sensitivity(lambda changed: float(len(calls.append(1) or calls) * 0))
    graph = model()
    for recipe in (Recipe("int8"), Recipe("int8", 0.5), Recipe("int8", 0.7)):
        compress(graph, recipe, sensitivity)
    assert len(calls) == 1 + len(LEVELS)


# --- outputs -------------------------------------------------------------------------------------------


def test_a_closing_softmax_is_looked_behind():
    graph = model()
    graph.nodes += [
        Node("probabilities", "Softmax", ["y0"], attributes(T="DT_FLOAT")),
        Node("out", "Identity", ["probabilities:0"], attributes(T="DT_FLOAT")),
    ]
    spec = TensorSpec("p", (None, 64), "float32", "float32", "out:0")
    graph.signature = Signature(graph.signature.inputs, (spec,))
    assert before_squashing(graph).signature.outputs[0].tensor == "y0"
    assert graph.signature.outputs[0].tensor == "out:0"


def test_a_movement_is_relative_to_the_spread_of_the_output():
    before = [{"y": np.float32([0, 200]), "n": np.array([1, 2])}]
    assert movement(before, [{"y": np.float32([1, 201]), "n": np.array([1, 2])}]) == pytest.approx(0.01)
    assert movement(before, [{"y": np.float32([0, 200]), "n": np.array([1, 3])}]) == 0.5
    assert movement(before, [{"y": np.float32([0, np.nan]), "n": np.array([1, 2])}]) == np.inf


def test_the_cost_of_an_output_of_classes_is_how_many_rows_keep_theirs():
    before = [{"p": np.float32([[0.9, 0.1], [0.4, 0.6]])}, {"p": np.float32([[0.5, 0.4]])}]
    after = [{"p": np.float32([[0.8, 0.2], [0.6, 0.4]])}, {"p": np.float32([[0.5, 0.4]])}]
    cost = compare(before, after)["p"]
    assert (cost.agreement, cost.rows) == (2 / 3, 3)
    assert cost.largest == pytest.approx(0.2)


def test_an_output_without_classes_has_no_agreement():
    cost = compare([{"y": np.float32([[1], [2]])}], [{"y": np.float32([[1], [2.5]])}])["y"]
    assert cost.agreement is None
    assert cost.largest == 0.5
