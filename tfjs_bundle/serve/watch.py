"""Telling when files have changed, once they have come to rest.

What a file is like now, against what it was like when it was last looked at, decides; the system's file
events only say when to look. Where they do not arrive (network drives, some containers, no watches left)
a look now and then finds the same.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tfjs_bundle.source.marks import Mark, mark, marks

#: Seconds that a small file must not have changed before it is taken for written: editors write it at once.
QUICK = 0.1
#: The same for a model, which is written in many steps, unless the system tells that its writer closed it.
SLOW = 1.0
#: Seconds between looks while no events arrive.
LOOK_EVERY = 1.0


@dataclass(frozen=True)
class Watched:
    """A file, or a directory with all that is in it; ``slow`` where it is written in many steps."""

    path: Path
    slow: bool = False


class Watcher:
    """Watches files for one builder, which says before every build what it is about to read."""

    def __init__(self) -> None:
        self._watched: tuple[Watched, ...] = ()
        self._seen: dict[Path, Mark] = {}
        self._events = _Events()
        self._closed = False

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def about_to_read(self, watched: Iterable[Watched]) -> None:
        """Watch these from now on; :meth:`wait` tells what has changed since this very moment."""
        self._watched = tuple(dict.fromkeys(watched))
        self._seen = _look(self._watched)
        self._events.follow([each.path for each in self._watched])

    def has_news(self) -> bool:
        """Tell whether anything has changed already, come to rest or not."""
        return _look(self._watched) != self._seen

    def wait(self) -> list[Path]:
        """Block until something has changed and come to rest; return what, or nothing once closed."""
        while not self._closed:
            self._events.forget()
            before = _look(self._watched)
            changed = _difference(self._seen, before)
            if not changed:
                self._events.wait(LOOK_EVERY)
                continue
            quiet = SLOW if any(self._in_many_steps(path) for path in changed) else QUICK
            noise = self._events.wait(quiet)
            if not noise and not self._closed and _look(self._watched) == before:
                return changed
        return []

    def close(self) -> None:
        """Make :meth:`wait` return, now and ever after; safe to call twice and from any thread."""
        self._closed = True
        self._events.close()

    def _in_many_steps(self, path: Path) -> bool:
        for watched in self._watched:
            if watched.slow and watched.path == path:
                return not self._events.was_finished_as(path, mark(path))
            if watched.slow and watched.path in path.parents:
                return True  # the files of a directory are finished one by one
        return False


def _look(watched: Iterable[Watched]) -> dict[Path, Mark]:
    return marks(each.path for each in watched)


def _difference(before: dict[Path, Mark], after: dict[Path, Mark]) -> list[Path]:
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


class _Events:
    """The system's file events under some paths, as far as the system has any."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._noise = False
        self._closed = False
        self._wanted: frozenset[Path] = frozenset()
        self._finished: dict[Path, Mark | None] = {}
        self._observer: Any = None

    def follow(self, paths: Collection[Path]) -> None:
        """Follow ``paths``, files through their directories, so that one replaced by another counts."""
        wanted = frozenset(path.resolve() for path in paths)
        if wanted == self._wanted:
            return
        self._stop()
        self._wanted = wanted
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        handler = FileSystemEventHandler()
        handler.on_any_event = self._note
        self._observer = Observer()
        try:
            for directory in {path if path.is_dir() else path.parent for path in wanted}:
                if directory.is_dir():
                    self._observer.schedule(handler, str(directory), recursive=directory in wanted)
            self._observer.start()
        except OSError:  # no watches left, or a file system that has none: looks will do
            self._observer = None

    def forget(self) -> None:
        with self._condition:
            self._noise = False

    def wait(self, seconds: float) -> bool:
        """Block until something happens, for at most ``seconds``; return whether it did."""
        with self._condition:
            return self._condition.wait_for(lambda: self._noise or self._closed, seconds) and not self._closed

    def was_finished_as(self, path: Path, as_it_was: Mark | None) -> bool:
        """Tell whether the file was ``as_it_was`` already when a writer closed it, or put it there whole."""
        with self._condition:
            return as_it_was is not None and self._finished.get(path.resolve()) == as_it_was

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._stop()

    def _stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _note(self, event: Any) -> None:
        if event.event_type in ("opened", "closed_no_write"):
            return
        places = [Path(str(place)) for place in (event.src_path, event.dest_path) if place]
        if not any(place == path or path in place.parents for place in places for path in self._wanted):
            return
        with self._condition:
            if event.event_type in ("closed", "moved"):
                self._finished[places[-1]] = mark(places[-1])
            self._noise = True
            self._condition.notify_all()
