"""A bundle of several shards, one per layer, made without TensorFlow: y = x @ w1 @ w2 @ w3 @ w4.

Its page loads nothing by itself: what a test sees requested is what the loader asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfjs_bundle.bundle import Bundle, TensorInfo, load_bundle
from tfjs_bundle.graph import kernels, serde
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.site.render import ModelFile, SiteSpec, render

FLOAT = {"type": "DT_FLOAT"}
WIDTH = 160
LAYERS = 4

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ content_security_policy }}">
<title>{{ page.name }}</title>
<link rel="icon" href="icon.svg">
<p>{{ page.name }}</p>
"""

#: Loads the bundle's model and predicts; gives everything a test may want to know, errors included.
LOAD_AND_PREDICT = """async ({ x, options }) => {
  const { loadModel } = await import(new URL("loader.js", document.baseURI).href);
  const progress = [];
  try {
    const model = await loadModel({
      backend: "cpu", serviceWorker: true, ...options, onProgress: (event) => progress.push(event),
    });
    const { y } = await model.predict({ x: { data: new Float32Array(x), shape: [1, x.length] } });
    const offline = await model.offline;
    model.dispose();
    return { y: [...y.data], backend: model.backend, offline, progress, name: model.manifest.name };
  } catch (error) {
    return { code: error.code, message: error.message, progress };
  }
}"""


def weights(changed: int | None = None) -> dict[str, np.ndarray]:
    """Return the layers; ``changed`` is the number of one that is another."""
    layers = {}
    for layer in range(1, LAYERS + 1):
        seed = layer + (100 if layer == changed else 0)
        layers[f"w{layer}"] = np.random.default_rng(seed).normal(0, 0.1, (WIDTH, WIDTH)).astype(np.float32)
    return layers


def example() -> np.ndarray:
    """Return the input of the tests, of shape ``(160,)``."""
    return np.linspace(-1, 1, WIDTH, dtype=np.float32)


def predict(changed: int | None = None) -> np.ndarray:
    """Return what the model gives for :func:`example`, by numpy in float64."""
    value = example().astype(np.float64)
    for matrix in weights(changed).values():
        value = value @ matrix
    return value


def load_and_predict(page, **options: Any) -> dict[str, Any]:
    """Load the model in ``page`` and predict :func:`example`."""
    return page.evaluate(LOAD_AND_PREDICT, {"x": example().tolist(), "options": options})


def agrees(result: dict[str, Any], changed: int | None = None) -> bool:
    """Return whether the page predicted what the model (see :func:`weights`) gives."""
    assert "y" in result, result
    return bool(np.allclose(result["y"], predict(changed), rtol=1e-4, atol=1e-4))


def write_layered(directory: Path, *, name: str = "layers", changed: int | None = None) -> Bundle:
    """Write the bundle into ``directory``, one shard of 100 KiB per layer."""
    layers = weights(changed)
    shape = {"shape": {"dim": [{"size": "-1"}, {"size": str(WIDTH)}]}}
    nodes = [Node("x", "Placeholder", [], {"dtype": FLOAT, "shape": shape})]
    last = "x"
    for number, (layer, value) in enumerate(layers.items(), 1):
        nodes.append(Node(layer, "Const", [], {"dtype": FLOAT}, value))
        product = "y" if number == LAYERS else f"product{number}"
        nodes.append(Node(product, "MatMul", [last, layer], {"T": FLOAT}))
        last = product
    model = GraphModel(
        nodes,
        Signature(
            inputs=(TensorSpec("x", (None, WIDTH), "float32", "float32", "x"),),
            outputs=(TensorSpec("y", (None, WIDTH), "float32", "float32", "y"),),
        ),
    )
    files = serde.dump(model, "tests", shard_size=WIDTH * WIDTH * 4)
    assert len(files.shards) == LAYERS
    model_files = {"model/model.json": ModelFile(files.model_json, "model")}
    for shard in files.shards:
        shard.write(directory.parent / shard.name)
        content = directory.parent / shard.name
        model_files[f"model/{shard.name}"] = ModelFile(content.read_bytes(), "weights")
        content.unlink()
    template = directory.parent / f"{directory.name}-template"
    template.mkdir(parents=True, exist_ok=True)
    (template / "index.html.j2").write_text(PAGE)
    x, y = (
        TensorInfo(spec.name, spec.shape, spec.dtype, spec.source_dtype)
        for spec in (*model.signature.inputs, *model.signature.outputs)
    )
    site = render(
        SiteSpec(
            name=name,
            created_with={"tfjs-bundle": "tests"},
            source={"format": "tests", "sha256": "0" * 64, "keras_version": None},
            inputs=(x,),
            outputs=(y,),
            model_files=model_files,
            backends={backend: entry.to_json() for backend, entry in kernels.support(model).items()},
        ),
        template=template,
    )
    for path, content in site.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    return load_bundle(directory)
