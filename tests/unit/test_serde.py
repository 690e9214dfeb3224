"""``model.json`` and its shards: written and read, named by content, in shapes that TF.js reads rightly."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest

from tfjs_bundle.errors import SourceError, UnsupportedModelError
from tfjs_bundle.graph import serde
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import attributes, constant

KIB = 1024


def graph_of(*values: np.ndarray) -> GraphModel:
    """Return a graph that adds constants to its input, one after the other."""
    shape = {"dim": [{"size": "-1"}, {"size": "4"}]}
    nodes = [
        Node("x", "Placeholder", attrs={"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": shape}}),
    ]
    last = "x"
    for index, value in enumerate(values):
        nodes += [
            constant(f"w{index}", value),
            Node(f"add{index}", "AddV2", [last, f"w{index}"], attributes(T="DT_FLOAT")),
        ]
        last = f"add{index}"
    spec = TensorSpec("features", (None, 4), "float32", "float32", "x:0")
    out = TensorSpec("sum", (None, None), "float32", "float32", f"{last}:0")
    return GraphModel(nodes, Signature((spec,), (out,)), versions={"producer": 1882})


def graph_with_function() -> GraphModel:
    """Return a graph whose function has constants of the same names as the main graph's."""
    graph = graph_of(np.float32([[1, 2, 3, 4]]))
    body = [
        constant("w0", np.float32([5])),
        Node("add0", "AddV2", ["argument", "w0:output:0"], attributes(T="DT_FLOAT")),
        Node("id", "Identity", ["add0:z:0", "^w0"], attributes(T="DT_FLOAT")),
    ]
    signature = {
        "name": "body",
        "inputArg": [{"name": "argument", "type": "DT_FLOAT"}],
        "outputArg": [{"name": "r", "type": "DT_FLOAT"}, {"name": "c", "type": "DT_FLOAT"}],
    }
    ret = {"r": "id:output:0", "c": "w0:output:0"}
    graph.functions["body"] = Function("body", signature, body, ret, {"_note": {"b": True}})
    graph.nodes.append(Node("call", "PartitionedCall", ["add0"], {"f": {"func": {"name": "body"}}}))
    return graph


def write(graph: GraphModel, directory: Path, shard_size: int = serde.SHARD_SIZE) -> Path:
    files = serde.dump(graph, "tests", shard_size)
    for shard in files.shards:
        shard.write(directory / shard.name)
    path = directory / "model.json"
    path.write_bytes(files.model_json)
    return path


def manifest(path: Path) -> list[dict]:
    return json.loads(path.read_bytes())["weightsManifest"]


def assert_same(found: GraphModel, graph: GraphModel) -> None:
    assert found.signature == graph.signature
    assert found.versions == graph.versions
    assert list(found.functions) == list(graph.functions)
    for (_, found_nodes), (_, nodes) in zip(found.bodies(), graph.bodies(), strict=True):
        assert [(n.name, n.op, n.inputs, n.attrs) for n in found_nodes] == [
            (n.name, n.op, n.inputs, n.attrs) for n in nodes
        ]
    weights = graph.weights()
    assert list(found.weights()) == list(weights)
    for name, value in found.weights().items():
        assert value.dtype == weights[name].dtype
        np.testing.assert_array_equal(value, weights[name])


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


# --- round trip ----------------------------------------------------------------------------------------


def test_a_graph_comes_back_as_it_was_written(tmp_path):
    graph = graph_of(floats(3, 4), np.float32(2), np.zeros((0, 4), np.float32), floats(1, 4))
    assert_same(serde.load(write(graph, tmp_path)), graph)


@pytest.mark.parametrize(
    "value", [np.array([[1, -2], [3, 2**31 - 1]], np.int32), np.array([True, False, True]), np.int32(7)]
)
def test_every_dtype_comes_back(tmp_path, value):
    found = serde.load(write(graph_of(value, floats(4)), tmp_path)).weights()
    assert found["w0"].dtype == value.dtype
    np.testing.assert_array_equal(found["w0"], value)


