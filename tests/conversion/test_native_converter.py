"""The native converter against Keras: the same numbers, names, order and weights."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import models
import numpy as np
import pytest

from tfjs_bundle import convert
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.convert.freeze import SMALL
from tfjs_bundle.errors import SourceError, UnsupportedModelError
from tfjs_bundle.graph import passes
from tfjs_bundle.graph.ir import node_name
from tfjs_bundle.pipeline import build
from tfjs_bundle.progress import Progress
from tfjs_bundle.source.identify import identify

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]

CUSTOM = str(models.CUSTOM_LAYERS)
CONVERTIBLE = [name for name in models.MODELS if name != "random_sampling"]


def convert_file(path, child, workspace, **options):
    return convert.convert(identify(path), BuildOptions(**options), child, workspace)


def assert_equal(outputs: list[np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert len(outputs) == len(expected)
    for output, (name, wanted) in zip(outputs, expected.items(), strict=True):
        assert output.shape == wanted.shape, name
        np.testing.assert_allclose(output, wanted, atol=1e-5, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_the_reference_is_what_keras_predicts(conversion, name):
    found = conversion(name)
    assert list(found.reference) == list(found.sample.outputs)
    assert_equal(list(found.reference.values()), found.sample.outputs)


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_the_graph_predicts_what_keras_predicts(conversion, child, name):
    found = conversion(name)
    assert_equal(child.call("run_graph", found.converted.graph, found.inputs), found.sample.outputs)


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_the_lowered_graph_predicts_what_keras_predicts(conversion, child, name):
    found = conversion(name)
    lowered = passes.lower(found.converted.graph)
    assert not lowered.ops() & {"Einsum", "Erfc", "Softsign"}
    assert_equal(child.call("run_graph", lowered, found.inputs), found.sample.outputs)


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_names_order_shapes_and_dtypes_are_keras_s(conversion, name):
    found = conversion(name)
    signature = found.converted.graph.signature
    assert [spec.name for spec in signature.inputs] == list(found.sample.inputs)
    assert [spec.name for spec in signature.outputs] == list(found.sample.outputs)
    for spec in signature.inputs:
        value = found.sample.inputs[spec.name]
        assert spec.source_dtype == value.dtype.name
        assert spec.dtype == {"int64": "int32"}.get(value.dtype.name, value.dtype.name)
        assert len(spec.shape) == value.ndim
        assert all(size in (None, actual) for size, actual in zip(spec.shape, value.shape, strict=True))
        assert spec.shape[0] is None
    for spec in signature.outputs:
        value = found.sample.outputs[spec.name]
        assert all(size in (None, actual) for size, actual in zip(spec.shape, value.shape, strict=True))


def test_unknown_sizes_stay_unknown(conversion):
    signature = conversion("any_size").converted.graph.signature
    assert signature.inputs[0].shape == (None, None, None, 3)
    assert signature.outputs[0].shape == (None, None, None, 1)


def test_the_same_graph_takes_another_batch_and_size(conversion, child):
    graph = conversion("any_size").converted.graph
    (mask,) = child.call("run_graph", graph, [np.zeros((5, 4, 7, 3), np.float32)])
    assert mask.shape == (5, 8, 14, 1)


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_no_placeholder_remains_but_the_inputs(conversion, name):
    graph = passes.lower(conversion(name).converted.graph)
    placeholders = {node.name for node in graph.nodes if node.op.startswith("Placeholder")}
    assert placeholders == {node_name(spec.tensor) for spec in graph.signature.inputs}


def test_an_input_that_no_output_depends_on_stays(conversion):
    graph = passes.lower(conversion("unused_input").converted.graph)
    spare = graph.signature.inputs[1]
    assert (spare.name, spare.dtype, spare.source_dtype, spare.shape) == (
        "spare",
        "int32",
        "int64",
        (None, 2),
    )
    assert node_name(spare.tensor) in {node.name for node in graph.nodes}


@pytest.mark.parametrize("name", [name for name in CONVERTIBLE if name != "mixed_float16"])
def test_large_weights_are_the_model_s_own_bit_for_bit(conversion, name):
    found = conversion(name)
    constants = list(found.converted.graph.weights().values())
    large = [weight for weight in found.sample.weights if weight.size > SMALL]
    for weight in large:
        assert any(
            constant.dtype == weight.dtype and np.array_equal(constant, weight) for constant in constants
        ), f"a weight of shape {weight.shape} is missing"
    carried = sum(constant.nbytes for constant in constants)
    assert carried < 1.5 * sum(weight.nbytes for weight in found.sample.weights) + 8192, "carried twice"


def test_some_samples_have_weights_large_enough_to_be_attached(sample):
    assert sum(any(weight.size > SMALL for weight in sample(name).weights) for name in CONVERTIBLE) >= 2


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_constants_have_dtypes_that_tfjs_has(conversion, name):
    dtypes = {value.dtype.name for value in conversion(name).converted.graph.weights().values()}
    assert dtypes <= {"float32", "int32", "bool", "object"}


def test_ops_are_traced_to_their_layers(conversion):
    graph = conversion("cnn").converted.graph
    layers = {graph.layers.get(node.name, "") for node in graph.nodes if node.op == "DepthwiseConv2dNative"}
    assert layers == {"depthwise_conv2d (DepthwiseConv2D)"}


def test_shapes_are_known_inside_loops(conversion):
    functions = conversion("recurrent").converted.graph.functions.values()
    products = [
        function.shapes.get(node.name)
        for function in functions
        for node in function.nodes
        if node.op == "MatMul"
    ]
    assert products
    assert {shape[-1] for shape in products} == {4 * 16, 3 * 9}  # four gates of an LSTM, three of a GRU


def test_a_model_is_unchanged_by_its_trace(conversion, child, sample, tmp_path):
    conversion("recurrent")  # the child has held other models before
    model = sample("cnn")
    first = convert_file(model.path, child, tmp_path)
    before = convert.predict(first, model.inputs, child)
    child.call("trace", str(tmp_path))
    after = convert.predict(first, model.inputs, child)
    np.testing.assert_array_equal(before["probabilities"], after["probabilities"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tracing_takes_less_memory_than_twice_the_weights(tmp_path):
    keras = models.keras()
    x = keras.Input((4000,))
    path = models.save(keras.Model(x, keras.layers.Dense(4000)(x)), tmp_path)  # 64 MB
    size = 4000 * 4001 * 4
    with Child() as child:
        child.call("open", identify(path), {})
        status = Path(f"/proc/{child.pid}/status")
        Path(f"/proc/{child.pid}/clear_refs").write_text("5")  # the peak is now what is resident
        before = _kilobytes(status, "VmRSS")
        assert abs(_kilobytes(status, "VmHWM") - before) < 4096, "the peak was not reset"
        graph_directory = tmp_path / "trace"
        graph_directory.mkdir()
        child.call("trace", str(graph_directory))
        added = (_kilobytes(status, "VmHWM") - before) * 1024
    assert (graph_directory / "weights.bin").stat().st_size >= size
    assert added < 2 * size, f"{added / size:.2f} times the weights"


def _kilobytes(status: Path, field: str) -> int:
    return int(re.search(rf"{field}:\s+(\d+) kB", status.read_text())[1])


# --- refusals ------------------------------------------------------------------------------------------


def test_random_numbers_at_inference_are_refused_by_op_and_layer(child, sample, tmp_path):
    with pytest.raises(UnsupportedModelError) as refusal:
        convert_file(sample("random_sampling").path, child, tmp_path, custom_objects=CUSTOM)
    assert "draws random numbers at inference: StatelessRandomNormal" in refusal.value.what
    assert "layer 'sampling (Sampling)'" in refusal.value.what
    assert "--allow-random" in refusal.value.cure


def test_random_numbers_are_accepted_when_asked_for(child, sample, tmp_path):
    converted = convert_file(
        sample("random_sampling").path, child, tmp_path, custom_objects=CUSTOM, allow_random=True
    )
    assert converted.random
    assert [spec.name for spec in converted.graph.signature.outputs] == ["y"]


def test_a_model_without_random_numbers_is_not_called_random(conversion):
    assert not conversion("cnn").converted.random


def test_a_ragged_output_is_refused_by_name(child, tmp_path):
    keras = models.keras()
    text = keras.Input((), dtype="string", name="text")
    words = keras.layers.TextVectorization(vocabulary=["cat"], ragged=True, name="words")
    path = models.save(keras.Model(text, words(text)), tmp_path)
    with pytest.raises(UnsupportedModelError) as refusal:
        convert_file(path, child, tmp_path)
    assert "The output 'words' is a RaggedTensor" in refusal.value.what
    assert "ragged=False" in refusal.value.cure
    assert refusal.value.exit_code == 4


def test_what_cannot_be_traced_is_refused_by_layer_in_one_line(child, tmp_path):
    k = models.keras()
    x = k.Input((None, None, 3))
    path = models.save(k.Model(x, k.layers.RandomCrop(4, 4)(x)), tmp_path)
    with pytest.raises(UnsupportedModelError) as caught:
        convert.convert(identify(path), BuildOptions(), child, tmp_path)
    assert caught.value.what.startswith("The model cannot be traced: TypeError: RandomCrop.call():")
    assert "\n" not in caught.value.what
    assert "\x1b" not in caught.value.what


def test_nan_weights_are_refused_by_layer(child, tmp_path):
    keras = models.keras()
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2, name="broken")(x))
    kernel, bias = model.get_weights()
    kernel[1, 1] = np.nan
    model.set_weights([kernel, bias])
    with pytest.raises(SourceError, match=r"(?s)broken.*NaN|NaN.*broken"):
        convert_file(models.save(model, tmp_path), child, tmp_path)


def test_a_refusal_leaves_the_child_ready_for_the_next_model(child, sample, tmp_path):
    running = child.pid
    with pytest.raises(UnsupportedModelError):
        convert_file(sample("random_sampling").path, child, tmp_path, custom_objects=CUSTOM)
    model = sample("two_in_two_out")
    converted = convert_file(model.path, child, tmp_path)
    assert_equal(list(convert.predict(converted, model.inputs, child).values()), model.outputs)
    assert child.pid == running


def test_a_relative_path_is_that_of_the_caller_who_has_moved(child, sample, tmp_path, monkeypatch):
    child.call("release")  # it runs, wherever that is
    model = sample("dense_gelu")
    (tmp_path / "elsewhere.keras").write_bytes(model.path.read_bytes())
    monkeypatch.chdir(tmp_path)
    converted = convert_file("elsewhere.keras", child, tmp_path)
    assert_equal(list(convert.predict(converted, model.inputs, child).values()), model.outputs)


def test_a_child_that_is_killed_is_reported_and_replaced(sample, tmp_path):
    with Child() as child:
        child.release()  # nothing runs yet: nothing to do
        child.call("release")
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(UnsupportedModelError, match="was killed, most likely for want of memory"):
            child.call("open", identify(sample("dense_gelu").path), {})
        assert child.pid is None
        child.call("release")  # a new process
        assert child.pid is not None


def test_a_child_that_is_killed_while_it_predicts_is_reported_whatever_sizes_are_open(sample, tmp_path):
    def kill(event):
        if (event.kind, event.stage) == ("stage", "reference"):
            os.kill(child.pid, signal.SIGKILL)

    source = sample("transformer").path
    with Child() as child, pytest.raises(UnsupportedModelError, match="was killed"):
        build(source, tmp_path / "site", BuildOptions(), Progress(kill), child)
