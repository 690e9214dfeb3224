"""What the pages of a preview see: the build that is served, whether another is at work, and what went wrong.

One builder changes it, on a thread of its own; any number of pages follow it on the server's event loop.
A page stays with the files of the build it was loaded from, so each build keeps a directory and an address
of its own for as long as pages may still be loading from it.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from tfjs_bundle.bundle import MANIFEST
from tfjs_bundle.errors import BundleError

#: How many builds before the one that is served keep their files.
BUILDS_KEPT = 3
#: Hexadecimal digits of a version, which stands in every address of its build.
VERSION_LENGTH = 12


@dataclass(frozen=True)
class Problem:
    """Why the last build failed: what happened, and what to do about it."""

    what: str
    cure: str = ""


@dataclass(frozen=True)
class State:
    """What is so now.

    Attributes:
        version: of the build that is served; empty until one has succeeded.
        building: what the build at work is doing, empty while none is.
        problem: why the last build failed, if it did.
    """

    version: str = ""
    building: str = ""
    problem: Problem | None = None


class Preview:
    """The state, the directories of the builds, and who wants to know of changes.

    Args:
        directory: an existing directory, for the builds alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._state = State()
        self._builds: dict[str, Path] = {}  # by version, oldest first
        self._count = 0
        self._closed = False
        self._lock = threading.Lock()
        self._followers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def state(self) -> State:
        """What is so now."""
        return self._state

    def new_output(self) -> Path:
        """Return where the next build shall be written; there is nothing yet."""
        self._count += 1
        return self._directory / str(self._count)

    def building(self, doing: str) -> None:
        """Note that a build is at work, and on what."""
        self._change(building=doing)

    def built(self, output: Path) -> bool:
        """Serve the finished build in ``output`` from now on; return whether it is another than before."""
        version = hashlib.sha256((output / MANIFEST).read_bytes()).hexdigest()[:VERSION_LENGTH]
        changed = version != self._state.version
        with self._lock:
            if version in self._builds:  # an earlier one come again: its files are at their address already
                shutil.rmtree(output, ignore_errors=True)
                output = self._builds.pop(version)
            self._builds[version] = output
            surplus = list(self._builds)[: -BUILDS_KEPT - 1]
            gone = [self._builds.pop(each) for each in surplus]
        self._change(version=version, building="", problem=None)
        for directory in gone:
            shutil.rmtree(directory, ignore_errors=True)
        return changed

    def failed(self, error: Exception) -> None:
        """Note why the build at work has failed; the one before is still served."""
        if isinstance(error, BundleError):
            problem = Problem(error.what, error.cure)
        else:
            what = f"The build ended with {type(error).__name__}: {error}"
            problem = Problem(what, "This is a bug of tfjs-bundle; please report it.")
        self._change(building="", problem=problem)

    def find(self, version: str) -> Path | None:
        """Return the directory of a build, while it is kept."""
        with self._lock:
            return self._builds.get(version)

    async def follow(self, patience: float) -> AsyncIterator[State | None]:
        """Yield the state now and after every change, and ``None`` after ``patience`` seconds without one.

        Who is slow gets the newest state only. Ends when the preview is closed.
        """
        follower = (asyncio.get_running_loop(), asyncio.Event())
        changed = follower[1]
        with self._lock:
            self._followers.add(follower)
        try:
            told: State | None = None
            while not self._closed:
                state = self._state
                yield state if state != told else None
                told = state
                try:
                    async with asyncio.timeout(patience):
                        await changed.wait()
                except TimeoutError:
                    pass
                changed.clear()
        finally:
            with self._lock:
                self._followers.discard(follower)

    @property
    def followers(self) -> int:
        """How many pages are open."""
        return len(self._followers)

    def close(self) -> None:
        """Let everybody who follows go."""
        self._closed = True
        self._change()

    def _change(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        with self._lock:
            for loop, changed in self._followers:
                loop.call_soon_threadsafe(changed.set)
