"""What a long run found, a line of JSON at a time, so that an interrupted run can go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def append(path: Path, entry: object) -> None:
    """Add ``entry`` to the record at ``path``."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def entries(path: Path) -> Iterator[Any]:
    """Yield the entries of a record in the order in which they were added; none where there is no record."""
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
