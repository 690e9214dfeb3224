"""Reading every kind of source: the signature, the trace and the reference against Keras itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np
import pytest
import real_models
import tensorflow as tf
import tf_keras
from keras import layers

from tfjs_bundle.errors import SourceError, UnsupportedModelError, UsageError
from tfjs_bundle.source import identify
from tfjs_bundle.source.in_memory import save_for_child
from tfjs_bundle.source.model import InputSpec, SourceModel, open_model, public_names

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras and TensorFlow warn about themselves


def read(path: Path, **options: object) -> SourceModel:
    return open_model(identify(path), **options)


def random_inputs(source: SourceModel, batch: int = 3, other: int = 4) -> list[np.ndarray]:
    """Draw values that suit every layer used here: small integers for integers, -1 to 1 for floats."""
    generator = np.random.default_rng(7)
    inputs = []
    for spec in source.inputs:
        shape = [batch if i == 0 else other for i, size in enumerate(spec.shape)]
        shape = [size or shape[i] for i, size in enumerate(spec.shape)]
        if spec.dtype.startswith("float"):
            inputs.append(generator.uniform(-1, 1, shape).astype(spec.dtype))
        else:
            inputs.append(generator.integers(0, 5, shape).astype(spec.dtype))
    return inputs


def trace(source: SourceModel):
    """Trace as the converter does: without any Keras variable, with the signature's shapes."""
    specs = [tf.TensorSpec(spec.shape, spec.dtype) for spec in source.inputs]
    values = [np.asarray(variable) for variable in source.keras3_variables]

    def traced(*tensors):
        mapping = list(zip(source.keras3_variables, map(tf.constant, values), strict=True))
        with keras.StatelessScope(mapping):
            return source.call(list(tensors))

    return tf.function(traced, autograph=False).get_concrete_function(*specs)


def assert_predicts(source: SourceModel, expected, inputs: list[np.ndarray], atol: float = 1e-5) -> None:
    """Trace and reference both give what the model itself gives (``expected``, in the signature's order)."""
    outputs = source.reference(inputs)
    traced = trace(source)(*[tf.constant(value) for value in inputs])
    assert len(outputs) == len(source.output_names) == len(traced) == len(expected)
    for name, reference, output, wanted in zip(source.output_names, outputs, traced, expected, strict=True):
        assert reference.dtype == output.dtype.as_numpy_dtype
        np.testing.assert_allclose(reference, np.asarray(wanted), atol=atol, err_msg=name)
        np.testing.assert_allclose(np.asarray(output), np.asarray(wanted), atol=atol, err_msg=name)


def refusal(path: Path, error: type[Exception] = SourceError, **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


@keras.saving.register_keras_serializable("reading")
class Pair(keras.Model):
    """Subclassed: a dict in, a dict out, one layer that only acts in training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)
        self.dropout = layers.Dropout(0.5)

    def call(self, x, training=False):
        return {"p": self.dropout(self.dense(x["u"]), training=training), "more": [x["v"] * 2, x["u"][:, 0]]}


class Scaled(layers.Layer):
    """A custom layer that is not registered anywhere."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale


# --- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([((), "dense")], ["dense"]),
        ([((0,), "lstm"), ((1,), "lstm"), ((2,), "lstm")], ["lstm", "lstm_1", "lstm_2"]),
        ([(("y",), "dense"), (("x", 0), "add"), (("x", 1), "q")], ["y", "x_add", "x_q"]),
        ([(("a", "b"), "dense"), (("a", "c"), "dense")], ["a_b", "a_c"]),
        ([((0,), "a"), ((1,), "a"), ((2,), "a_1")], ["a", "a_2", "a_1"]),
    ],
)
def test_names_come_from_keys_and_layers_and_are_made_unique(paths, names):
    assert list(public_names(paths)) == names


