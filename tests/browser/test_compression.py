"""Quantized weights in Chromium: the same numbers in our loader, in TF.js as published, and in Python."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from test_build import _packed, _predict_plainly
from tiny_bundle import write_bundle

from tfjs_bundle import pipeline
from tfjs_bundle.compress.apply import Recipe, compress
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import attributes, constant
from tfjs_bundle.progress import Progress

SIZE = 64
SCHEMES = ("float16", "uint16", "uint8", "int8")


@pytest.fixture(scope="module")
def quantized() -> GraphModel:
    """A product with one weight per scheme: what it gives for the unit matrix are the weights themselves."""
    shape = {"shape": {"dim": [{"size": "-1"}, {"size": str(SIZE)}]}}
    nodes = [Node("x", "Placeholder", attrs={"dtype": {"type": "DT_FLOAT"}, **shape})]
    weights, encodings = [], {}
    for index, scheme in enumerate(SCHEMES):
        value = np.random.default_rng(index).normal(size=(SIZE, SIZE)).astype(np.float32) / 8
        weights = [
            constant(scheme, value),
            Node(f"y_{scheme}", "MatMul", ["x", scheme], attributes(T="DT_FLOAT")),
        ]
        spec = TensorSpec("x", (None, SIZE), "float32", "float32", "x")
        signature = Signature((spec,), (TensorSpec("y", None, "float32", "float32", f"y_{scheme}"),))
        made = compress(GraphModel([nodes[0], *weights], signature), Recipe(scheme)).graph
        nodes += made.nodes[1:]
        encodings |= made.encodings
    assert sorted(encodings) == sorted(SCHEMES)
    outputs = tuple(
        TensorSpec(scheme, (None, SIZE), "float32", "float32", f"y_{scheme}") for scheme in SCHEMES
    )
    return GraphModel(nodes, Signature((spec,), outputs), encodings=encodings)


@pytest.fixture(scope="module")
def bundle(quantized, tmp_path_factory) -> Path:
    weights = quantized.weights()

    def predict(inputs):
        return {scheme: inputs["x"] @ weights[scheme] for scheme in SCHEMES}

    return write_bundle(tmp_path_factory.mktemp("quantized"), given=(quantized, predict))


def test_every_number_is_the_reference_s_own_bit_for_bit(bundle, quantized, page, static_host):
    unit = {"x": np.eye(SIZE, dtype=np.float32)}
    plain = _predict_plainly(page, static_host, bundle, unit)
    ours = predict(page, static_host, bundle, unit)
    for scheme, weight in quantized.weights().items():
        for found in (plain[scheme], ours["wasm"][scheme], ours["cpu"][scheme]):
            np.testing.assert_array_equal(found, weight)


def predict(page, static_host, directory: Path, inputs: dict[str, np.ndarray]) -> dict:
    """Return outputs by backend, from our loader; no tensor is left that a product was made of."""
    page.goto(f"{static_host(directory).url}bundle.json")
    found = page.evaluate(
        """async ({ inputs, backends }) => {
          const { loadModel } = await import(new URL("loader.js", location.href).href);
          const found = {};
          for (const backend of backends) {
            const model = await loadModel({ backend, worker: false });
            const { tensors } = await model.memory();
            const outputs = Object.entries(await model.predict(inputs));
            found[backend] = { tensors, outputs: outputs.map(([name, { data }]) => [name, [...data]]) };
            await model.dispose();
          }
          return found;
        }""",
        {"inputs": _packed(inputs), "backends": ["wasm", "cpu"]},
    )
    assert [each["tensors"] for each in found.values()] == [len(SCHEMES)] * 2
    return {
        backend: {name: np.float32(values).reshape(SIZE, SIZE) for name, values in each["outputs"]}
        for backend, each in found.items()
    }


@pytest.mark.tensorflow
def test_a_compressed_bundle_is_verified_by_the_weights_that_it_carries(sample, child, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "Child", lambda _: nullcontext(child))  # one TensorFlow is enough
    options = BuildOptions(verify=False, quantize="int8", prune=0.5, backends=("wasm",))
    source = sample("transformer").path
    built = pipeline.build(source, tmp_path / "site", options, Progress(), child)
    cost = built.parity.compression
    assert cost.schemes["int8"] > 0
    assert cost.sparsity == pytest.approx(0.5, abs=0.1)
    assert cost.largest > 1e-3  # far beyond what parity allows
    report = pipeline.verify(str(tmp_path / "site"), source, BuildOptions(backends=("wasm",)), Progress())
    assert report.passed
    assert report.compression.recipe == built.bundle.compression == "int8 + 50% pruned"
    assert report.compression.outputs == cost.outputs
