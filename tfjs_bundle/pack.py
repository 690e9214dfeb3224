"""Putting the model's part of a bundle together: ``model.json``, shards named by content, golden cases."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import brotli

from tfjs_bundle import __version__
from tfjs_bundle.bundle import LOADER, MANIFEST
from tfjs_bundle.errors import OutputError
from tfjs_bundle.form import Use
from tfjs_bundle.graph.ir import GraphModel, Signature
from tfjs_bundle.graph.kernels import BackendSupport, op_set
from tfjs_bundle.presentation import Presentation
from tfjs_bundle.site.render import Content, ModelFile, Site, SiteSpec, runtime_directory, size_of
from tfjs_bundle.source.identify import SourceFile

if TYPE_CHECKING:
    from tfjs_bundle.graph.program import Program

#: Role of the file with the preprocessing program, and kind of the inputs that it takes.
PROGRAM = "program"

GENERATED_BY = f"tfjs-bundle {__version__}"

#: Variants of the wasm backend that a first visit without cross-origin isolation does not download.
_NOT_FIRST = frozenset(("wasm-plain", "wasm-threaded-simd", "wasm-thread"))

#: Roles of the runtime's scripts and binaries; a package's modules are its runtime, too.
_RUNTIME_ROLES = frozenset(("runtime", "worker", "engine", "backend", "entry"))

#: By sha256: the runtime is the same in every build, and the shards in most of one model.
compressed_sizes: dict[str, int] = {}


@dataclass(frozen=True)
class Sizes:
    """Bytes of a site: as they are, and as a host that compresses sends them (brotli, quality 5).

    ``runtime_compressed`` is the JavaScript and WebAssembly of a first visit but for the demo page's.
    """

    total: int
    first_visit: int
    first_visit_compressed: int
    runtime_compressed: int
    weights: int


def pack(
    graph: GraphModel, program: Program | None, golden: bytes | None, shard_size: int, workspace: Path
) -> dict[str, ModelFile]:
    """Return the files under ``model/`` by path; the shards lie in ``workspace``.

    Raises:
        UnsupportedModelError: something in the program cannot be written.
        OutputError: ``workspace`` is full, or cannot be written.
    """
    from tfjs_bundle.graph import program as programs
    from tfjs_bundle.graph import serde

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
        files[f"model/{shard.name}"] = ModelFile(path, "weights", shard.sha256)
    if program is not None:
        edges = ([spec.name for spec in specs] for specs in (graph.signature.inputs, graph.signature.outputs))
        document = programs.dump(program, *edges)
        digest = hashlib.sha256(document).hexdigest()
        files[f"model/{digest[: serde.HASH_DIGITS]}.json"] = ModelFile(document, PROGRAM, digest)
    if golden is not None:
        files["model/golden.json"] = ModelFile(golden, "golden")
    return files


@dataclass(frozen=True)
class Packed:
    """A model as files, and what is known of it whatever its page looks like.

    Attributes:
        signature: as converted.
        model_name: Keras's own name for the model, empty where there is none.
        keras_version: the one that wrote the model, where it is known.
        versions: of what read it, by name.
        uses: what it does with its inputs, by name.
        backends: what each can run.
        files: under ``model/``, by path.
        program_inputs: what the part takes that is not TF.js's to run; ``None`` where there is none.
        compression: what was done to the weights, in words; empty where nothing was.
    """

    signature: Signature
    model_name: str
    keras_version: str | None
    versions: Mapping[str, str]
    uses: Mapping[str, Use]
    backends: Mapping[str, BackendSupport]
    files: Mapping[str, ModelFile]
    program_inputs: tuple[str, ...] | None
    compression: str = ""


def describe(
    file: SourceFile, packed: Packed, presentation: Presentation, warnings: tuple[str, ...]
) -> SiteSpec:
    """Gather what the site is rendered from."""
    return SiteSpec(
        name=presentation.name,
        created_with={"tfjs-bundle": __version__, **packed.versions},
        source={"format": file.format, "sha256": file.sha256, "keras_version": packed.keras_version},
        inputs=presentation.inputs,
        outputs=presentation.outputs,
        model_files=packed.files,
        backends={name: entry.to_json() for name, entry in packed.backends.items()},
        preprocessing={**presentation.preprocessing, **_programs(presentation, packed)},
        requires_loader=packed.program_inputs is not None,
        labels=presentation.labels,
        task=presentation.task,
        form=presentation.form,
        examples=presentation.examples,
        warnings=warnings,
        compression=packed.compression,
    )


def _programs(presentation: Presentation, packed: Packed) -> dict[str, dict[str, str]]:
    """Say of each input that the program takes where it is; a picture goes its own way first."""
    taken = packed.program_inputs or ()
    path = next((path for path, file in packed.files.items() if file.role == PROGRAM), "")
    return {
        info.name: {"kind": PROGRAM, "file": path}
        for info in presentation.inputs
        if info.name in taken and info.name not in presentation.preprocessing
    }


def file_sizes(site: Site) -> Iterator[tuple[str, int]]:
    """Yield the path and the bytes of every file."""
    for path, content in site.files.items():
        yield path, size_of(content)


def measure(site: Site, backend: str = "wasm") -> Sizes:
    """Measure ``site``; the first visit is one by ``backend`` with SIMD, on one thread."""
    total = first = compressed = runtime = weights = 0
    by_path = {file.path: file for file in site.bundle.files}
    for path, size in file_sizes(site):
        content = site.files[path]
        total += size
        entry = by_path.get(path)
        if entry is None:
            wanted = path in (MANIFEST, LOADER, "files.js")
        else:
            wanted = _on_first_visit(entry.role, entry.backends, entry.part, backend)
        if entry is not None and entry.role == "weights":
            weights += size
        if wanted:
            first += size
            sent = _compressed(content, entry.sha256 if entry else "")
            compressed += sent
            if path == LOADER or (entry and entry.role in _RUNTIME_ROLES):
                runtime += sent
    return Sizes(total, first, compressed, runtime, weights)


def compressed_size(files: Mapping[str, ModelFile]) -> int:
    """Return the bytes of a model's files as a host that compresses sends them (brotli, quality 5)."""
    digests = {path: hashlib.sha256(_bytes(file.content)).hexdigest() for path, file in files.items()}
    return sum(_compressed(file.content, digests[path]) for path, file in files.items())