# --- Keras 3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_sequential_model_reads_from_both_formats(tmp_path, suffix):
    model = keras.Sequential([keras.Input((4,), name="features"), layers.Dense(2, name="scores")])
    model.save(tmp_path / f"m{suffix}")
    source = read(tmp_path / f"m{suffix}")
    assert source.inputs == (InputSpec("features", (None, 4), "float32"),)
    assert source.output_names == ("scores",)
    assert source.reader == f"Keras {keras.__version__}"
    assert source.keras_version == keras.__version__
    assert source.warnings == ()
    assert [
        (layer.name, layer.class_name, layer.parameters, layer.output_shape) for layer in source.layers
    ] == [("scores", "Dense", 10, "(None, 2)")]
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)


def test_a_file_under_a_foreign_ending_is_read_by_its_content(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    shutil.move(tmp_path / "m.keras", tmp_path / "download.bin")
    assert read(tmp_path / "download.bin").output_names == ("dense",)


def test_a_sequential_model_built_by_its_first_call_takes_any_batch(tmp_path):
    model = keras.Sequential([layers.Dense(2), layers.Dropout(0.5)])
    model(np.ones((1, 4), "float32"))
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    assert source.inputs[0].shape == (None, 4)
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)


def test_dicts_and_lists_give_names_in_keras_order(tmp_path):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b", dtype="int64")
    total = layers.Add(name="add")([a, layers.Embedding(5, 1)(b)[..., 0]])
    outputs = {"y": layers.Dense(1)(total), "x": [total, layers.Dense(2, name="q")(total)]}
    model = keras.Model({"b": b, "a": a}, outputs)
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    assert source.inputs == (InputSpec("a", (None, 3), "float32"), InputSpec("b", (None, 3), "int64"))
    assert source.output_names == ("x_add", "x_q", "y")
    inputs = random_inputs(source)
    wanted = model({"a": inputs[0], "b": inputs[1]})
    assert_predicts(source, [*wanted["x"], wanted["y"]], inputs)


def test_lists_keep_their_order_and_states_get_numbered_names(tmp_path):
    second, first = keras.Input((2, 3), name="second"), keras.Input((2, 3), name="first")
    merged = layers.Subtract()([first, second])
    model = keras.Model([second, first], layers.LSTM(4, return_state=True, name="lstm")(merged))
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    assert [spec.name for spec in source.inputs] == ["second", "first"]
    assert source.output_names == ("lstm", "lstm_1", "lstm_2")
    inputs = random_inputs(source)
    assert_predicts(source, model(inputs), inputs)


def test_unknown_sizes_stay_unknown_and_nested_models_are_listed_by_path(tmp_path):
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3, name="conv")], name="encoder")
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(inner(image)))
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    assert source.inputs == (InputSpec("image", (None, None, None, 3), "float32"),)
    assert [layer.name for layer in source.layers] == ["image", "encoder/conv", "pool"]
    for size in (5, 9):
        inputs = random_inputs(source, other=size)
        assert_predicts(source, [model(inputs[0])], inputs)


def test_a_subclassed_model_with_dicts_reads(tmp_path):
    model = Pair()
    model({"u": np.ones((1, 4), "float32"), "v": np.ones((1, 2), "float32")})
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    assert source.inputs == (InputSpec("u", (None, 4), "float32"), InputSpec("v", (None, 2), "float32"))
    assert source.output_names == ("more_output_0", "more_output_1", "p")
    inputs = random_inputs(source)
    wanted = model({"u": inputs[0], "v": inputs[1]})
    assert_predicts(source, [*wanted["more"], wanted["p"]], inputs)


def test_a_subclassed_model_that_was_never_called_says_so(tmp_path):
    Pair().save(tmp_path / "m.keras")
    message = refusal(tmp_path / "m.keras", UnsupportedModelError)
    assert "The input shapes of Pair" in message
    assert "Call it once on real data" in message


def test_a_sequential_model_that_was_never_called_says_so(tmp_path):
    keras.Sequential([layers.Dense(2)]).save(tmp_path / "m.keras")
    message = refusal(tmp_path / "m.keras", UnsupportedModelError)
    assert "The input shapes of Sequential" in message


