"""Telling when a source has changed, once it has come to rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Seconds without another change before the change is told: a model file is written in many steps.
QUIET = 1.0


@contextmanager
def watching(paths: Sequence[Path], changed: Callable[[], None], quiet: float = QUIET) -> Iterator[None]:
    """Call ``changed`` on a thread of its own after any of ``paths`` (files or directories) has changed.

    Files are watched through their directories, so that one replaced by another of its name counts. Calls
    never overlap; changes during a call lead to one more call after it.
    """
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    wanted = [path.resolve() for path in paths]
    touched, stopped = threading.Event(), threading.Event()

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in ("opened", "closed_no_write"):
                return
            places = [Path(str(place)) for place in (event.src_path, event.dest_path) if place]
            if any(place == path or path in place.parents for place in places for path in wanted):
                touched.set()

    def work() -> None:
        while not stopped.is_set():
            touched.wait()
            while touched.is_set() and not stopped.is_set():
                touched.clear()
                stopped.wait(quiet)
            if not stopped.is_set():
                changed()

    observer = Observer()
    for directory in {path if path.is_dir() else path.parent for path in wanted}:
        observer.schedule(Handler(), str(directory), recursive=directory in wanted)
    thread = threading.Thread(target=work, name="tfjs-bundle watch", daemon=True)
    observer.start()
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        touched.set()
        observer.stop()
        observer.join()
        thread.join()
