"""Processes and what they need: seconds, and the peak of the memory of a process with all its descendants.

Memory is the proportional set size (PSS) that Linux keeps in /proc: pages that processes share are counted
once, which a sum of resident sizes would not do. Elsewhere it is not known.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


class CommandError(Exception):
    """A command that was to be measured has failed; the message is the end of what it said."""


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, and peak memory in bytes where it is known."""

    seconds: float
    memory: int | None


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 900,
) -> Cost:
    """Run ``command`` to its end and return what it cost.

    Raises:
        CommandError: it ended with another code than 0, could not be started, or took more than ``timeout``
            seconds.
    """
    begin = time.perf_counter()
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be started: {error.strerror}") from None
    with Memory(lambda: process.pid) as memory:
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise CommandError(f"no answer within {timeout:g} s") from None
        seconds = time.perf_counter() - begin
    if process.returncode:
        raise CommandError(last_words(said) or f"exit code {process.returncode}")
    return Cost(seconds, memory.peak)


def last_words(said: str) -> str:
    """Return the line that most likely says why a program failed: the last one with words in it."""
    lines = [line.strip() for line in said.splitlines() if any(letter.isalpha() for letter in line)]
    return lines[-1][:300] if lines else ""


class Memory:
    """Samples the memory of a process and its descendants while its ``with`` block runs.

    Attributes:
        peak: the most that was seen, in bytes; None where this system does not say.
        last: what was seen last.
    """

    def __init__(self, root: Callable[[], int | None], interval: float = 0.1) -> None:
        self.peak: int | None = None
        self.last: int | None = None
        self._root = root
        self._interval = interval
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Memory:
        if _PROC.joinpath("self/smaps_rollup").exists():
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _sample(self) -> None:
        while not self._end.is_set():
            begin = time.perf_counter()
            root = self._root()
            if root is not None:
                self.last = sum(_pss(process) for process in tree(root))
                self.peak = max(self.peak or 0, self.last)
            # Looking must not slow down what is looked at: at most a twentieth of a core.
            self._end.wait(max(self._interval, 19 * (time.perf_counter() - begin)))


def tree(root: int) -> list[int]:
    """Return ``root`` and all its descendants, as process ids."""
    children: dict[int, list[int]] = {}
    for directory in _PROC.iterdir():
        if directory.name.isdigit():
            try:
                parent = int(directory.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue  # it has ended meanwhile
            children.setdefault(parent, []).append(int(directory.name))
    found = [root]
    for process in found:
        found.extend(children.get(process, ()))
    return found


def find(argument: str) -> int | None:
    """Return the oldest process that has ``argument`` in its command line, or None."""
    found = []
    for directory in _PROC.glob("[0-9]*"):
        try:
            if argument.encode() in directory.joinpath("cmdline").read_bytes():
                found.append(int(directory.name))
        except OSError:
            continue
    return min(found, default=None)


def _pss(process: int) -> int:
    try:
        for line in _PROC.joinpath(str(process), "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended meanwhile
    return 0