def test_a_model_that_fails_on_its_own_inputs_is_no_bug_of_ours(tmp_path):
    x = keras.Input((None, 3), name="x")
    keras.Model(x, layers.Add()([x, x[:, :1][:, 0:0]])).save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    with pytest.raises(UnsupportedModelError) as caught:
        source.reference(random_inputs(source))
    assert "The model itself fails in Keras on inputs of its signature (x (3, 4, 3)):" in str(caught.value)
    assert "--data FILE.npz" in str(caught.value)


def test_a_subclassed_model_that_cannot_be_traced_says_why(tmp_path):
    @keras.saving.register_keras_serializable("reading")
    class Eager(keras.Model):
        def call(self, x):
            return x * float(keras.ops.convert_to_numpy(x).sum())

        def build(self, shape):
            self.built = True

    model = Eager()
    model(np.ones((1, 4), "float32"))
    model.save(tmp_path / "m.keras")
    message = refusal(tmp_path / "m.keras", UnsupportedModelError)
    assert "Eager in" in message
    assert "cannot be traced: Eager.call():" in message


def test_the_same_file_gives_the_same_names_whatever_was_read_before(tmp_path):
    model = keras.Sequential([layers.Dense(2), layers.Dense(2)])
    model(np.ones((1, 4), "float32"))
    model.save(tmp_path / "m.h5")
    first = read(tmp_path / "m.h5")
    second = read(tmp_path / "m.h5")
    assert (first.inputs, first.output_names, first.layers) == (
        second.inputs,
        second.output_names,
        second.layers,
    )


@pytest.mark.parametrize(
    ("suffix", "policy"), [(".h5", "mixed_float16"), (".keras", "mixed_bfloat16"), (".keras", "float64")]
)
def test_other_precisions_are_read_in_float32(tmp_path, suffix, policy):
    def build(dtype):
        image = keras.Input((8, 8, 3), name="image")
        x = layers.Conv2D(2, 3, dtype=dtype)(image)
        x = layers.Bidirectional(layers.GRU(3, dtype=dtype), dtype=dtype)(
            layers.Reshape((36, 2), dtype=dtype)(x)
        )
        return keras.Model(image, layers.Dense(2, name="y", dtype=dtype)(x))

    model = build(policy)
    model.save(tmp_path / f"m{suffix}")
    source = read(tmp_path / f"m{suffix}")
    precision = policy.removeprefix("mixed_")
    assert source.warnings == (f"The model computes in {precision}; it is traced, and compared, in float32.",)
    assert {variable.dtype for variable in source.keras3_variables if "seed" not in variable.path} == {
        "float32"
    }
    wanted = build("float32")
    wanted.set_weights([np.asarray(weight, "float32") for weight in model.get_weights()])
    inputs = random_inputs(source)
    assert_predicts(source, [wanted(inputs[0])], inputs)


def test_states_and_seeds_are_variables_and_no_call_changes_them(tmp_path):
    sequence = keras.Input(batch_shape=(2, 5, 3), name="sequence")
    x = layers.GaussianNoise(0.5)(layers.RandomFlip()(sequence[..., None]))
    model = keras.Model(sequence, layers.LSTM(4, stateful=True)(x[..., 0]))
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    assert source.inputs[0].shape == (2, 5, 3)
    assert len({id(variable) for variable in source.keras3_variables}) == len(source.keras3_variables)
    shapes = [tuple(variable.shape) for variable in source.keras3_variables]
    assert shapes.count((2, 4)) == 2  # the LSTM's two states
    seeds = [variable for variable in source.keras3_variables if "seed_generator" in variable.path]
    assert len(seeds) >= 2  # of the noise and of the flip; the LSTM brings its own
    inputs = random_inputs(source)
    first, second = source.reference(inputs), source.reference(inputs)
    np.testing.assert_array_equal(first[0], second[0])
    assert_predicts(source, first, inputs)


def test_a_sparse_input_is_refused(tmp_path):
    x = keras.Input((4,), name="words", sparse=True)
    keras.Model(x, layers.Dense(2)(x)).save(tmp_path / "m.keras")
    assert "The input 'words' of" in refusal(tmp_path / "m.keras", UnsupportedModelError)


