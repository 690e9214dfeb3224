"""Our own values as files and back: frozen dataclasses, numpy arrays, texts and numbers.

A record is a directory: ``record.json``, and beside it the arrays and files that the value names. Nothing in
one is run when it is read (no pickle): dataclasses of this package are made from their fields, nothing else.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

DOCUMENT = "record.json"

#: Key of the tag of whatever JSON has no form for.
_TAG = "@"

#: A change of the form makes older records unreadable, which is what they are.
_FORM = 2


class Later(Generic[Value]):
    """A part of a value that is read when it is asked for, and not with the rest.

    Of a record, ``get`` raises what :func:`read` does.
    """

    def __init__(self, get: Callable[[], Value]) -> None:
        self.get = get

    @classmethod
    def of(cls, value: Value) -> Later[Value]:
        """Return one that has ``value`` at hand."""
        return cls(lambda: value)


def write(value: object, directory: Path) -> None:
    """Write ``value`` into ``directory``, which is empty; files that it names by path are copied there.

    Raises:
        TypeError: something in it has no form here.
        OSError: it cannot be written.
    """
    writer = _Writer(directory)
    document = json.dumps({"form": _FORM, "value": writer.encode(value), "files": writer.files})
    digest = hashlib.sha256(document.encode()).hexdigest()
    (directory / DOCUMENT).write_text(f"{digest}\n{document}", encoding="utf-8")


def read(directory: Path, into: Path | None = None, *, whole: bool = False) -> Any:
    """Return the value in ``directory``.

    Args:
        into: its files are linked into this directory, or copied there; needed where it has files.
        whole: check what is :class:`Later` now, and not only when it is asked for.

    Raises:
        ValueError, OSError, LookupError, TypeError, AttributeError, ImportError: the record is damaged, or
            another release wrote it.
    """
    digest, _, document = (directory / DOCUMENT).read_text(encoding="utf-8").partition("\n")
    if hashlib.sha256(document.encode()).hexdigest() != digest:
        raise ValueError(f"{directory / DOCUMENT} is damaged")
    record = json.loads(document)
    if record["form"] != _FORM:
        raise ValueError(f"{directory} has another form")
    reader = _Reader(directory, into or directory, whole)
    reader.link(record["files"])
    reader.check(record["files"])
    return reader.decode(record["value"])


class _Writer:
    """Encodes a value, and puts what has a file of its own into the directory."""

    def __init__(self, directory: Path, numbers: Iterator[int] | None = None) -> None:
        self._directory = directory
        self._numbers = numbers or itertools.count()
        self.files: dict[str, str] = {}

    def encode(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, list):
            return [self.encode(item) for item in value]
        if isinstance(value, tuple):
            return {_TAG: "tuple", "items": [self.encode(item) for item in value]}
        if isinstance(value, Mapping):
            return {
                _TAG: "dict",
                "items": [[self.encode(key), self.encode(item)] for key, item in value.items()],
            }
        if isinstance(value, complex):
            return {_TAG: "complex", "items": [value.real, value.imag]}
        if isinstance(value, bytes):
            return {_TAG: "bytes", "base64": base64.b64encode(value).decode()}
        if isinstance(value, Path):
            return {_TAG: "file", "name": self._copy(value)}
        if isinstance(value, Later):
            part = _Writer(self._directory, self._numbers)
            return {_TAG: "later", "name": part._document(part.encode(value.get())), "files": part.files}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            kind = type(value)
            members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return {
                _TAG: f"{kind.__module__}:{kind.__qualname__}",
                **{name: self.encode(member) for name, member in members.items()},
            }
        return self._array(value)

    def _array(self, value: Any) -> Any:
        import numpy as np

        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return self.encode(value.item())
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a {type(value).__name__} cannot be kept")
        if value.dtype.kind == "O":
            return {_TAG: "texts", "shape": list(value.shape), "items": self.encode(value.ravel().tolist())}
        if value.dtype.kind not in "biufcSU":
            raise TypeError(f"an array of {value.dtype} cannot be kept")
        name = f"{next(self._numbers)}.npy"
        np.save(self._directory / name, value, allow_pickle=False)
        self._note(name)
        return {_TAG: "array", "name": name}

    def _document(self, encoded: Any) -> str:
        name = f"{next(self._numbers)}.json"
        (self._directory / name).write_text(json.dumps(encoded), encoding="utf-8")
        self._note(name)
        return name

    def _copy(self, path: Path) -> str:
        name = f"{next(self._numbers)}-{path.name}"
        shutil.copyfile(path, self._directory / name)
        self._note(name)
        return name

    def _note(self, name: str) -> None:
        with (self._directory / name).open("rb") as stream:
            self.files[name] = hashlib.file_digest(stream, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """Give the file, which nobody writes to, a second name: it stays whatever becomes of the record."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Decodes what a :class:`_Writer` encoded, out of ``directory`` and with its files in ``into``."""

    directory: Path
    into: Path
    whole: bool

    def link(self, names: Iterable[str]) -> None:
        for name in names:
            _link(self.directory / name, self.into / name)

    def check(self, files: Mapping[str, str]) -> None:
        for name, sha256 in files.items():
            with (self.into / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
                    raise ValueError(f"{self.directory / name} is damaged")

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        tag = value[_TAG]
        if tag == "tuple":
            return tuple(self.decode(item) for item in value["items"])
        if tag == "dict":
            return {self.decode(key): self.decode(item) for key, item in value["items"]}
        if tag == "complex":
            return complex(*value["items"])
        if tag == "bytes":
            return base64.b64decode(value["base64"])
        if tag == "file":
            return self.into / value["name"]
        if tag == "later":
            return self._later(value["name"], value["files"])
        if tag in ("array", "texts"):
            return self._array(tag, value)
        members = {name: self.decode(member) for name, member in value.items() if name != _TAG}
        return _class(tag)(**members)

    def _later(self, document: str, files: Mapping[str, str]) -> Later[Any]:
        """Link the files at once, for the record may be gone when they are asked for; read them then."""
        self.link(files)
        if self.whole:
            self.check(files)

        def get() -> Any:
            self.check(files)
            return self.decode(json.loads((self.into / document).read_text(encoding="utf-8")))

        return Later(get)

    def _array(self, tag: str, value: dict[str, Any]) -> Any:
        import numpy as np  # takes longer to import than all else here to run

        if tag == "array":
            return np.load(self.into / value["name"], allow_pickle=False)
        items = self.decode(value["items"])
        array = np.empty(len(items), object)
        array[:] = items
        return array.reshape(value["shape"])


def _class(tag: str) -> Any:
    module, _, name = tag.partition(":")
    if not module.startswith("tfjs_bundle."):
        raise ValueError(f"{tag} is none of ours")
    found = getattr(importlib.import_module(module), name)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError(f"{tag} is no dataclass")
    return found
