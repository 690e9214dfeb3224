"""Whole builds of small models of every kind: verified against Keras, and loadable without us."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tfjs_bundle import pipeline
from tfjs_bundle.bundle import load_bundle
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.graph import serde
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.progress import Progress

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

KINDS = ["dense_gelu", "cnn", "two_in_two_out", "recurrent", "transformer", "nested", "any_size"]
#: TF.js as published, from the development dependencies.
PLAIN_TFJS = Path(__file__).parents[2] / "node_modules" / "@tensorflow" / "tfjs" / "dist" / "tf.min.js"


@pytest.fixture(scope="module")
def built(child, sample, tmp_path_factory):
    """Build a sample by name, once; returns the pipeline's result."""
    results = {}

    def get(name: str) -> pipeline.BuildResult:
        if name not in results:
            output = tmp_path_factory.mktemp(name) / "dist"
            options = BuildOptions(verify=True, custom_objects=sample(name).custom_objects)
            results[name] = pipeline.build(sample(name).path, output, options, Progress(), child)
        return results[name]

    return get


@pytest.mark.parametrize("name", KINDS)
def test_a_build_predicts_on_wasm_and_cpu_what_keras_predicts(built, name):
    parity = built(name).parity
    assert {entry.backend: entry.status for entry in parity.backends} == {"wasm": "passed", "cpu": "passed"}
    assert parity.largest < 1e-4


@pytest.mark.parametrize("name", KINDS)
def test_names_and_order_in_the_manifest_are_keras_s(built, sample, name):
    bundle = load_bundle(built(name).bundle.directory)
    assert [info.name for info in bundle.inputs] == list(sample(name).inputs)
    assert [info.name for info in bundle.outputs] == list(sample(name).outputs)


def test_parity_json_says_what_was_compared_and_how_far_it_differs(built):
    result = built("dense_gelu")
    parity = json.loads((result.bundle.directory / "parity.json").read_bytes())
    assert parity["status"] == "passed"
    assert (parity["atol"], parity["rtol"]) == (1e-4, 1e-4)
    assert parity["backends"]["wasm"]["outputs"]["scores"]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("name", ["dense_gelu", "two_in_two_out", "recurrent", "transformer"])
def test_plain_tfjs_loads_the_graph_model_and_agrees(built, sample, page, static_host, name):
    outputs = _predict_plainly(page, static_host, built(name).bundle.directory, sample(name).inputs)
    for output, expected in sample(name).outputs.items():
        np.testing.assert_allclose(outputs[output], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "sizes",
    [[1], [8, 24], [24, 8], [16, 16, 64], [16, 16, 16, 5], [64, 16, 16], [300, 16, 300], [512], [256, 1000]],
    ids=str,
)
def test_plain_tfjs_reads_every_weight_whatever_the_shards(page, static_host, tmp_path, sizes):
    # TF.js 4.22 reads zeros where all shards but the last have one size and the last is larger
    graph, expected = _sum_of_weights(sizes)
    files = serde.dump(graph, "test", shard_size=1024)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_bytes(files.model_json)
    for shard in files.shards:
        shard.write(tmp_path / "model" / shard.name)
    outputs = _predict_plainly(page, static_host, tmp_path, {"x": np.zeros((1,), np.float32)})
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, rtol=1e-5)


def _sum_of_weights(sizes: list[int]) -> tuple[GraphModel, dict[str, np.ndarray]]:
    """Return a model with one output per weight: x plus the sum of the weight's values."""
    float32 = {"type": "DT_FLOAT"}
    nodes = [Node("x", "Placeholder", attrs={"dtype": float32, "shape": {"shape": {"dim": [{"size": "1"}]}}})]
    nodes.append(Node("axis", "Const", attrs={"dtype": {"type": "DT_INT32"}}, value=np.array([0], np.int32)))
    outputs, expected = [], {}
    for index, size in enumerate(sizes):
        value = np.random.default_rng(index).uniform(1, 2, size).astype(np.float32)
        attrs = {"T": float32, "Tidx": {"type": "DT_INT32"}, "keep_dims": {"b": True}}
        nodes += [
            Node(f"w{index}", "Const", attrs={"dtype": float32}, value=value),
            Node(f"sum{index}", "Sum", [f"w{index}", "axis"], attrs),
            Node(f"y{index}", "AddV2", ["x", f"sum{index}"], {"T": float32}),
        ]
        outputs.append(TensorSpec(f"y{index}", (1,), "float32", "float32", f"y{index}:0"))
        expected[f"y{index}"] = value.sum(keepdims=True)
    signature = Signature((TensorSpec("x", (1,), "float32", "float32", "x:0"),), tuple(outputs))
    return GraphModel(nodes, signature), expected


def _predict_plainly(
    page, static_host, directory: Path, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Predict with TF.js as published: no loader of ours, no worker, no service worker."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        shutil.copytree(directory / "model", root / "model")
        shutil.copytree(Path(__file__).with_name("plain_tfjs"), root, dirs_exist_ok=True)
        shutil.copy(PLAIN_TFJS, root)
        host = static_host(root)
        host.headers = {}  # TF.js as published needs eval
        page.goto(f"{host.url}index.html")
        outputs = page.evaluate("inputs => predictPlainly('/model/model.json', inputs)", _packed(inputs))
    return {
        name: np.frombuffer(base64.b64decode(entry["data"]), entry["dtype"]).reshape(entry["shape"])
        for name, entry in outputs.items()
    }


@pytest.mark.parametrize("backend", ["wasm", "cpu"])
@pytest.mark.parametrize(("name", "times"), [("dense_gelu", 1000), ("recurrent", 100)])
def test_predictions_leave_no_tensors_behind(built, sample, page, static_host, name, times, backend):
    host = static_host(built(name).bundle.directory)
    page.goto(f"{host.url}bundle.json")
    before, after = page.evaluate(
        """async ({ backend, times, inputs }) => {
          const { loadModel } = await import(new URL("loader.js", location.href).href);
          const model = await loadModel({ backend });
          await model.predict(inputs);
          const before = (await model.memory()).tensors;
          for (let i = 0; i < times; i++) await model.predict(inputs);
          return [before, (await model.memory()).tensors];
        }""",
        {"backend": backend, "times": times, "inputs": _packed(sample(name).inputs)},
    )
    assert after == before > 0


def _packed(inputs: dict[str, np.ndarray]) -> dict[str, dict]:
    """Return inputs as plain JSON values, in the dtypes that TF.js has."""
    return {
        name: {
            "data": np.asarray(value, np.float32 if value.dtype.kind == "f" else np.int32).ravel().tolist(),
            "shape": list(value.shape),
            "dtype": "float32" if value.dtype.kind == "f" else "int32",
        }
        for name, value in inputs.items()
    }