def test_nan_among_the_weights_names_the_layer(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="head")])
    model.layers[0].kernel.assign(np.full((4, 2), np.nan))
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"m{suffix}")
        assert "8 of the 8 numbers of the weight 'kernel' of the layer" in refusal(tmp_path / f"m{suffix}")
    model.layers[0].kernel.assign(np.full((4, 2), -np.inf))
    model.save(tmp_path / "m.keras")
    assert read(tmp_path / "m.keras").warnings == (
        "Infinite numbers stand in the weight 'kernel' of the layer 'head'.",
    )


# --- custom code -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_is_refused_unless_unsafe(tmp_path, suffix):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Lambda(lambda t: t * 2, name="double")(x))
    model.save(tmp_path / f"m{suffix}")
    message = refusal(tmp_path / f"m{suffix}")
    assert "carries Python code in the layer 'double' (Lambda)" in message
    assert "--unsafe" in message
    source = read(tmp_path / f"m{suffix}", unsafe=True)
    inputs = random_inputs(source)
    assert_predicts(source, [inputs[0] * 2], inputs)


def test_a_lambda_of_another_python_says_so(tmp_path):
    x = keras.Input((4,))
    keras.Model(x, layers.Lambda(lambda t: t * 2)(x)).save(tmp_path / "m.keras")
    damaged = tmp_path / "other.keras"
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                inner = config["config"]["layers"][1]["config"]["function"]["config"]
                key = "code" if "code" in inner else "value"
                inner[key] = "/////w==" if isinstance(inner[key], str) else ["/////w==", *inner[key][1:]]
                data = json.dumps(config).encode()
            new.writestr(name, data)
    message = refusal(damaged, unsafe=True)
    assert "has a Lambda whose code was saved by another version of Python" in message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_an_unknown_class_is_named_and_a_module_cures_it(tmp_path, suffix):
    module = tmp_path / "my_layers.py"
    module.write_text(
        textwrap.dedent("""
        import keras

        class Shifted(keras.layers.Layer):
            def call(self, x):
                return x + 1

        def squared(x):
            return x * x
        """)
    )
    namespace: dict[str, object] = {"__name__": "elsewhere"}
    exec(module.read_text(), namespace)
    x = keras.Input((4,), name="x")
    y = namespace["Shifted"]()(layers.Dense(2, activation=namespace["squared"])(x))
    model = keras.Model(x, y)
    model.save(tmp_path / f"m{suffix}")
    message = refusal(tmp_path / f"m{suffix}")
    assert "which is not part of Keras" in message
    assert "'Shifted'" in message or "'squared'" in message
    assert "--custom-objects MODULE" in message
    source = read(tmp_path / f"m{suffix}", custom_objects=str(module))
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import does_not_exist_anywhere", "ModuleNotFoundError: No module named 'does_not_exist_anywhere'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_custom_module_that_does_not_import_is_a_usage_error(tmp_path, text, what):
    keras.Sequential([keras.Input((4,)), layers.Dense(2)]).save(tmp_path / "m.keras")
    (tmp_path / "mine.py").write_text(text)
    message = refusal(tmp_path / "m.keras", UsageError, custom_objects=str(tmp_path / "mine.py"))
    assert f"mine.py cannot be imported: {what}" in message
    assert "there is no file" in refusal(tmp_path / "m.keras", UsageError, custom_objects="nowhere.py")
    assert "--custom-objects no.such.module cannot be imported" in refusal(
        tmp_path / "m.keras", UsageError, custom_objects="no.such.module"
    )


def test_weights_that_do_not_fit_are_a_source_error(tmp_path):
    keras.Sequential([keras.Input((4,)), layers.Dense(2, name="head")]).save(tmp_path / "m.keras")
    other = tmp_path / "other.keras"
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                data = data.replace(b'"units": 2', b'"units": 5')
            new.writestr(name, data)
    message = refusal(other)
    assert "has weights that do not fit: those of the layer 'head' (Dense)" in message


# --- Keras 2 -------------------------------------------------------------------------------------------


@pytest.fixture
def keras_2():
    tf_keras.backend.clear_session()
    return tf_keras


