"""The bundle's manifest, ``bundle.json``: its schema, reading, validation and digest.

Every path in it is relative to the bundle's directory and uses ``/``. What the
members mean is specified in docs/bundle-format.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from tfjs_bundle.errors import SourceError, UsageError

Kind = TypeVar("Kind")

SCHEMA_VERSION = 1
MANIFEST = "bundle.json"
PARITY = "parity.json"
#: What the search for the smallest weights within a budget measured, and its picture.
COMPRESSION = "compression.json"
COMPRESSION_PICTURE = "compression.svg"
#: Written after all others, and for whoever built the bundle.
MEASURED = (PARITY, COMPRESSION, COMPRESSION_PICTURE)
LOADER = "loader.js"
BACKENDS = ("webgpu", "webgl", "wasm", "cpu")

_DTYPES = ("float32", "int32", "bool", "string", "complex64")
_KINDS = {str: "a text", bool: "true or false", int: "a whole number", list: "an array", dict: "an object"}

#: Files that carry the digest of all others, or are written after them: outside ``files``.
OUTSIDE_FILES = (MANIFEST, LOADER, "sw.js", *MEASURED)


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
            computed outside of the graph), ``demo`` (what only the demo page loads), ``entry`` (a
            module of an npm package, or its types) or ``hosting``.
        backends: which backends need the file; empty where all do.
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
    compression: str = ""
    directory: Path | None = None

    @property
    def digest(self) -> str:
        """The bundle's version: sha256 over path, size and sha256 of all ``files``."""
        lines = sorted(f"{file.path}\0{file.size}\0{file.sha256}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def is_package(self) -> bool:
        """Whether it is an npm package, and no site."""
        return any(file.role == "entry" for file in self.files)

    @property
    def module(self) -> str:
        """The module that gives ``loadModel``, by its path."""
        return "index.js" if self.is_package else LOADER

    def _repr_html_(self) -> str:
        """Return a summary for notebooks."""
        from tfjs_bundle.display import bundle_html

        return bundle_html(self)

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
            **({"compression": self.compression} if self.compression else {}),
        }

    def dumps(self) -> bytes:
        """Return the bytes of ``bundle.json``; the same bundle gives the same bytes."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n").encode()


def load_bundle(directory: str | Path) -> Bundle:
    """Read and validate the ``bundle.json`` of ``directory``.

    Raises:
        SourceError: it is missing, is not JSON, has a schema version this release does not
            know, or a member is missing or makes no sense.
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
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise SourceError(
            f"{path} has schema_version {version!r}; this release reads {SCHEMA_VERSION}.",
            "Build the bundle again, or install the release of tfjs-bundle that wrote it.",
        )
    try:
        bundle = _parse(raw, Path(directory))
    except KeyError as error:
        raise SourceError(f"{path} is damaged: it lacks {error}.", "Build the bundle again.") from None
    except (TypeError, ValueError) as error:
        raise SourceError(f"{path} is damaged: {error}.", "Build the bundle again.") from None
    except UsageError as error:
        raise SourceError(f"{path} is damaged: {error.what}", "Build the bundle again.") from None
    if bundle.digest != raw["digest"]:
        raise SourceError(
            f"{path} is damaged: its digest is not that of its files.", "Build the bundle again."
        )
    return bundle


def _parse(raw: dict[str, Any], directory: Path) -> Bundle:
    """Check each member that docs/bundle-format.md names, as docs/bundle.schema.json does; ignore others."""
    _sha256(raw, "digest")
    signature = _member(raw, "signature", dict)
    files = tuple(_file(entry) for entry in _member(raw, "files", list))
    paths = [file.path for file in files]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise ValueError(f"{twice[0]} is listed twice")
    backends = _member(raw, "backends", dict)
    for name in backends:
        support = _member(backends, name, dict)
        if not _member(support, "supported", bool) or "missing_ops" in support:
            _texts(_member(support, "missing_ops", list))
    preprocessing = _member(raw, "preprocessing", dict)
    for name in preprocessing:
        _check_preprocessing(_member(preprocessing, name, dict), name)
    labels = _member(raw, "labels", dict)
    source, created_with = _member(raw, "source", dict), _member(raw, "created_with", dict)
    _texts(list(created_with.values()))
    _texts([value for value in source.values() if value is not None])
    if not {"format", "sha256", "keras_version"} <= source.keys():
        raise ValueError("source lacks a member")
    return Bundle(
        name=_member(raw, "name", str),
        created_with=created_with,
        source=source,
        inputs=tuple(_tensor(entry) for entry in _member(signature, "inputs", list)),
        outputs=tuple(_tensor(entry) for entry in _member(signature, "outputs", list)),
        files=files,
        backends=backends,
        preprocessing=preprocessing,
        labels={name: _texts(_member(labels, name, list)) for name in labels},
        task=_member(raw, "task", str),
        requires_loader=_member(raw, "requires_loader", bool),
        warnings=tuple(_texts(_member(raw, "warnings", list))),
        compression=_member(raw, "compression", str) if "compression" in raw else "",
        directory=directory,
    )


def _tensor(entry: Any) -> TensorInfo:
    shape, dtype = entry["shape"], _member(entry, "dtype", str)
    sides = [] if shape is None else [side for side in _is(shape, list, "shape") if side is not None]
    if any(_is(side, int, "a size of shape") < 0 for side in sides):
        raise ValueError(f"the shape {shape!r} has a negative size")
    if dtype not in _DTYPES:
        raise ValueError(f"there is no dtype {dtype!r}")
    return TensorInfo(
        _member(entry, "name", str),
        None if shape is None else tuple(shape),
        dtype,
        _member(entry, "source_dtype", str),
    )


def _file(entry: Any) -> BundleFile:
    path, size = _path(_member(entry, "path", str)), _member(entry, "size", int)
    if size < 0:
        raise ValueError(f"the size of {path} is negative")
    part = _member(entry, "part", str) if "part" in entry else ""
    backends = _texts(_member(entry, "backends", list)) if "backends" in entry else []
    return BundleFile(
        path, size, _sha256(entry, "sha256"), _member(entry, "role", str), tuple(backends), part
    )


def _sha256(entry: Any, name: str) -> str:
    value = _member(entry, name, str)
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError(f"{name} must be 64 hexadecimal digits, not {value!r}")
    return value


def _path(path: str) -> str:
    if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"the path {path!r} leaves the bundle")
    return path


def _check_preprocessing(entry: dict[str, Any], name: str) -> None:
    from tfjs_bundle.preprocessing import ImageSchema, from_json

    if entry["kind"] == "program":
        _path(_member(entry, "file", str))
        return
    members = {each.name: entry[each.name] for each in fields(ImageSchema)}
    for each in ("size", "background", "scale", "offset"):
        _member(members, each, list)
    from_json({**members, "kind": entry["kind"]}, f"preprocessing.{name}")


def _member(entry: Any, name: str, kind: type[Kind]) -> Kind:
    return _is(_is(entry, dict, "an entry")[name], kind, name)


def _texts(values: list[Any]) -> list[str]:
    return [_is(value, str, "an entry") for value in values]


def _is(value: Any, kind: type[Kind], what: str) -> Kind:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{what} must be {_KINDS[kind]}, not {value!r}")
    return value
