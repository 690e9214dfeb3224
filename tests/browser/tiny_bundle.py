"""A small bundle made without TensorFlow: probabilities = softmax(x @ w + b), sum = x + y."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.graph import kernels, serde
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.site.render import ModelFile, Site, SiteSpec, render
from tfjs_bundle.verify.cases import Case, draw_cases, golden_json

FLOAT = {"type": "DT_FLOAT"}


def graph(bias: float = 0.0) -> GraphModel:
    """Return the model; another ``bias`` is another model."""
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    weights = {"w": np.sin(rows).astype(np.float32), "b": np.full(3, bias, np.float32) * [0, 1, 2]}

    def placeholder(name: str) -> Node:
        shape = {"shape": {"dim": [{"size": "-1"}, {"size": "4"}]}}
        return Node(name, "Placeholder", [], {"dtype": FLOAT, "shape": shape})

    nodes = [
        placeholder("x"),
        placeholder("y"),
        *(
            Node(name, "Const", [], {"dtype": FLOAT}, value.astype(np.float32))
            for name, value in weights.items()
        ),
        Node("product", "MatMul", ["x", "w"], {"T": FLOAT}),
        Node("logits", "AddV2", ["product", "b"], {"T": FLOAT}),
        Node("probabilities", "Softmax", ["logits"], {"T": FLOAT}),
        Node("sum", "AddV2", ["x", "y"], {"T": FLOAT}),
    ]
    signature = Signature(
        inputs=tuple(TensorSpec(name, (None, 4), "float32", "float32", name) for name in ("x", "y")),
        outputs=(
            TensorSpec("probabilities", (None, 3), "float32", "float32", "probabilities"),
            TensorSpec("sum", (None, 4), "float32", "float32", "sum"),
        ),
    )
    return GraphModel(nodes, signature)


def predict(inputs: dict[str, np.ndarray], bias: float = 0.0) -> dict[str, np.ndarray]:
    """Return what the model gives, by numpy in float64, as float32."""
    values = graph(bias).weights()
    logits = inputs["x"].astype(np.float64) @ values["w"] + values["b"]
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return {
        "probabilities": (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32),
        "sum": inputs["x"] + inputs["y"],
    }


def cases_and_references(bias: float = 0.0) -> tuple[list[Case], list[dict[str, np.ndarray]]]:
    """Return random cases and what the model gives for them."""
    cases = draw_cases(graph().signature.inputs)
    return cases, [predict(case.inputs, bias) for case in cases]


def write_bundle(
    directory: Path,
    *,
    bias: float = 0.0,
    golden_bias: float | None = None,
    backends: dict[str, dict[str, object]] | None = None,
    render: Callable[[SiteSpec], Site] = render,
    given: tuple[GraphModel, Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]] | None = None,
) -> Path:
    """Write the bundle into ``directory``.

    Args:
        golden_bias: the bias of the model that the golden cases come from; ``bias`` by default.
        backends: entries of the manifest that replace what the kernels say.
        render: what the bundle becomes: a site, or with
            :func:`tfjs_bundle.site.npm.render_package` a package.
        given: another model in place of ours, and what it predicts for inputs by name.
    """
    model, expect = given or (
        graph(bias),
        lambda inputs: predict(inputs, bias if golden_bias is None else golden_bias),
    )
    files = serde.dump(model, "tests")
    golden = draw_cases(model.signature.inputs, batches=(1,))
    expected = [expect(case.inputs) for case in golden]
    with tempfile.TemporaryDirectory() as temporary:
        model_files = {
            "model/model.json": ModelFile(files.model_json, "model"),
            "model/golden.json": ModelFile(golden_json(golden, expected), "golden"),
        }
        for shard in files.shards:
            shard.write(Path(temporary) / shard.name)
            model_files[f"model/{shard.name}"] = ModelFile(
                (Path(temporary) / shard.name).read_bytes(), "weights"
            )
    infos = [
        tuple(TensorInfo(spec.name, spec.shape, spec.dtype, spec.source_dtype) for spec in specs)
        for specs in (model.signature.inputs, model.signature.outputs)
    ]
    support = {name: entry.to_json() for name, entry in kernels.support(model).items()}
    site = render(
        SiteSpec(
            name="tiny",
            created_with={"tfjs-bundle": "tests"},
            source={"format": "tests", "sha256": "0" * 64, "keras_version": None},
            inputs=infos[0],
            outputs=infos[1],
            model_files=model_files,
            backends={**support, **(backends or {})},
        )
    )
    for path, content in site.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    return directory