def test_an_h5_file_that_keras_3_refuses_is_read_with_tf_keras(tmp_path, keras_2):
    image = keras_2.layers.Input((8, 8, 3), name="image")
    x = keras_2.layers.DepthwiseConv2D(3, name="depthwise")(image)  # Keras 3 has no `groups` here
    x = keras_2.layers.Flatten()(x)
    outputs = [keras_2.layers.Dense(2, name="label")(x), keras_2.layers.Dense(1, name="age")(x)]
    model = keras_2.Model(image, outputs)
    model.save(tmp_path / "m.h5")
    source = read(tmp_path / "m.h5")
    assert source.reader == f"tf_keras {tf_keras.__version__}"
    (warning,) = source.warnings
    assert warning.startswith("Keras 3 refused this file (DepthwiseConv2D: Unrecognized keyword arguments")
    assert warning.endswith(f"it was read with tf_keras {tf_keras.__version__} instead.")
    assert source.inputs == (InputSpec("image", (None, 8, 8, 3), "float32"),)
    assert source.output_names == ("label", "age")
    assert source.keras3_variables == ()
    assert [layer.parameters for layer in source.layers] == [0, 30, 0, 218, 109]
    inputs = random_inputs(source)
    assert_predicts(source, model(inputs[0]), inputs)


def test_a_stateful_keras_2_lstm_starts_from_zero_in_each_call(tmp_path, keras_2):
    x = keras_2.layers.Input((5, 3), batch_size=2, name="x")
    lstm = keras_2.layers.LSTM(4, time_major=False, stateful=True)
    model = keras_2.Model({"x": x}, {"y": keras_2.layers.Bidirectional(lstm)(x)})
    model.save(tmp_path / "m.h5")
    source = read(tmp_path / "m.h5")
    assert (source.inputs[0].name, source.output_names) == ("x", ("y",))
    inputs = random_inputs(source)
    wanted = np.asarray(model({"x": inputs[0]})["y"])
    assert_predicts(source, [wanted], inputs)
    np.testing.assert_allclose(source.reference(inputs)[0], wanted, atol=1e-6)
    ops = {node.op for node in trace(source).graph.as_graph_def().node}
    assert not [op for op in ops if "Assign" in op or "PartitionedCall" in op]


def test_half_precision_of_keras_2_is_read_in_float32(tmp_path, keras_2):
    image = keras_2.layers.Input((8, 8, 3))
    model = keras_2.Model(image, keras_2.layers.DepthwiseConv2D(3, dtype="mixed_float16")(image))
    model.save(tmp_path / "m.h5")
    source = read(tmp_path / "m.h5")
    assert source.warnings[1] == "The model computes in float16; it is traced, and compared, in float32."
    inputs = random_inputs(source)
    assert source.reference(inputs)[0].dtype == np.float32
    assert_predicts(source, [np.asarray(model(inputs[0]), "float32")], inputs, atol=1e-2)


def test_a_keras_archive_of_keras_2_reads(tmp_path, keras_2):
    model = keras_2.Sequential([keras_2.layers.Input((4,), name="x"), keras_2.layers.Dense(2, name="y")])
    model.save(tmp_path / "m.keras")
    source = read(tmp_path / "m.keras")
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)


def test_code_in_a_keras_2_file_is_refused_however_it_is_named(tmp_path, keras_2):
    image = keras_2.layers.Input((8, 8, 3))
    x = keras_2.layers.Lambda(tf.nn.relu, name="named")(keras_2.layers.DepthwiseConv2D(3)(image))
    keras_2.Model(image, x).save(tmp_path / "m.h5")
    assert "carries Python code in the layer 'named' (Lambda)" in refusal(tmp_path / "m.h5")


def test_what_neither_keras_reads_gives_both_reasons(tmp_path):
    config = {"class_name": "Functional", "config": {"name": "m", "layers": 5}}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
        file.create_group("model_weights")
    message = refusal(tmp_path / "m.h5")
    assert "can be read by neither Keras." in message
    assert f"\n  Keras {keras.__version__}: " in message
    assert f"\n  tf_keras {tf_keras.__version__}: " in message
    assert "Load it with the Keras that wrote it (2.4.0)" in message


