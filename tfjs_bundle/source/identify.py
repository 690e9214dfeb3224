"""What a source is, said without reading the model and without TensorFlow.

:func:`identify` runs in the caller's process before anything is handed to Keras or
TensorFlow: it goes by the content, not by the name, and refuses what is missing,
truncated, dangerous or something else altogether with one clear
:class:`~tfjs_bundle.errors.SourceError`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tfjs_bundle.errors import SourceError
from tfjs_bundle.source.marks import Mark, marks

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_KERAS_WEIGHTS = ("model.weights.h5", "model.weights.npz")

#: DEFLATE cannot expand more than about 1032 times, and Keras stores without compression: a
#: large entry that grows this much is a decompression bomb.
_MAX_EXPANSION = 100
_BOMB_FLOOR = 256 * 2**20
_MAX_CONFIG = 256 * 2**20

_SAVE_AGAIN = "Save the model again with `model.save('model.keras')`."
_COPY_AGAIN = "Copy or download the file again, or save the model again with `model.save('model.keras')`."
_WHOLE_MODEL = (
    "Save the whole model: load the weights into it in Python and call `model.save('model.keras')`."
)
_WHAT_IS_READ = (
    "A source is a .keras file, an .h5 or .hdf5 file, a SavedModel directory or a TF.js model.json."
)


@dataclass(frozen=True)
class SourceFile:
    """A source that passed every check that can be made without reading the model.

    Attributes:
        path: the file, or the SavedModel's directory; for TF.js models the ``model.json``.
        format: ``keras``, ``h5``, ``savedmodel``, ``tfjs-graph`` or ``tfjs-layers``.
        sha256: of the file's bytes, 64 hexadecimal digits; for several files over their
            relative names, sizes and hashes, in the order of the names.
        size: bytes, of all files together.
        name: the default name of the bundle: letters, digits, ``.``, ``_`` and ``-``.
        keras_version: the Keras that wrote the file, where the file says so.
        custom_objects: a file beside the model that carries the custom classes of a model
            handed over in memory (see :mod:`tfjs_bundle.source.in_memory`).
        trusted: the caller's own model from memory, so that code in it is run without asking.
        marks: of its files, taken before they were looked at.
    """

    path: Path
    format: str
    sha256: str
    size: int
    name: str
    keras_version: str | None = None
    custom_objects: Path | None = None
    trusted: bool = False
    marks: Mapping[Path, Mark] = field(default_factory=dict, compare=False, repr=False)

    def refuse_if_changed(self) -> None:
        """Refuse what may have been read partly before a change and partly after it.

        Raises:
            SourceError: the files are not those that were identified.
        """
        if self.marks and marks(self.marks) != self.marks:
            raise SourceError(f"{self.path} was changed while it was being read.", "Build again.")


def identify(path: str | os.PathLike[str] | SourceFile) -> SourceFile:
    """Say what the source at ``path`` is, and check it.

    Archives are checked whole: every entry's name and checksum, declared sizes, and that the
    three files of a Keras archive are there. HDF5 files must carry a model, not weights alone.

    Args:
        path: a ``.keras`` or ``.h5`` / ``.hdf5`` file, a SavedModel directory, or a TF.js
            ``model.json`` (or the directory that holds it). A :class:`SourceFile` is returned as it is.

    Returns:
        The :class:`SourceFile`.

    Raises:
        SourceError: the source is missing, unreadable, empty, truncated, damaged, dangerous,
            without a model, or of a kind that is not read; the message says which and what to do.
    """
    if isinstance(path, SourceFile):
        return path
    path = Path(path)
    before = marks([path])
    file = _identify(path)
    return replace(file, marks=before)


def _identify(path: Path) -> SourceFile:
    try:
        if path.is_dir():
            return _directory(path)
        if not path.exists():
            raise SourceError(f"{path} does not exist.", _did_you_mean(path))
        if not path.is_file():
            raise SourceError(f"{path} is neither a file nor a directory.", _WHAT_IS_READ)
        return _file(path)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the file and its permissions."
        ) from None


def safe_name(text: str) -> str:
    """Return ``text`` as a bundle name: letters, digits, ``.``, ``_``, ``-``; at most 64; never empty."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64].rstrip("-._") or "model"


# --- files -------------------------------------------------------------------------------------