def test_strings_come_back_as_bytes(tmp_path):
    graph = graph_of(floats(4))
    words = np.array(["cat", "naïve", ""], object)
    graph.nodes.append(Node("words", "Const", attrs=attributes(dtype="DT_STRING"), value=words))
    found = serde.load(write(graph, tmp_path)).weights()["words"]
    assert found.tolist() == [b"cat", "naïve".encode(), b""]


def test_constants_of_functions_come_back_under_their_own_names(tmp_path):
    graph = graph_with_function()
    assert_same(serde.load(write(graph, tmp_path)), graph)


def test_constants_of_functions_are_written_under_names_that_no_other_weight_has(tmp_path):
    path = write(graph_with_function(), tmp_path)
    names = [spec["name"] for group in manifest(path) for spec in group["weights"]]
    assert sorted(names) == ["body/w0", "w0"]
    (function,) = json.loads(path.read_bytes())["modelTopology"]["library"]["function"]
    assert [node["name"] for node in function["nodeDef"]] == ["body/w0", "add0", "id"]
    assert function["nodeDef"][1]["input"] == ["argument", "body/w0:output:0"]
    assert function["nodeDef"][2]["input"] == ["add0:z:0", "^body/w0"]
    assert function["ret"] == {"r": "id:output:0", "c": "body/w0:output:0"}


def test_unknown_shapes_and_unknown_ranks_come_back(tmp_path):
    graph = graph_of(floats(4))
    outputs = tuple(
        TensorSpec(name, shape, "float32", "float32", "add0:0")
        for name, shape in (("rank", None), ("size", (None, 3)), ("scalar", ()))
    )
    graph.signature = Signature(graph.signature.inputs, outputs)
    assert serde.load(write(graph, tmp_path)).signature.outputs == outputs


# --- shards --------------------------------------------------------------------------------------------


def test_shards_are_named_by_their_content(tmp_path):
    path = write(graph_of(*(floats(256, seed=i) for i in range(9))), tmp_path, 2 * KIB)
    names = [name for group in manifest(path) for name in group["paths"]]
    assert 5 <= len(names) < 9
    for name in names:
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert name == f"{digest[: serde.HASH_DIGITS]}.bin"


def test_no_shard_is_larger_than_asked_and_small_tensors_are_never_cut(tmp_path):
    generator = random.Random(3)
    values = [floats(generator.randrange(1, 900), seed=i) for i in range(60)]
    path = write(graph_of(*values), tmp_path, 2 * KIB)
    for group in manifest(path):
        sizes = [(tmp_path / name).stat().st_size for name in group["paths"]]
        assert max(sizes) <= 2 * KIB
        bytes_of_tensors = [4 * int(np.prod(spec["shape"])) for spec in group["weights"]]
        assert sum(sizes) == sum(bytes_of_tensors)
        if len(group["paths"]) > 1:  # only a tensor that no shard can hold is cut, and stands alone
            assert len(group["weights"]) == 1
            assert bytes_of_tensors[0] > 2 * KIB


def test_tensors_start_where_a_typed_array_may(tmp_path):
    values = [np.array([True] * 3), floats(5), np.array([True]), np.arange(3, dtype=np.int32), floats(2)]
    path = write(graph_of(*values), tmp_path)
    for group in manifest(path):
        offset = 0
        for spec in group["weights"]:
            width = {"float32": 4, "int32": 4, "bool": 1}[spec["dtype"]]
            assert offset % width == 0, f"{spec['name']} starts at byte {offset}"
            offset += width * int(np.prod(spec["shape"]))


def test_the_same_graph_gives_the_same_bytes():
    values = [floats(300, seed=i) for i in range(5)]
    first, second = (serde.dump(graph_of(*values), "tests", 2 * KIB) for _ in range(2))
    assert first.model_json == second.model_json
    assert [shard.sha256 for shard in first.shards] == [shard.sha256 for shard in second.shards]


def test_a_changed_layer_changes_its_shard_and_no_other(tmp_path):
    values = [floats(256, seed=i) for i in range(8)]
    before = serde.dump(graph_of(*values), "tests", KIB)
    values[3] = values[3] + 1
    after = serde.dump(graph_of(*values), "tests", KIB)
    old, new = ([shard.name for shard in files.shards] for files in (before, after))
    assert len(old) == len(new) == 8
    assert len(set(new) - set(old)) == 1


