"""Every kind of source becomes a bundle that predicts in Chromium what the source predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import real_models
from models import keras

import tfjs_bundle
from tfjs_bundle import pipeline
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import ParityError
from tfjs_bundle.graph import serde
from tfjs_bundle.progress import Progress

WRITTEN_ELSEWHERE = Path(__file__).parent / "written_elsewhere"

pytestmark = [pytest.mark.tensorflow]


@pytest.fixture
def build(child, tmp_path):
    """Build a path in the shared TensorFlow process, verified on wasm and cpu."""

    def run(path, **options) -> pipeline.BuildResult:
        return pipeline.build(
            path, tmp_path / "dist", BuildOptions(verify=True, **options), Progress(), child
        )

    return run


def test_a_saved_model_directory(build, sample, tmp_path):
    keras().saving.load_model(sample("two_in_two_out").path).export(tmp_path / "saved", verbose=False)
    result = build(tmp_path / "saved")
    assert result.parity.passed
    assert [info.name for info in result.bundle.inputs] == ["left", "right"]
    assert [info.name for info in result.bundle.outputs] == ["difference", "sum"]


def test_a_keras_2_h5_file_that_keras_3_refuses_says_who_read_it(build, tmp_path):
    path = _keras_2_file(tmp_path)
    result = build(path)
    assert result.parity.passed
    assert any("read with tf_keras" in warning for warning in result.warnings)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_file_that_keras_wrote_on_another_backend(build, backend):
    path = WRITTEN_ELSEWHERE / f"{backend}.keras"
    written = np.load(path.with_suffix(".npz"))
    model = keras().saving.load_model(path, compile=False)  # its optimizer is the backend's own
    here = model([written["picture"], written["words"]]).numpy()
    np.testing.assert_allclose(here, written["kind"], atol=1e-6)  # the reference of parity is the backend's
    assert build(path).parity.passed


def test_a_graph_model_json_of_another_bundle(build, sample, tmp_path):
    first = build(sample("dense_gelu").path).bundle
    kept = first.directory.rename(tmp_path / "first")
    result = build(kept / "model" / "model.json")
    assert result.parity.passed
    assert result.bundle.source["format"] == "tfjs-graph"
    assert [info.name for info in result.bundle.outputs] == ["scores"]


def test_a_graph_model_with_fused_ops_and_quantized_weights_as_other_converters_write_them(build, tmp_path):
    path = _fused_and_quantized(tmp_path)
    assert build(path).parity.passed


def test_a_model_in_memory(sample, tmp_path):
    model = keras().saving.load_model(sample("nested").path)
    bundle = tfjs_bundle.build(model, tmp_path / "dist", verify=True)
    assert bundle.directory == tmp_path / "dist"
    assert [info.name for info in bundle.inputs] == ["a", "b"]
    report = tfjs_bundle.verify(tmp_path / "dist")
    assert report.passed


def test_rows_of_the_user_s_own_are_what_parity_is_measured_on(build, sample, tmp_path):
    data = tmp_path / "rows.npz"
    rows = {name: np.repeat(value, 10, axis=0) for name, value in sample("dense_gelu").inputs.items()}
    np.savez(data, y=np.zeros(20), **rows)
    report = build(sample("dense_gelu").path, data=data, backends=("cpu",)).parity
    assert report.passed
    assert report.cases == ("data rows 0 to 15", "data rows 16 to 19")


def test_a_bundle_verified_against_another_model_fails(build, sample, tmp_path):
    build(sample("dense_gelu").path)
    k = keras()
    x = k.Input((5,), name="features")
    k.Model(x, k.layers.Dense(3, name="scores")(x)).save(tmp_path / "other.keras")
    with pytest.raises(ParityError, match="cpu: failed, output 'scores'"):
        tfjs_bundle.verify(tmp_path / "dist", against=tmp_path / "other.keras", backends=["cpu"])


@pytest.mark.network
def test_a_real_model_of_four_inputs_from_a_published_package(build):
    result = build(real_models.deeplc())
    assert len(result.bundle.inputs) == 4
    assert {entry.backend: entry.status for entry in result.parity.backends} == {
        "wasm": "passed",
        "cpu": "passed",
    }


def _keras_2_file(directory):
    """Save a model whose LSTM has ``time_major``, which Keras 3 does not know."""
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    model = tf_keras.Sequential(
        [
            tf_keras.layers.Input((6, 4), name="steps"),
            tf_keras.layers.LSTM(8),
            tf_keras.layers.Dense(2, name="result"),
        ]
    )
    path = directory / "old.h5"
    model.save(path)
    return path


def _fused_and_quantized(directory):
    """Write a model.json with _FusedMatMul and uint8 weights, by hand."""
    import base64
    import json

    weights = np.random.default_rng(1).integers(0, 256, (5, 3), dtype=np.uint8)
    bias = np.array([0.5, -0.25, 1], np.float32)
    (directory / "group1-shard1of1.bin").write_bytes(weights.tobytes() + bias.tobytes())
    float32, fused = {"type": "DT_FLOAT"}, [base64.b64encode(op).decode() for op in (b"BiasAdd", b"Relu")]

    def info(name: str, columns: int) -> dict:
        dim = [{"size": "-1"}, {"size": str(columns)}]
        return {"name": name, "dtype": "DT_FLOAT", "tensorShape": {"dim": dim}}

    specs = [
        {
            "name": "kernel",
            "shape": [5, 3],
            "dtype": "float32",
            "quantization": {"dtype": "uint8", "scale": 0.01, "min": -1.28},
        },
        {"name": "bias", "shape": [3], "dtype": "float32"},
    ]
    nodes = [
        {"name": "x", "op": "Placeholder", "attr": {"dtype": float32}},
        {"name": "kernel", "op": "Const", "attr": {"dtype": float32}},
        {"name": "bias", "op": "Const", "attr": {"dtype": float32}},
        {
            "name": "y",
            "op": "_FusedMatMul",
            "input": ["x", "kernel", "bias"],
            "attr": {"T": float32, "num_args": {"i": "1"}, "fused_ops": {"list": {"s": fused}}},
        },
    ]
    model = {
        "format": "graph-model",
        "signature": {"inputs": {"x": info("x:0", 5)}, "outputs": {"y": info("y:0", 3)}},
        "modelTopology": {"node": nodes, "versions": {"producer": 1987}},
        "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": specs}],
    }
    path = directory / "model.json"
    path.write_text(json.dumps(model))
    assert serde.load(path).ops() >= {"_FusedMatMul"}
    return path
