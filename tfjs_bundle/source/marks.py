"""Telling whether files are still what they were, without reading them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

#: Size, time of the last change in nanoseconds, and inode, which is another where one file replaced another.
Mark = tuple[int, int, int]


def mark(path: Path) -> Mark | None:
    """Return the mark of a file, or of a directory by itself; ``None`` where there is neither."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def marks(paths: Iterable[Path]) -> dict[Path, Mark]:
    """Return the mark of every file among ``paths`` and in the directories among them."""
    found: dict[Path, Mark] = {}
    for given in paths:
        for path in (given, *(given.rglob("*") if given.is_dir() else ())):
            each = mark(path)
            if each and not path.is_dir():
                found[path] = each
    return found