def test_equal_shards_are_one_file_and_come_back_as_two_tensors(tmp_path):
    values = [floats(256), floats(256), floats(256, seed=1)]
    graph = graph_of(*values)
    path = write(graph, tmp_path, KIB)
    assert len(list(tmp_path.glob("*.bin"))) == 2
    assert_same(serde.load(path), graph)


def read_wrongly_by_tfjs(sizes: list[int]) -> bool:
    """TF.js 4.22 takes all shards for as large as the first if only the last differs, larger or not."""
    return len(sizes) > 1 and len(set(sizes[:-1])) == 1 and sizes[-1] > sizes[0]


def test_shards_never_have_the_shape_that_tfjs_reads_wrongly(tmp_path):
    generator = random.Random(7)
    choices = (100, 256, 256, 256, 300, 512, 513, 700, 1024)
    would_have_been = 0
    for _ in range(1000):
        count = generator.randrange(1, 7)
        values = [np.zeros(generator.choice(choices), np.float32) + index for index in range(count)]
        groups = list(serde._groups(graph_of(*values), 2 * KIB))
        would_have_been += read_wrongly_by_tfjs([shard.size for _, shards in groups for shard in shards])
        text = json.loads(serde.dump(graph_of(*values), "tests", 2 * KIB).model_json)
        by_name = {shard.name: shard.size for _, shards in groups for shard in shards}
        sizes = [by_name[name] for group in text["weightsManifest"] for name in group["paths"]]
        assert not read_wrongly_by_tfjs(sizes), sizes
    assert would_have_been > 15, "the draw never meets the case"


def test_reordered_groups_come_back_as_they_were(tmp_path):
    graph = graph_of(floats(100), floats(450, seed=1))
    path = write(graph, tmp_path, 2 * KIB)
    sizes = [(tmp_path / name).stat().st_size for group in manifest(path) for name in group["paths"]]
    assert sizes == [1800, 400]
    found = serde.load(path).weights()
    np.testing.assert_array_equal(found["w0"], graph.weights()["w0"])
    np.testing.assert_array_equal(found["w1"], graph.weights()["w1"])


# --- models of other converters ------------------------------------------------------------------------


def other_model(tmp_path: Path, spec: dict, data: bytes, paths: tuple[str, ...] = ("group1-shard1of1.bin",)):
    """Write a ``model.json`` as other converters do, with one weight ``w0`` in one shard."""
    files = serde.dump(graph_of(np.zeros(spec["shape"], np.float32)), "tests")
    model = json.loads(files.model_json)
    model["weightsManifest"] = [{"paths": list(paths), "weights": [{"name": "w0", **spec}]}]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    (tmp_path / "group1-shard1of1.bin").write_bytes(data)
    return path


@pytest.mark.parametrize("stored", ["uint8", "uint16"])
def test_quantized_weights_are_decoded_by_scale_and_minimum(tmp_path, stored):
    data = np.array([0, 1, 200, 255], stored)
    spec = {
        "shape": [4],
        "dtype": "float32",
        "quantization": {"dtype": stored, "scale": 0.5, "min": -3.0, "original_dtype": "float32"},
    }
    found = serde.load(other_model(tmp_path, spec, data.tobytes())).weights()["w0"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [-3, -2.5, 97, 124.5])


def test_half_precision_weights_are_decoded(tmp_path):
    data = np.array([0.5, -2, 65504], np.float16)
    spec = {"shape": [3], "dtype": "float32", "quantization": {"dtype": "float16"}}
    found = serde.load(other_model(tmp_path, spec, data.tobytes())).weights()["w0"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [0.5, -2, 65504])


def test_a_model_without_a_signature_has_its_placeholders_and_loose_ends(tmp_path):
    path = write(graph_of(floats(4)), tmp_path)
    model = json.loads(path.read_bytes())
    del model["signature"]
    path.write_text(json.dumps(model))
    signature = serde.load(path).signature
    assert [(spec.name, spec.shape) for spec in signature.inputs] == [("x", (None, 4))]
    assert [spec.name for spec in signature.outputs] == ["add0"]