def _file(path: Path) -> SourceFile:
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        raise SourceError(f"{path} is empty.", _COPY_AGAIN)
    if head.startswith(b"version https://git-lfs"):
        raise SourceError(
            f"{path} is a Git LFS pointer, not the model itself.", "Fetch the model with `git lfs pull`."
        )
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _keras_archive(path)
    if head.startswith(_HDF5_MAGIC):
        return _hdf5(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _tfjs(path)
    raise SourceError(*_not_a_model(path, head))


def _not_a_model(path: Path, head: bytes) -> tuple[str, str]:
    suffix = path.suffix.lower()
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return f"{path} is one file of a SavedModel.", f"Give its directory: {path.parent}"
    if suffix == ".keras":
        return f"{path} is not a Keras archive: it is no zip file, or its beginning is damaged.", _COPY_AGAIN
    if suffix in (".h5", ".hdf5"):
        return f"{path} is not an HDF5 file, or its beginning is damaged.", _COPY_AGAIN
    if suffix == ".json":
        return f"{path} is not a TF.js model.json: it is not JSON.", "Convert the model to TF.js again."
    kinds = {
        ".tflite": "a TFLite model",
        ".onnx": "an ONNX model",
        ".pt": "a PyTorch file",
        ".pth": "a PyTorch file",
        ".safetensors": "a file of weights alone",
        ".pkl": "a Python pickle",
        ".joblib": "a Python pickle",
        ".pb": "a TensorFlow graph",
    }
    if head[4:8] == b"TFL3":
        return f"{path} is a TFLite model, which tfjs-bundle does not read.", _WHAT_IS_READ
    if suffix in kinds:
        return f"{path} looks like {kinds[suffix]}, which tfjs-bundle does not read.", _WHAT_IS_READ
    return f"{path} is not a model that tfjs-bundle reads.", _WHAT_IS_READ


def _keras_archive(path: Path) -> SourceFile:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries)
            _check_is_keras(path, [entry.filename for entry in entries])
            damaged = archive.testzip()
            if damaged is not None:
                raise SourceError(
                    f"{path} is damaged: the checksum of {damaged} in it is wrong.", _COPY_AGAIN
                )
            config = _json(path, "config.json", archive.read("config.json"))
            if "class_name" not in config:
                raise SourceError(
                    f"{path} is not a Keras archive: its config.json names no model.", _SAVE_AGAIN
                )
            if "model.weights.h5" in archive.namelist():
                _check_weights(path, archive)
            metadata = {}
            if "metadata.json" in archive.namelist():
                metadata = _json(path, "metadata.json", archive.read("metadata.json"))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise SourceError(f"{path} is a truncated or damaged zip file: {error}.", _COPY_AGAIN) from None
    version = metadata.get("keras_version")
    return SourceFile(
        path,
        "keras",
        _sha256(path),
        path.stat().st_size,
        default_name(path),
        version if isinstance(version, str) else None,
    )


