"""The stock converter as the oracle of the native one: where both convert, names and numbers agree."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tfjs_bundle import convert
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.tensorflowjs import PYTHON_VARIABLE
from tfjs_bundle.errors import UnsupportedModelError, UsageError
from tfjs_bundle.graph import passes
from tfjs_bundle.source.identify import identify

pytestmark = [pytest.mark.tensorflow, pytest.mark.tensorflowjs, pytest.mark.filterwarnings("ignore")]

needs_stock = pytest.mark.skipif(
    not os.environ.get(PYTHON_VARIABLE),
    reason=f"{PYTHON_VARIABLE} does not name the Python of an environment with tensorflowjs",
)


def draw(sample, seed: int) -> list[np.ndarray]:
    """Draw inputs of the sample's shapes and dtypes, other than its own."""
    generator = np.random.default_rng(seed)
    return [
        generator.integers(0, 40, value.shape).astype(value.dtype)
        if value.dtype.kind in "iu"
        else generator.uniform(-2, 2, value.shape).astype(value.dtype)
        for value in sample.inputs.values()
    ]


@needs_stock
@pytest.mark.parametrize("name", ["two_in_two_out", "cnn", "nested"])
def test_both_converters_agree(child, conversion, sample, tmp_path, name):
    native = conversion(name).converted.graph
    model = sample(name)
    options = BuildOptions(converter="tensorflowjs")
    stock = convert.convert(identify(model.path), options, child, tmp_path).graph
    ours, theirs = native.signature, stock.signature
    assert [(spec.name, spec.dtype) for spec in theirs.inputs] == [
        (spec.name, spec.dtype) for spec in ours.inputs
    ]
    assert [(spec.name, spec.dtype) for spec in theirs.outputs] == [
        (spec.name, spec.dtype) for spec in ours.outputs
    ]
    for seed in range(3):
        inputs = draw(model, seed)
        expected = child.call("run_graph", stock, inputs)
        found = child.call("run_graph", passes.lower(native), inputs)
        for spec, one, other in zip(ours.outputs, found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5, err_msg=spec.name)


@needs_stock
def test_a_keras_2_file_converts_whose_variables_are_not_keras_3_s(child, tmp_path):
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    image = tf_keras.layers.Input((8, 8, 3), name="image")
    x = tf_keras.layers.Flatten()(tf_keras.layers.DepthwiseConv2D(3)(image))  # Keras 3 refuses `groups`
    tf_keras.Model(image, tf_keras.layers.Dense(2, name="result")(x)).save(tmp_path / "old.h5")
    options = BuildOptions(converter="tensorflowjs")
    converted = convert.convert(identify(tmp_path / "old.h5"), options, child, tmp_path)
    inputs = {"image": np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)}
    expected = convert.predict(converted, inputs, child)["result"]
    (found,) = child.call("run_graph", converted.graph, list(inputs.values()))
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@needs_stock
def test_what_the_stock_converter_refuses_is_told_in_its_words(child, sample, tmp_path):
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)The stock converter refuses the model.*Erfc"
    ) as refusal:
        convert.convert(
            identify(sample("dense_gelu").path), BuildOptions(converter="tensorflowjs"), child, tmp_path
        )
    assert "Use --converter native" in refusal.value.cure


def test_where_tensorflowjs_is_missing_the_cure_names_the_extra(child, sample, tmp_path, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)  # then this Python is asked, which has none
    with pytest.raises(UsageError, match="The stock converter cannot be imported") as refusal:
        convert.convert(
            identify(sample("two_in_two_out").path), BuildOptions(converter="tensorflowjs"), child, tmp_path
        )
    assert "pip install 'tfjs-bundle[tensorflowjs]'" in refusal.value.cure


def test_a_python_that_does_not_exist_is_a_usage_error(child, sample, tmp_path, monkeypatch):
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "no" / "python"))
    with pytest.raises(UsageError, match="cannot be started") as refusal:
        convert.convert(
            identify(sample("two_in_two_out").path), BuildOptions(converter="tensorflowjs"), child, tmp_path
        )
    assert PYTHON_VARIABLE in refusal.value.cure
