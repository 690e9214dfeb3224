"""Putting the model's part of a bundle together: ``model.json``, shards named by content, golden cases."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import brotli

from tfjs_bundle.convert import Converted
from tfjs_bundle.errors import OutputError
from tfjs_bundle.graph import serde
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.kernels import BackendSupport
from tfjs_bundle.presentation import Presentation
from tfjs_bundle.site.render import ModelFile, Site, SiteSpec
from tfjs_bundle.source.identify import SourceFile

GENERATED_BY = f"tfjs-bundle {version('tfjs-bundle')}"

#: Variants of the wasm backend that a first visit without cross-origin isolation does not download.
_NOT_FIRST = frozenset(("wasm-plain", "wasm-threaded-simd", "wasm-thread"))


@dataclass(frozen=True)
class Sizes:
    """Bytes of a site: as they are, and as a host that compresses sends them (brotli, quality 5)."""

    total: int
    first_visit: int
    first_visit_compressed: int
    weights: int


def pack(graph: GraphModel, golden: bytes | None, shard_size: int, workspace: Path) -> dict[str, ModelFile]:
    """Return the files under ``model/`` by path; the shards lie in ``workspace``.

    Raises:
        OutputError: ``workspace`` is full, or cannot be written.
    """
    directory = Path(tempfile.mkdtemp(dir=workspace, prefix="shards-"))
    model = serde.dump(graph, GENERATED_BY, shard_size)
    files = {"model/model.json": ModelFile(model.model_json, "model")}
    for shard in model.shards:
        path = directory / shard.name
        try:
            shard.write(path)
        except OSError as error:
            raise OutputError(
                f"The weights cannot be written to {directory}: {error.strerror or error}.",
                "Free some space, or name another temporary directory in TMPDIR.",
            ) from None
        files[f"model/{shard.name}"] = ModelFile(path, "weights")
    if golden is not None:
        files["model/golden.json"] = ModelFile(golden, "golden")
    return files


def describe(
    file: SourceFile,
    converted: Converted,
    presentation: Presentation,
    backends: Mapping[str, BackendSupport],
    files: Mapping[str, ModelFile],
    warnings: tuple[str, ...],
) -> SiteSpec:
    """Gather what the site is rendered from."""
    info = converted.info
    return SiteSpec(
        name=presentation.name,
        created_with={"tfjs-bundle": version("tfjs-bundle"), **(info.versions if info else {})},
        source={
            "format": file.format,
            "sha256": file.sha256,
            "keras_version": info.keras_version if info else None,
        },
        inputs=presentation.inputs,
        outputs=presentation.outputs,
        model_files=files,
        backends={name: entry.to_json() for name, entry in backends.items()},
        preprocessing=presentation.preprocessing,
        labels=presentation.labels,
        task=presentation.task,
        warnings=warnings,
    )


def measure(site: Site, backend: str = "wasm") -> Sizes:
    """Measure ``site``; the first visit is one by ``backend`` with SIMD, on one thread."""
    total = first = compressed = weights = 0
    by_path = {file.path: file for file in site.bundle.files}
    for path, content in site.files.items():
        data = content.read_bytes() if isinstance(content, Path) else bytes(content)
        total += len(data)
        entry = by_path.get(path)
        if entry is None:
            wanted = path in ("bundle.json", "loader.js")
        elif entry.backends:
            wanted = backend in entry.backends and entry.part not in _NOT_FIRST
        else:
            wanted = entry.role != "hosting" and not entry.part.startswith("lazy")
        if entry is not None and entry.role == "weights":
            weights += len(data)
        if wanted:
            first += len(data)
            compressed += len(brotli.compress(data, quality=5))
    return Sizes(total, first, compressed, weights)
