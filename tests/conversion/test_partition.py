"""What becomes a preprocessing program, what stays a graph, and what is refused."""

from __future__ import annotations

import json

import models
import numpy as np
import pytest

from tfjs_bundle import convert
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph import kernels, passes, program
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.partition import Partitioned, partition
from tfjs_bundle.graph.vocabulary import input_uses
from tfjs_bundle.source.identify import identify
from tfjs_bundle.verify.samples import pools

STRINGS = ("StringLower", "StaticRegexReplace", "StringSplitV2", "LookupTableFindV2")


@pytest.fixture
def divide(child, tmp_path):
    """A function that saves a model, converts it and divides its graph."""

    def run(model, **options) -> Partitioned:
        path = models.save(model, tmp_path)
        return partition(convert.convert(identify(path), BuildOptions(**options), child, tmp_path).graph)

    return run


def classifier(keras, vocabulary=("cat", "dog")):
    """Text through an embedding to a score."""
    text = keras.Input((), dtype="string", name="text")
    words = keras.layers.TextVectorization(vocabulary=list(vocabulary), output_sequence_length=4)(text)
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(4, 3)(words))
    return keras.Model(text, keras.layers.Dense(2, name="scores")(pooled))


def document(parts: Partitioned) -> dict:
    graph = passes.lower(parts.graph)
    names = ([spec.name for spec in specs] for specs in (graph.signature.inputs, graph.signature.outputs))
    return json.loads(program.dump(parts.program, *names))


def test_text_runs_in_the_program_and_numbers_stay_in_the_graph(divide):
    parts = divide(classifier(models.keras()))
    ops = {node.op for node in parts.program.before}
    assert set(STRINGS) <= ops
    assert not ops & {"GatherV2", "MatMul", "Mean"}
    assert not parts.graph.ops() & ops & set(STRINGS)
    assert "MatMul" in parts.graph.ops()
    assert [spec.name for spec in parts.program.inputs] == ["text"]
    (cut,) = parts.graph.signature.inputs
    assert (cut.dtype, cut.shape) == ("int32", (None, 4))
    assert [spec.name for spec in parts.graph.signature.outputs] == ["scores"]
    assert kernels.support(passes.lower(parts.graph))["wasm"].supported


def test_the_document_has_the_vocabulary_in_its_order(divide):
    (table,) = document(divide(classifier(models.keras(), ("zebra", "cat", "Grüße"))))["tables"]
    assert table["keys"]["values"] == ["zebra", "cat", "Grüße"]
    assert table["values"] == {"dtype": "int64", "shape": [3], "first": 2}
    assert "text_vectorization" in table["layer"]


def test_the_same_model_gives_the_same_document(divide):
    models.keras().utils.clear_session()
    first = document(divide(classifier(models.keras())))
    models.keras().utils.clear_session()
    assert document(divide(classifier(models.keras()))) == first


def test_a_model_of_numbers_has_no_program_and_keeps_its_graph(conversion):
    graph = conversion("recurrent").converted.graph
    parts = partition(graph)
    assert parts.program is None
    assert parts.graph is graph


def test_names_of_classes_run_behind_the_graph(divide):
    keras = models.keras()
    x = keras.Input((3,), name="x")
    best = keras.ops.argmax(keras.layers.Dense(2)(x), axis=-1)
    names = keras.layers.StringLookup(vocabulary=["no", "yes"], invert=True, num_oov_indices=0, name="name")
    parts = divide(keras.Model(x, names(best)))
    assert [node.op for node in parts.program.before] == []
    assert "LookupTableFindV2" in [node.op for node in parts.program.after]
    assert parts.program.outputs.keys() == {"name"}
    (fetched,) = parts.program.fetches.values()
    assert fetched == (parts.graph.signature.outputs[0].name, "int64")


def test_wide_keys_never_reach_the_graph_unseen(divide):
    keras = models.keras()
    key = keras.Input((1,), dtype="int64", name="key")
    known = keras.layers.IntegerLookup(vocabulary=[2**40, 7], num_oov_indices=2)(key)
    parts = divide(keras.Model(key, keras.layers.Dense(1)(keras.layers.Embedding(4, 2)(known))))
    assert "FloorMod" in {node.op for node in parts.program.before}
    assert "key" not in [spec.name for spec in parts.graph.signature.inputs]
    keys = pools(input_uses(parts.program))["key"]
    assert {2**40, 7, 0, 2**53 - 1} <= set(keys)


def test_a_vocabulary_without_room_for_others_is_checked_and_tried_with_its_own_words(divide):
    keras = models.keras()
    word = keras.Input((1,), dtype="string", name="word")
    closed = keras.layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=0, name="closed")
    parts = divide(keras.Model(word, closed(word)))
    (check,) = parts.program.checks
    assert "closed" in check.message
    assert "all inputs should be in vocabulary" in check.message
    assert pools(input_uses(parts.program))["word"] == ("a", "b")


def test_a_vocabulary_in_the_assets_of_the_file_is_found(divide):
    keras = models.keras()
    layer = keras.layers.StringLookup(name="learned")
    layer.adapt(np.array([["x"], ["y"], ["y"]]))
    word = keras.Input((1,), dtype="string", name="word")
    parts = divide(keras.Model(word, layer(word)))
    assert parts.program.keys(parts.program.tables[0]).tolist() == [b"y", b"x"]


