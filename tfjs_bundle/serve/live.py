"""A preview in the background of the caller's own process: of a file, or of a model in memory.

What is in memory is saved while the caller waits, since training goes on changing it; everything else happens
on a thread. While one build runs only the newest model waits for the next.
"""

from __future__ import annotations

import atexit
import html
import os
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tfjs_bundle import config as configuration
from tfjs_bundle.serve.session import Attempt, Order, session
from tfjs_bundle.serve.watch import Watcher
from tfjs_bundle.source.identify import SourceFile

#: Pixels that a page gets inside a notebook.
HEIGHT = 640


class LivePreview:
    """A page that shows the model as it is now; made by :func:`tfjs_bundle.preview`.

    It is served until :meth:`close`, or until the process ends. In a notebook it shows itself.

    Args:
        host, port: where to listen; port 0 takes any free one.
        config: a ``tfjs-bundle.toml``, read anew for every build.
        options: of the builds.
        height: pixels of the page inside a notebook.
    """

    def __init__(
        self, *, host: str, port: int, config: Path | None, options: dict[str, Any], height: int = HEIGHT
    ) -> None:
        self._given, self._config, self._height = options, config, height
        configuration.options(options, config, use_directory=False)  # refused now, not in the background
        self._condition = threading.Condition()
        self._waiting: tuple[SourceFile, tempfile.TemporaryDirectory[str]] | None = None
        self._working = False
        self._last: Attempt | None = None
        self._closed = False
        self._watcher: Watcher | None = None
        self._thread: threading.Thread | None = None
        self._resources = ExitStack()
        self._session = self._resources.enter_context(session(host, port))
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """The address of the page."""
        return self._session.server.url

    def watch(self, source: str | os.PathLike[str]) -> None:
        """Show a file, now and after every change of it and of what the options name.

        Raises:
            SourceError: there is no such file.
        """
        order = Order(Path(source), self._given, self._config, use_directory=False)
        order.check()
        self._watcher = self._resources.enter_context(Watcher())
        self._working = True
        self._start(lambda: self._session.run(order, self._watcher, self._note))

    def show(self, model: Any) -> None:
        """Show a ``keras.Model`` as it is now; the build is made in the background.

        Raises:
            SourceError: the model cannot be saved.
        """
        from tfjs_bundle.source.in_memory import save_for_child

        directory = tempfile.TemporaryDirectory(prefix="tfjs-bundle-model-")
        try:
            file = save_for_child(model, directory.name)
        except BaseException:
            directory.cleanup()
            raise
        with self._condition:
            replaced, self._waiting = self._waiting, (file, directory)
            self._condition.notify_all()
        if replaced:
            replaced[1].cleanup()
        if self._thread is None:
            self._start(self._build_newest)

    def wait(self) -> None:
        """Block until everything asked for so far is built.

        Raises:
            BundleError: why the last build failed.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._closed or not (self._working or self._waiting))
        if self._last and self._last.error:
            raise self._last.error

    def close(self) -> None:
        """Stop serving and building; safe to call twice."""
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._condition.notify_all()
        atexit.unregister(self.close)
        if self._watcher:
            self._watcher.close()
        self._session.child.interrupt()
        if self._thread:
            self._thread.join()
        self._resources.close()
        if self._waiting:
            self._waiting[1].cleanup()

    def __enter__(self) -> LivePreview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LivePreview {'closed' if self._closed else self.url}>"

    def _repr_html_(self) -> str:
        """Return the page in a frame, for notebooks."""
        if self._closed:
            return "<p>This preview is closed.</p>"
        url = html.escape(self.url)
        return (
            f'<iframe src="{url}" title="Preview of the model" width="100%" height="{int(self._height)}" '
            'style="border: 1px solid #8888; border-radius: 8px" allow="camera; cross-origin-isolated">'
            "</iframe>"
            f'<p><a href="{url}" target="_blank" rel="noopener">Open the preview in a tab of its own</a></p>'
        )

    def _start(self, work: Any) -> None:
        self._thread = threading.Thread(target=work, name="tfjs-bundle preview", daemon=True)
        self._thread.start()

    def _note(self, attempt: Attempt) -> None:
        if attempt.outdated:
            return
        with self._condition:
            self._last, self._working = attempt, False
            self._condition.notify_all()

    def _build_newest(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._waiting)
                if self._closed or not self._waiting:
                    return
                (file, directory), self._waiting, self._working = self._waiting, None, True
            with directory:
                self._note(
                    self._session.attempt(
                        file,
                        lambda: configuration.options(self._given, self._config, use_directory=False),
                    )
                )
