"""Bundles that are tried one after the other in one page of one Chromium, for their outputs alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from tfjs_bundle.errors import BrowserError, MissingBrowserError
from tfjs_bundle.serve.server import serving
from tfjs_bundle.verify.browser import CURE, launch
from tfjs_bundle.verify.cases import Case
from tfjs_bundle.verify.driver import Harness, RefusalError, opened, page_headers

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class Trials:
    """A page in Chromium, for as long as the ``with`` block, and the directory that it loads bundles from.

    All bundles are tried at one address by one page, so that TF.js is compiled once. Playwright's event loop
    lives on a thread of its own, as in :func:`tfjs_bundle.verify.driver.run_cases`.

    Args:
        directory: where each bundle is put, in place of the one before.
        backend: what they run on.
        step: is told how far a bundle has come, on the caller's thread.

    Attributes:
        browser: name and version.

    Raises:
        MissingBrowserError: there is no browser, or it does not start.
    """

    def __init__(self, directory: Path, backend: str, step: Callable[[str], None]) -> None:
        self.browser = ""
        self._directory, self._backend, self._step = directory, backend, step
        self._thread = ThreadPoolExecutor(1, "tfjs-bundle trials")
        self._stack = ExitStack()
        self._chromium: Browser
        self._harness: Harness | None = None
        self._url = ""
        self._stop = threading.Event()
        self._tried = self._done = 0

    def __enter__(self) -> Trials:
        try:
            self._wait(self._thread.submit(self._start))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.submit(self._stack.close)
        self._thread.shutdown()

    def predict(self, cases: Sequence[Case]) -> dict[str, np.ndarray]:
        """Return what the bundle in the directory predicts: by output, for the rows of all cases.

        Raises:
            BrowserError: the bundle cannot be run, or the browser died.
        """
        self._done = 0
        waiting = self._thread.submit(self._predict, cases)
        outputs = self._wait(waiting, lambda: self._tell(len(cases)))
        return {name: joined([each[name] for each in outputs]) for name in outputs[0]}

    def _tell(self, cases: int) -> None:
        if self._done:  # else it is still loading, of which the caller has told
            self._step(f"batch {self._done + 1} of {cases}")

    def _wait(self, future: Future[Any], tell: Callable[[], None] = lambda: None) -> Any:
        while True:
            try:
                return future.result(timeout=0.5)  # in slices: Windows cannot interrupt a long wait
            except NotYet:
                if future.done():
                    raise  # its own
                tell()

    def _start(self) -> None:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            raise MissingBrowserError(f"Playwright for Python cannot be imported: {error}.", CURE) from None
        playwright = self._stack.enter_context(sync_playwright())
        self._chromium = launch(playwright)
        self._stack.callback(self._chromium.close)
        self.browser = f"Chromium {self._chromium.version}"
        self._url = self._stack.enter_context(serving(self._directory)).url

    def _predict(self, cases: Sequence[Case]) -> list[dict[str, np.ndarray]]:
        from playwright.sync_api import Error

        outputs = []
        self._tried += 1
        try:
            if self._harness is None:
                page = opened(self._chromium, self._url, page_headers(self._url))
                self._harness, _ = self._stack.enter_context(page)
            self._harness.load(
                self._url, self._backend, self_check=False, worker=False, version=str(self._tried)
            )
            for case in cases:
                if self._stop.is_set():
                    break
                _, found = self._harness.predict(case)
                outputs.append({name: each.values.reshape(each.shape) for name, each in found.items()})
                self._done += 1
        except RefusalError as refusal:
            raise BrowserError(
                f"The compressed model cannot be tried on {self._backend}: {refusal.message}",
                "Name a quantization in place of auto.",
            ) from None
        except Error as error:
            raise BrowserError(
                f"The browser died while the compressed model was tried: {str(error).splitlines()[0]}",
                "Large models need memory: close other programs, or name a quantization in place of auto.",
            ) from None
        return outputs


def joined(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return what one output gives for the rows of all cases."""
    return np.concatenate([np.atleast_1d(value) for value in values])