# --- SavedModels -------------------------------------------------------------------------------------------


def test_a_keras_3_export_keeps_the_order_of_its_inputs(tmp_path):
    z, a = keras.Input((3,), name="z"), keras.Input((2,), name="a")
    model = keras.Model([z, a], [layers.Dense(1)(z), layers.Dense(4)(a)])
    model.export(tmp_path / "m", verbose=False)
    source = read(tmp_path / "m")
    assert source.inputs == (InputSpec("z", (None, 3), "float32"), InputSpec("a", (None, 2), "float32"))
    assert source.output_names == ("output_0", "output_1")
    assert source.reader == f"TensorFlow {tf.__version__}"
    inputs = random_inputs(source)
    assert_predicts(source, model(inputs), inputs)


def test_outputs_are_ordered_by_number_and_not_by_digit(tmp_path):
    x = keras.Input((3,), name="x")
    keras.Model(x, [x + i for i in range(11)]).export(tmp_path / "m", verbose=False)
    source = read(tmp_path / "m")
    assert source.output_names == tuple(f"output_{i}" for i in range(11))
    inputs = random_inputs(source)
    assert_predicts(source, [inputs[0] + i for i in range(11)], inputs)


def test_a_keras_2_saved_model_reads(tmp_path, keras_2):
    x = keras_2.layers.Input((5, 3), name="x")
    model = keras_2.Model(x, keras_2.layers.LSTM(4, name="encoded")(x))
    model.save(tmp_path / "m", save_format="tf")
    source = read(tmp_path / "m")
    assert (source.inputs[0].name, source.output_names) == ("x", ("encoded",))
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)


class Module(tf.Module):
    def __init__(self, value=2.0):
        super().__init__()
        self.factor = tf.Variable(value, name="factor")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.float32)])
    def scaled(self, values, offset):
        return {"scaled": values * self.factor + offset}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def doubled(self, values):
        return values * 2

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def secret(self, path):
        return tf.io.read_file(path)


def save_module(path: Path, *names: str, value: float = 2.0) -> Path:
    module = Module(value)
    tf.saved_model.save(module, str(path), signatures={name: getattr(module, name) for name in names})
    return path


def test_one_of_several_signatures_must_be_chosen(tmp_path):
    path = save_module(tmp_path / "m", "scaled", "doubled")
    assert refusal(path, UsageError) == (
        f"{path} has several signatures: doubled, scaled.\nChoose one: --signature KEY."
    )
    assert "has no signature 'other'.\nIt has: doubled, scaled." in refusal(
        path, UsageError, signature="other"
    )
    source = read(path, signature="scaled")
    assert source.inputs == (InputSpec("offset", (), "float32"), InputSpec("values", (None,), "float32"))
    inputs = [np.float32(1), np.float32([1, 2])]
    assert_predicts(source, [inputs[1] * 2 + 1], inputs)
    assert read(path, signature="doubled").inputs[0].dtype == "int64"


def test_a_signature_makes_no_sense_for_a_keras_file(tmp_path):
    keras.Sequential([keras.Input((4,)), layers.Dense(2)]).save(tmp_path / "m.keras")
    assert "only SavedModels have signatures" in refusal(tmp_path / "m.keras", UsageError, signature="x")


def test_a_saved_model_without_signatures_is_refused(tmp_path):
    module = tf.Module()
    module.v = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "m"))
    assert "has no signature" in refusal(tmp_path / "m")


def test_a_saved_model_that_reads_files_is_refused_before_it_runs(tmp_path):
    path = save_module(tmp_path / "m", "secret")
    message = refusal(path, UnsupportedModelError)
    assert "reaches outside the model (ReadFile)" in message


def test_nan_in_a_saved_model_is_refused(tmp_path):
    assert "has broken weights" in refusal(save_module(tmp_path / "m", "scaled", value=np.nan))


def test_a_damaged_saved_model_is_a_source_error(tmp_path):
    path = save_module(tmp_path / "m", "doubled")
    (path / "saved_model.pb").write_bytes(b"\xff" * 100)
    assert f"{path} cannot be read by TensorFlow" in refusal(path)


