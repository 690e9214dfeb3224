"""How stages tell the world what they are doing: one callback, values only.

Stages never print. They are handed a :class:`Progress` and call it; the command
line draws it, a library caller may ignore it or collect it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One thing worth telling.

    Attributes:
        kind: ``"stage"`` (a stage starts), ``"done"`` (it ended), ``"step"`` (progress
            within it) or ``"warning"``.
        stage: the stage at work, for instance ``"convert"``.
        message: text for a person; for ``"done"`` and ``"stage"`` what the stage does.
        seconds: wall-clock seconds the stage took; only with ``"done"``.
    """

    kind: str
    stage: str
    message: str
    seconds: float | None = None


class Progress:
    """Collects warnings and stage times, and passes every event to ``callback``."""

    def __init__(self, callback: Callable[[Event], None] | None = None) -> None:
        self._callback = callback or (lambda event: None)
        self._stage = ""
        self.warnings: list[str] = []
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, message: str) -> Iterator[None]:
        """Mark the stage ``name`` as at work; times it."""
        outer, self._stage = self._stage, name
        self._callback(Event("stage", name, message))
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self._stage = outer
        self._callback(Event("done", name, message, seconds))

    def step(self, message: str) -> None:
        """Say how far the stage at work has come."""
        self._callback(Event("step", self._stage, message))

    def warn(self, message: str) -> None:
        """Keep a warning for the summary and for ``bundle.json`` (once)."""
        if message not in self.warnings:
            self.warnings.append(message)
            self._callback(Event("warning", self._stage, message))