def _check_weights(path: Path, archive: zipfile.ZipFile) -> None:
    from tfjs_bundle.source import hdf5  # only here: h5py takes a while to import

    try:
        with hdf5.open_entry(archive, "model.weights.h5") as weights:
            hdf5.refuse_foreign_data(path, weights)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise SourceError(
            f"{path} is damaged: model.weights.h5 in it is not whole: {_short(error)}", _COPY_AGAIN
        ) from None


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that leave the directory, links, encryption, duplicates and bombs."""
    dangerous = "Do not use this file; get the model from its author again."
    seen: set[str] = set()
    for entry in entries:
        # orig_filename: zipfile turns backslashes into slashes and cuts at NUL before we see it
        for name in {entry.filename, entry.orig_filename.replace("\\", "/")}:
            parts = PurePosixPath(name)
            if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
                raise SourceError(f"{path} has an entry that leaves its directory: {name!r}.", dangerous)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise SourceError(f"{path} has an entry that is a symbolic link: {entry.filename!r}.", dangerous)
        if entry.flag_bits & 0x1:
            raise SourceError(f"{path} is encrypted.", _SAVE_AGAIN)
        if entry.filename in seen:
            raise SourceError(f"{path} has the entry {entry.filename!r} twice.", dangerous)
        seen.add(entry.filename)
        grows = entry.file_size > _BOMB_FLOOR and entry.file_size > _MAX_EXPANSION * max(
            entry.compress_size, 1
        )
        if grows or (entry.filename in ("config.json", "metadata.json") and entry.file_size > _MAX_CONFIG):
            raise SourceError(
                f"{path} has an entry that would grow from {entry.compress_size} to {entry.file_size} bytes: "
                f"{entry.filename!r}.",
                dangerous,
            )
    if sum(entry.compress_size for entry in entries) > path.stat().st_size:
        raise SourceError(f"{path} has entries that overlap.", dangerous)


def _check_is_keras(path: Path, names: list[str]) -> None:
    missing = [name for name in ("config.json", "metadata.json") if name not in names]
    if not any(name in names for name in _KERAS_WEIGHTS):
        missing.append("model.weights.h5")
    if not missing:
        return
    cure = _SAVE_AGAIN
    inside = {PurePosixPath(name).name: str(PurePosixPath(name).parent) for name in names}
    if "config.json" in inside and inside["config.json"] != ".":
        cure = f"Its files lie in the folder {inside['config.json']!r}: zip them without it, or save again."
    elif "saved_model.pb" in inside:
        cure = "It holds a SavedModel: unzip it and give the directory."
    elif "model.json" in inside:
        cure = "It holds a TF.js model: unzip it and give its model.json."
    elif "data.pkl" in inside:
        cure = "It is a PyTorch file, which tfjs-bundle does not read."
    elif any(name.endswith((".keras", ".h5", ".hdf5")) for name in names if name not in _KERAS_WEIGHTS):
        model = next(name for name in names if name.endswith((".keras", ".h5", ".hdf5")))
        cure = f"Unzip it and give the model in it: {model}"
    raise SourceError(
        f"{path} is a zip file but not a Keras archive: it has no {' and no '.join(missing)}.", cure
    )


def _hdf5(path: Path) -> SourceFile:
    import h5py  # only here: it takes a while to import

    from tfjs_bundle.source import hdf5

    try:
        with h5py.File(path, "r") as file:
            hdf5.refuse_foreign_data(path, file)
            attributes = {
                key: _text(file.attrs[key]) for key in ("model_config", "keras_version") if key in file.attrs
            }
            weights_only = (
                "layer_names" in file.attrs or "layers" in file or "_layer_checkpoint_dependencies" in file
            )
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if "truncated file" in str(error):
            raise SourceError(f"{path} is a truncated HDF5 file: its end is missing.", _COPY_AGAIN) from None
        raise SourceError(f"{path} is a damaged HDF5 file: {_short(error)}", _COPY_AGAIN) from None
    if "model_config" not in attributes:
        if weights_only or path.name.endswith(".weights.h5"):
            raise SourceError(f"{path} holds weights only: there is no model config in it.", _WHOLE_MODEL)
        raise SourceError(
            f"{path} is an HDF5 file without a Keras model: there is no model config in it.", _WHOLE_MODEL
        )
    _json(path, "model_config", attributes["model_config"].encode())
    return SourceFile(
        path, "h5", _sha256(path), path.stat().st_size, default_name(path), attributes.get("keras_version")
    )


# --- directories and TF.js models ----------------------------------------------------------------


def _directory(path: Path) -> SourceFile:
    saved_model = any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt"))
    model_json = path / "model.json"
    if saved_model and model_json.is_file():
        raise SourceError(
            f"{path} holds a SavedModel and a TF.js model.json.",
            f"Say which: give {model_json}, or move the SavedModel to a directory of its own.",
        )
    if saved_model:
        return _saved_model(path)
    if model_json.is_file():
        return _tfjs(model_json)
    raise SourceError(f"{path} is a directory without a SavedModel (saved_model.pb).", _inside(path))


def _inside(path: Path) -> str:
    """Say what could have been meant by this directory."""
    if (path / "bundle.json").is_file():
        return f"It is a bundle already; its model is {path / 'model' / 'model.json'}."
    if (path / "config.json").is_file() and any((path / name).is_file() for name in _KERAS_WEIGHTS):
        return "It looks like an unpacked .keras archive: zip its files, or save the model again."
    models = sorted(
        str(child)
        for child in path.iterdir()
        if (child / "saved_model.pb").is_file() or child.suffix in (".keras", ".h5", ".hdf5")
    )
    if models:
        return "Give one of: " + ", ".join(models[:8])
    return _WHAT_IS_READ


def _saved_model(path: Path) -> SourceFile:
    graph = next(path / name for name in ("saved_model.pb", "saved_model.pbtxt") if (path / name).is_file())
    again = "Copy the whole directory again, or export the model again with `model.export(...)`."
    if graph.stat().st_size == 0:
        raise SourceError(f"{graph} is empty.", again)
    variables = path / "variables"
    if variables.is_dir():
        shards = sorted(variables.glob("variables.data-*-of-*"))
        if shards and not (variables / "variables.index").is_file():
            raise SourceError(f"{path} is not whole: {variables / 'variables.index'} is missing.", again)
        total = int(shards[0].name.rpartition("-")[2]) if shards else 1
        if (variables / "variables.index").is_file() and len(shards) != total:
            raise SourceError(
                f"{path} is not whole: {len(shards)} of {total} variables.data files are there.", again
            )
    digest, size = _sha256_of_files(path, [file for file in path.rglob("*") if file.is_file()])
    return SourceFile(path, "savedmodel", digest, size, default_name(path))


def _tfjs(path: Path) -> SourceFile:
    model = _json(path, path.name, path.read_bytes())
    kind = {"graph-model": "tfjs-graph", "layers-model": "tfjs-layers"}.get(model.get("format", ""))
    if kind is None and "modelTopology" in model:  # the format is optional in early files
        topology = model["modelTopology"] or {}
        kind = "tfjs-graph" if "node" in topology else "tfjs-layers" if "model_config" in topology else None
    if kind is None:
        if {"schema_version", "digest", "files"} <= model.keys():
            raise SourceError(
                f"{path} is a bundle's manifest, not a model.",
                f"Its model is {path.parent / 'model' / 'model.json'}.",
            )
        raise SourceError(f"{path} is JSON but not a TF.js model.json.", _WHAT_IS_READ)
    try:
        names = [name for group in model.get("weightsManifest") or [] for name in group["paths"]]
    except (TypeError, KeyError):
        raise SourceError(
            f"{path} is damaged: its weightsManifest names no paths.", "Convert the model to TF.js again."
        ) from None
    shards = []
    for name in names:
        if (
            not isinstance(name, str)
            or PurePosixPath(name).is_absolute()
            or ".." in PurePosixPath(name).parts
        ):
            raise SourceError(
                f"{path} names a weights file outside its directory: {name!r}.",
                "Do not use this model; get it from its author again.",
            )
        shard = path.parent / name
        if not shard.is_file():
            raise SourceError(f"{path} is not whole: {shard} is missing.", "Copy the whole directory again.")
        shards.append(shard)
    digest, size = _sha256_of_files(path.parent, [path, *shards])
    return SourceFile(path, kind, digest, size, default_name(path.parent if path.stem == "model" else path))


# --- small things ----------------------------------------------------------------------------------


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sha256_of_files(root: Path, files: list[Path]) -> tuple[str, int]:
    names = sorted({file.relative_to(root).as_posix() for file in files})
    sizes = {name: (root / name).stat().st_size for name in names}
    lines = [f"{name}\0{sizes[name]}\0{_sha256(root / name)}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest(), sum(sizes.values())


def _json(path: Path, what: str, raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is damaged: {what} is not JSON ({error}).", _COPY_AGAIN) from None
    if not isinstance(value, dict):
        raise SourceError(f"{path} is damaged: {what} is not a JSON object.", _COPY_AGAIN)
    return value


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") + "."


def default_name(path: Path) -> str:
    """Return what a bundle of the source at ``path`` is called where nobody says."""
    path = Path(os.path.normpath(path.absolute()))  # not resolve(): the user knows a link by its own name
    name = path.name
    if name.isdigit() and path.parent.name:  # TensorFlow Serving's model/1
        name = path.parent.name
    return safe_name(re.sub(r"\.(keras|h5|hdf5|json)$", "", name, flags=re.IGNORECASE))


def _did_you_mean(path: Path) -> str:
    if not path.parent.is_dir():
        return f"The directory {path.parent} does not exist either."
    near = sorted(
        child.name for child in path.parent.iterdir() if child.suffix.lower() in (".keras", ".h5", ".hdf5")
    )[:8]
    return f"Models in {path.parent}: {', '.join(near)}" if near else "Check the path."
