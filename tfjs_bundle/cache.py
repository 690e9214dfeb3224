"""What one caller's builds keep of their models, so that a change of labels or templates is a quick build.

Entries are found by content, never by time or name: the source's bytes and every option that the numbers
may depend on. They live as long as the caller, in a temporary directory.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tfjs_bundle.config import BuildOptions
from tfjs_bundle.source.identify import SourceFile

Kept = TypeVar("Kept")

#: Options that change what a person sees and nothing that the model computes.
PRESENTATION = frozenset(["name", "labels", "template", "form", "examples", "package"])

#: Entries kept: the model at hand, the one before it (an edit taken back), and their parity reports.
_SIZE = 4


class Cache:
    """Keeps the last entries asked for, each with a directory of its own; a context manager."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="tfjs-bundle-")
        self._entries: dict[str, tuple[Any, Path]] = {}

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove every entry's directory."""
        self._entries.clear()
        self._directory.cleanup()

    def get(self, key: str | None, make: Callable[[Path], Kept]) -> Kept:
        """Return the entry of ``key``, made by ``make`` if there is none.

        Args:
            key: ``None`` where nothing says whether an entry would still be true: it is made, and not found
                again.
            make: gets a directory that lasts as long as the entry; what it raises is passed on.
        """
        if key is not None and key in self._entries:
            entry = self._entries.pop(key)
        else:
            directory = Path(tempfile.mkdtemp(dir=self._directory.name))
            entry = (make(directory), directory)
            key = key or directory.name
        self._entries[key] = entry  # the last is the most recent
        while len(self._entries) > _SIZE:
            _, oldest = self._entries.pop(next(iter(self._entries)))
            shutil.rmtree(oldest, ignore_errors=True)
        return entry[0]


def model_key(file: SourceFile, options: BuildOptions) -> str | None:
    """Return what decides the numbers of a build, as a digest; ``None`` where code decides them too.

    A module of custom objects may import anything, which nothing here would see change.
    """
    if options.custom_objects is not None:
        return None
    values = {name: value for name, value in asdict(options).items() if name not in PRESENTATION}
    if options.data is not None and options.data.is_file():
        values["data"] = hashlib.sha256(options.data.read_bytes()).hexdigest()
    given = json.dumps([file.format, file.sha256, file.name, values], sort_keys=True, default=str)
    return hashlib.sha256(given.encode()).hexdigest()