# --- models in memory --------------------------------------------------------------------------------------


SCRIPT = """
import sys
import keras
import numpy as np
from tfjs_bundle.convert.child import Child
from tfjs_bundle.source.in_memory import save_for_child

class Shifted(keras.layers.Layer):
    def call(self, x):
        return x + 1

def make():
    class Local(Shifted):
        def call(self, x):
            return super().call(x) * 2
    return Local()

def activation(x):
    return x * x

x = keras.Input((4,), name="x")
y = keras.layers.Dense(2, activation=activation)(make()(Shifted()(x)))
model = keras.Model(x, keras.layers.Lambda(lambda t: t * 3)(y), name="my model")
values = np.arange(8, dtype="float32").reshape(2, 4)
with Child() as child:
    file = save_for_child(model, sys.argv[1])
    info = child.call("open", file, {})
    (output,) = child.call("predict", [values])
print(file.name, info.inputs[0].name, float(np.abs(output - np.asarray(model(values))).max()))
"""


def test_a_model_whose_classes_stand_in_the_script_itself_is_read(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    name, x, difference = done.stdout.split()[-3:]
    assert (name, x) == ("my-model", "x")
    assert float(difference) < 1e-3


def test_local_classes_without_cloudpickle_get_a_way_out(tmp_path, monkeypatch):
    class Local(layers.Layer):
        def call(self, x):
            return x

    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    model = keras.Sequential([keras.Input((4,)), Local()], name="mine")
    with pytest.raises(SourceError) as caught:
        save_for_child(model, tmp_path)
    assert "The model 'mine' uses Local, defined in a script or notebook" in str(caught.value)
    assert "pip install cloudpickle" in str(caught.value)


def test_the_same_model_in_memory_has_the_same_hash(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    hashes = []
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        if name == "c":
            model.layers[0].bias.assign([1, 2])
        hashes.append(save_for_child(model, tmp_path / name).sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_tf_keras_model_in_memory_becomes_a_saved_model(tmp_path, keras_2):
    x = keras_2.layers.Input((4,), name="x")
    model = keras_2.Model(x, keras_2.layers.Dense(2, name="y")(x))
    source = open_model(save_for_child(model, tmp_path))
    assert (source.inputs[0].name, source.output_names) == ("x", ("y",))
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)


def test_what_is_no_built_model_in_memory_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"A builtins\.dict is not a Keras model"):
        save_for_child({}, tmp_path)
    with pytest.raises(SourceError, match="was never built"):
        save_for_child(keras.Sequential([layers.Dense(2)]), tmp_path)


# --- real models -------------------------------------------------------------------------------------------


def test_a_real_model_with_four_inputs_reads():
    source = read(real_models.deeplc())
    assert [(spec.name, spec.shape) for spec in source.inputs] == [
        ("input_layer", (None, 60, 6)),
        ("input_layer_1", (None, 30, 6)),
        ("input_layer_2", (None, 55)),
        ("input_layer_3", (None, 60, 20)),
    ]
    assert (source.output_names, source.keras_version) == (("dense_8",), "3.3.3")
    model = keras.saving.load_model(real_models.deeplc(), compile=False)
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs)], inputs)


def test_a_real_hdf5_file_of_keras_2_0_reads_with_keras_3():
    source = read(real_models.emotions())
    assert source.inputs == (InputSpec("input_1", (None, 64, 64, 1), "float32"),)
    assert (source.output_names, source.keras_version) == (("predictions",), "2.0.5")
    inputs = random_inputs(source)
    outputs = source.reference(inputs)
    assert outputs[0].shape == (3, 7)
    np.testing.assert_allclose(outputs[0].sum(axis=1), 1, atol=1e-5)
    assert_predicts(source, outputs, inputs)


def test_a_real_h5_file_that_keras_3_refuses_reads_with_tf_keras(keras_2):
    source = read(real_models.visual_wake_words())
    assert source.reader.startswith("tf_keras")
    model = keras_2.models.load_model(real_models.visual_wake_words(), compile=False)
    inputs = random_inputs(source)
    assert_predicts(source, [model(inputs[0])], inputs)
