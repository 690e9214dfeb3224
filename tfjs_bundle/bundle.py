"""The bundle's manifest, ``bundle.json``: its schema, reading, validation and digest.

Every path in it is relative to the bundle's directory and uses ``/``. What the
members mean is specified in docs/bundle-format.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tfjs_bundle.errors import SourceError

SCHEMA_VERSION = 1
MANIFEST = "bundle.json"
PARITY = "parity.json"
BACKENDS = ("webgpu", "webgl", "wasm", "cpu")

#: Files that carry the digest of all others, or are written after them: outside ``files``.
OUTSIDE_FILES = (MANIFEST, "loader.js", "sw.js", PARITY)


@dataclass(frozen=True)
class BundleFile:
    """One file of the bundle.

    Attributes:
        path: relative to the bundle, with ``/``.
        size: in bytes.
        sha256: 64 hexadecimal digits.
        role: ``page``, ``model`` (model.json), ``weights`` (a shard), ``golden`` (self-check
            cases), ``runtime`` (JavaScript that every backend needs), ``worker`` (the module
            worker's script), ``engine`` (the module that the page imports to run without a
            worker), ``backend`` (a module or .wasm for the backends named), ``program`` (what is
            computed outside of the graph), ``demo`` (what only the demo page loads) or ``hosting``.
        backends: for ``backend`` files, which backends need them; else empty.
        part: which piece of the runtime it is, by the compiled runtime's own names, for
            instance ``wasm-simd``; empty where the role says enough.
    """

    path: str
    size: int
    sha256: str
    role: str
    backends: tuple[str, ...] = ()
    part: str = ""

    def to_json(self) -> dict[str, Any]:
        entry = {"path": self.path, "size": self.size, "sha256": self.sha256, "role": self.role}
        if self.backends:
            entry["backends"] = list(self.backends)
        if self.part:
            entry["part"] = self.part
        return entry


@dataclass(frozen=True)
class TensorInfo:
    """An input or output as the manifest states it (see :class:`tfjs_bundle.graph.ir.TensorSpec`)."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    source_dtype: str


@dataclass(frozen=True)
class Bundle:
    """What ``bundle.json`` says; ``directory`` is where it was read from or published to."""

    name: str
    created_with: dict[str, str]
    source: dict[str, str | None]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    files: tuple[BundleFile, ...]
    backends: dict[str, dict[str, Any]]
    preprocessing: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    task: str = "tensors"
    requires_loader: bool = False
    warnings: tuple[str, ...] = ()
    directory: Path | None = None

    @property
    def digest(self) -> str:
        """The bundle's version: sha256 over path, size and sha256 of all ``files``."""
        lines = sorted(f"{file.path}\0{file.size}\0{file.sha256}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as plain JSON values, members in a fixed order."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "digest": self.digest,
            "created_with": self.created_with,
            "source": self.source,
            "signature": {
                "inputs": [asdict(spec) for spec in self.inputs],
                "outputs": [asdict(spec) for spec in self.outputs],
            },
            "preprocessing": self.preprocessing,
            "labels": self.labels,
            "task": self.task,
            "files": [file.to_json() for file in self.files],
            "backends": self.backends,
            "requires_loader": self.requires_loader,
            "warnings": list(self.warnings),
        }

    def dumps(self) -> bytes:
        """Return the bytes of ``bundle.json``; the same bundle gives the same bytes."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n").encode()


def load_bundle(directory: str | Path) -> Bundle:
    """Read and validate the ``bundle.json`` of ``directory``.

    Raises:
        SourceError: it is missing, is not JSON, has a schema version this release does not
            know, or lacks a member.
    """
    path = Path(directory) / MANIFEST
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SourceError(
            f"{directory} is not a bundle: it has no {MANIFEST}.",
            "Build one with `tfjs-bundle build MODEL -o DIR`.",
        ) from None
    except (ValueError, OSError) as error:
        raise SourceError(f"{path} cannot be read: {error}.", "Build the bundle again.") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise SourceError(
            f"{path} has schema_version {version!r}; this release reads {SCHEMA_VERSION}.",
            "Build the bundle again, or install the release of tfjs-bundle that wrote it.",
        )
    try:
        bundle = _parse(raw, Path(directory))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{path} is damaged: {type(error).__name__}: {error}.", "Build the bundle again."
        ) from None
    if bundle.digest != raw["digest"]:
        raise SourceError(
            f"{path} is damaged: its digest is not that of its files.", "Build the bundle again."
        )
    return bundle


def _parse(raw: dict[str, Any], directory: Path) -> Bundle:
    def tensor(entry: dict[str, Any]) -> TensorInfo:
        shape = entry["shape"]
        return TensorInfo(
            entry["name"], None if shape is None else tuple(shape), entry["dtype"], entry["source_dtype"]
        )

    def file(entry: dict[str, Any]) -> BundleFile:
        path = PurePosixPath(entry["path"])
        if path.is_absolute() or ".." in path.parts or "\\" in entry["path"]:
            raise ValueError(f"the path {entry['path']!r} leaves the bundle")
        return BundleFile(
            entry["path"],
            int(entry["size"]),
            entry["sha256"],
            entry["role"],
            tuple(entry.get("backends", ())),
            entry.get("part", ""),
        )

    return Bundle(
        name=raw["name"],
        created_with=raw["created_with"],
        source=raw["source"],
        inputs=tuple(tensor(entry) for entry in raw["signature"]["inputs"]),
        outputs=tuple(tensor(entry) for entry in raw["signature"]["outputs"]),
        files=tuple(file(entry) for entry in raw["files"]),
        backends=raw["backends"],
        preprocessing=raw["preprocessing"],
        labels=raw["labels"],
        task=raw["task"],
        requires_loader=raw["requires_loader"],
        warnings=tuple(raw["warnings"]),
        directory=directory,
    )