def _compressed(content: Content, sha256: str) -> int:
    """Return the compressed size; a file whose sha256 was met before is not read again."""
    size = compressed_sizes.get(sha256)
    if size is None:
        size = len(brotli.compress(_bytes(content), quality=5))
        if sha256:
            compressed_sizes[sha256] = size
    return size


def _bytes(content: Content) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else bytes(content)


def runtime_size(backend: str, ops: AbstractSet[str], *, program: bool) -> int:
    """Return the bytes of the runtime that a visitor of a page without a demo needs, uncompressed.

    Args:
        ops: of the model's graph.
        program: whether the model has a preprocessing program, whose interpreter is a file of its own.
    """
    directory = runtime_directory()
    runtime = json.loads((directory / "runtime.json").read_bytes())
    chosen = op_set(ops, runtime["op_sets"])
    wanted = ["loader.js"] + [
        file["path"]
        for file in runtime["files"]
        if file["role"] != "demo"
        and file["op_set"] in ("", chosen)
        and (program or file["part"] != "program")
        and _on_first_visit(file["role"], file["backends"], file["part"], backend)
    ]
    return sum((directory / path).stat().st_size for path in wanted)


def _on_first_visit(role: str, backends: Sequence[str], part: str, backend: str) -> bool:
    if backends:
        return backend in backends and part not in _NOT_FIRST
    return role != "hosting" and not part.startswith("lazy")
