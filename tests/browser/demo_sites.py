"""Bundles for the demo page, made without TensorFlow, of models whose answers one can tell by eye."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tiny_bundle

from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.graph import kernels, serde
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.preprocessing import resolve
from tfjs_bundle.site.render import ModelFile, SiteSpec, render

FLOAT = {"type": "DT_FLOAT"}
INT = {"type": "DT_INT32"}


def which_side() -> GraphModel:
    """``drawing`` [None, 8, 8, 1] to ``side`` [None, 4]: where the ink is, left, right, top, bottom."""
    rows, columns = np.mgrid[0:8, 0:8]
    masks = [columns < 4, columns >= 4, rows < 4, rows >= 4]
    weights = 4 * np.stack([mask.reshape(-1) for mask in masks], axis=1).astype(np.float32)
    return _model(
        ("drawing", (None, 8, 8, 1)),
        ("side", (None, 4)),
        [
            _const("sizes", np.array([-1, 64], np.int32)),
            _const("masks", weights),
            Node("flat", "Reshape", ["drawing", "sizes"], {"T": FLOAT, "Tshape": INT}),
            Node("ink", "MatMul", ["flat", "masks"], {"T": FLOAT}),
            Node("side", "Softmax", ["ink"], {"T": FLOAT}),
        ],
    )


def which_colour() -> GraphModel:
    """``photo`` [None, 16, 16, 3] to ``colour`` [None, 3]: which of red, green and blue there is most of."""
    return _model(
        ("photo", (None, 16, 16, 3)),
        ("colour", (None, 3)),
        [
            _const("axes", np.array([1, 2], np.int32)),
            _const("ten", np.array(10, np.float32)),
            Node("mean", "Mean", ["photo", "axes"], {"T": FLOAT, "Tidx": INT, "keep_dims": {"b": False}}),
            Node("sharper", "Mul", ["mean", "ten"], {"T": FLOAT}),
            Node("colour", "Softmax", ["sharper"], {"T": FLOAT}),
        ],
    )


def sums() -> GraphModel:
    """``x`` and ``y`` [None, 4] to ``probabilities`` [None, 3] and ``sum`` [None, 4]."""
    return tiny_bundle.graph()


def two_numbers() -> GraphModel:
    """``a`` and ``b`` [None, 1] to ``total`` [None, 1], their sum."""
    dims = {"shape": {"dim": [{"size": "-1"}, {"size": "1"}]}}
    nodes = [Node(name, "Placeholder", [], {"dtype": FLOAT, "shape": dims}) for name in ("a", "b")]
    specs = [TensorSpec(name, (None, 1), "float32", "float32", name) for name in ("a", "b", "total")]
    return GraphModel(
        [*nodes, Node("total", "AddV2", ["a", "b"], {"T": FLOAT})], Signature(tuple(specs[:2]), (specs[2],))
    )


def write_site(directory: Path, graph: GraphModel, task: str, **members: Any) -> Path:
    """Render the bundle of ``graph`` into ``directory``; ``members`` go to :class:`SiteSpec`."""
    inputs, outputs = (
        tuple(TensorInfo(spec.name, spec.shape, spec.dtype, spec.source_dtype) for spec in specs)
        for specs in (graph.signature.inputs, graph.signature.outputs)
    )
    schemas, _ = resolve(members.pop("preprocessing", {}), inputs, task)
    files = serde.dump(graph, "tests")
    model_files = {"model/model.json": ModelFile(files.model_json, "model")}
    with tempfile.TemporaryDirectory() as temporary:
        for shard in files.shards:
            path = Path(temporary) / shard.name
            shard.write(path)
            model_files[f"model/{shard.name}"] = ModelFile(path.read_bytes(), "weights")
    site = render(
        SiteSpec(
            name=members.pop("name", "A model"),
            created_with={"tfjs-bundle": "tests"},
            source={"format": "tests", "sha256": "0" * 64, "keras_version": None},
            inputs=inputs,
            outputs=outputs,
            model_files=model_files,
            backends={name: entry.to_json() for name, entry in kernels.support(graph).items()},
            preprocessing=schemas,
            task=task,
            **members,
        )
    )
    for path, content in site.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    return directory


def _model(given: tuple[str, Any], made: tuple[str, Any], nodes: list[Node]) -> GraphModel:
    name, shape = given
    dims = [{"size": str(-1 if side is None else side)} for side in shape]
    first = Node(name, "Placeholder", [], {"dtype": FLOAT, "shape": {"shape": {"dim": dims}}})
    (input_spec, output_spec) = (
        TensorSpec(each, sides, "float32", "float32", each) for each, sides in (given, made)
    )
    return GraphModel([first, *nodes], Signature((input_spec,), (output_spec,)))


def _const(name: str, value: np.ndarray) -> Node:
    return Node(name, "Const", [], {"dtype": INT if value.dtype == np.int32 else FLOAT}, value)