def test_a_saved_model_keeps_its_tables(child, tmp_path):
    classifier(models.keras()).export(tmp_path / "saved", verbose=False)
    graph = convert.convert(identify(tmp_path / "saved"), BuildOptions(), child, tmp_path).graph
    parts = partition(graph)
    assert parts.program.keys(parts.program.tables[0]).tolist() == [b"cat", b"dog"]
    assert "MatMul" in parts.graph.ops()


def test_a_saved_feature_space_is_a_model(child, tmp_path):
    keras = models.keras()
    import tensorflow as tf

    space = keras.utils.FeatureSpace(
        {
            "age": keras.utils.FeatureSpace.float_normalized(),
            "city": keras.utils.FeatureSpace.string_categorical(),
        },
        output_mode="dict",
    )
    rows = {"age": [1.0, 2.0, 3.0], "city": ["Rome", "Paris", "Rome"]}
    space.adapt(tf.data.Dataset.from_tensor_slices(rows))
    space.save(tmp_path / "space.keras")
    converted = convert.convert(identify(tmp_path / "space.keras"), BuildOptions(), child, tmp_path)
    parts = partition(converted.graph)
    assert [spec.name for spec in converted.graph.signature.inputs] == ["age", "city"]
    assert parts.program.outputs.keys() | {spec.name for spec in parts.graph.signature.outputs} >= {
        "age",
        "city",
    }


@pytest.mark.parametrize("option", ["standardize", "split"])
def test_a_function_of_the_user_s_own_is_refused_by_layer_and_option(child, tmp_path, option):
    keras = models.keras()
    import tensorflow as tf

    @keras.saving.register_keras_serializable("test_partition")
    def own(text):
        return tf.strings.upper(text) if option == "standardize" else tf.strings.split(text)

    text = keras.Input((), dtype="string", name="text")
    words = keras.layers.TextVectorization(vocabulary=["CAT"], name="words", **{option: own})
    path = models.save(keras.Model(text, words(text)), tmp_path)
    with pytest.raises(UnsupportedModelError) as refusal:
        convert.convert(identify(path), BuildOptions(), child, tmp_path)
    assert "The layer 'words' (TextVectorization)" in refusal.value.what
    assert f"`{option}`" in refusal.value.what
    assert "None" in refusal.value.cure


def test_an_op_that_the_program_does_not_have_is_refused_by_op():
    graph = _graph(
        [
            Node("text", "Placeholder", attrs={"dtype": {"type": "DT_STRING"}}),
            Node("raw", "DecodeRaw", ["text"], {"out_type": {"type": "DT_UINT8"}}),
        ],
        "raw",
    )
    with pytest.raises(UnsupportedModelError, match="DecodeRaw \\(in node 'raw'\\)"):
        partition(graph)


def test_numbers_that_wait_for_a_name_are_refused():
    table = [
        Node("keys", "Const", attrs={"dtype": {"type": "DT_INT64"}}, value=np.array([0])),
        Node("values", "Const", attrs={"dtype": {"type": "DT_INT64"}}, value=np.array([5])),
        Node("default", "Const", attrs={"dtype": {"type": "DT_INT64"}}, value=np.array(0)),
        Node("table", program.TABLE, ["keys", "values"]),
    ]
    graph = _graph(
        [
            Node("text", "Placeholder", attrs={"dtype": {"type": "DT_FLOAT"}}),
            *table,
            Node("best", "ArgMax", ["text"], {"T": {"type": "DT_FLOAT"}}),
            Node(
                "found",
                "LookupTableFindV2",
                ["table", "best", "default"],
                {"Tin": {"type": "DT_INT64"}, "Tout": {"type": "DT_INT64"}},
            ),
            Node("again", "MatMul", ["found", "found"], {"T": {"type": "DT_INT64"}}),
        ],
        "again",
        dtype="float32",
    )
    with pytest.raises(UnsupportedModelError, match="MatMul \\(in node 'again'\\) computes with what"):
        partition(graph)


def test_the_interpreter_has_the_ops_that_the_build_takes_for_programs():
    table = json.loads((kernels.RUNTIME / "kernels.json").read_bytes())
    assert set(table["program"]) == {op.removeprefix("Static") for op in program.OPS}


def test_text_in_other_encodings_is_refused_rather_than_taken_for_utf_8():
    attrs = {"input_encoding": {"s": "VVRGLTE2LUJF"}, "Tsplits": {"type": "DT_INT64"}}  # UTF-16-BE
    graph = _graph(
        [
            Node("text", "Placeholder", attrs={"dtype": {"type": "DT_STRING"}}),
            Node("read", "UnicodeDecode", ["text"], attrs),
        ],
        "read:1",
    )
    with pytest.raises(UnsupportedModelError, match=r"UnicodeDecode .*UTF-16-BE"):
        program.dump(partition(graph).program, [], [])


def test_keys_that_javascript_does_not_hold_are_refused(divide):
    keras = models.keras()
    key = keras.Input((1,), dtype="int64", name="key")
    parts = divide(keras.Model(key, keras.layers.IntegerLookup(vocabulary=[2**60], name="ids")(key)))
    with pytest.raises(UnsupportedModelError, match=r"(?s)'ids \(IntegerLookup\)'.*2\^53"):
        document(parts)


def _graph(nodes: list[Node], output: str, dtype: str = "string") -> GraphModel:
    return GraphModel(
        nodes,
        Signature(
            (TensorSpec("text", (None,), dtype, dtype, "text:0"),),
            (TensorSpec("out", (None,), "int32", "int64", output if ":" in output else f"{output}:0"),),
        ),
    )