# --- refusals ------------------------------------------------------------------------------------------

SPEC = {"shape": [4], "dtype": "float32"}


@pytest.mark.parametrize("name", ["../secret.bin", "/etc/passwd", "a/../../b.bin", "..\\secret.bin"])
def test_a_shard_outside_of_the_directory_is_refused(tmp_path, name):
    path = other_model(tmp_path, SPEC, bytes(16), (name,))
    with pytest.raises(SourceError, match="names a shard outside of its directory") as refusal:
        serde.load(path)
    assert repr(name) in str(refusal.value)


def test_a_missing_shard_is_named(tmp_path):
    path = other_model(tmp_path, SPEC, bytes(16), ("absent.bin",))
    with pytest.raises(SourceError, match=r"needs the shard absent\.bin, which cannot be read: No such file"):
        serde.load(path)


def test_a_short_shard_is_refused_by_the_tensor_that_it_cuts(tmp_path):
    path = other_model(tmp_path, SPEC, bytes(15))
    with pytest.raises(SourceError, match="the weights end before the tensor 'w0' does"):
        serde.load(path)


def test_strings_that_are_cut_short_are_refused(tmp_path):
    path = other_model(tmp_path, {"shape": [2], "dtype": "string"}, b"\x03\0\0\0cat\x09\0\0\0dog")
    with pytest.raises(SourceError, match="a shard ends before its strings do"):
        serde.load(path)


def test_a_weight_that_the_manifest_lacks_is_refused(tmp_path):
    path = other_model(tmp_path, SPEC, bytes(16))
    model = json.loads(path.read_bytes())
    model["weightsManifest"][0]["weights"][0]["name"] = "another"
    path.write_text(json.dumps(model))
    with pytest.raises(SourceError, match=r"is damaged: KeyError: 'w0'"):
        serde.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"weightsManifest": [{"paths": ["group1-shard1of1.bin"]}]},
        {"weightsManifest": [{"weights": []}]},
        {"weightsManifest": {"paths": []}},
        {"weightsManifest": [{"paths": [3], "weights": []}]},
        {"weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": [{"name": "w0"}]}]},
        {
            "weightsManifest": [
                {
                    "paths": ["group1-shard1of1.bin"],
                    "weights": [{"name": "w0", "shape": [-4], "dtype": "float32"}],
                }
            ]
        },
        {
            "weightsManifest": [
                {
                    "paths": ["group1-shard1of1.bin"],
                    "weights": [{"name": "w0", "shape": [4], "dtype": "nonsense"}],
                }
            ]
        },
        {"modelTopology": {"node": [{"op": "Const"}]}},
        {"modelTopology": {"node": 7}},
        {"modelTopology": []},
        {"modelTopology": "text"},
        {"signature": {"inputs": {}}},
        {"signature": 3},
    ],
)
def test_a_damaged_model_json_is_refused_by_message(tmp_path, change):
    path = other_model(tmp_path, SPEC, bytes(16))
    model = json.loads(path.read_bytes())
    model.update(change)
    path.write_text(json.dumps(model))
    with pytest.raises(SourceError, match=r"is damaged|is not a TensorFlow\.js graph model"):
        serde.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "is not a TensorFlow.js graph model"),
        ("{}", "is not a TensorFlow.js graph model"),
        ("\x00\xff", "cannot be read"),
    ],
)
def test_what_is_no_graph_model_is_refused(tmp_path, text, message):
    path = tmp_path / "model.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=message):
        serde.load(path)


def test_lookup_tables_are_refused_rather_than_dropped(tmp_path):
    path = write(graph_of(floats(4)), tmp_path)
    model = json.loads(path.read_bytes())
    model["modelInitializer"] = {"node": [{"name": "table", "op": "HashTableV2"}]}
    path.write_text(json.dumps(model))
    with pytest.raises(UnsupportedModelError, match="looks values up in tables"):
        serde.load(path)
