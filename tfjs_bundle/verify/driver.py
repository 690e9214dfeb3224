"""Run a served bundle in Chromium, backend by backend, and bring its outputs back as numpy arrays.

The bundle is loaded by its own loader.js through the public API, in a page (the harness)
that is put beside it on the same origin, with the headers that the bundle's own page has.
"""

from __future__ import annotations

import base64
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from tfjs_bundle.bundle import LOADER
from tfjs_bundle.errors import BrowserError, MissingBrowserError, SourceError
from tfjs_bundle.serve.server import CONTENT_TYPES
from tfjs_bundle.site.security import PACKAGE_POLICY, content_security_policy
from tfjs_bundle.verify.browser import CURE, launch
from tfjs_bundle.verify.cases import NUMPY_DTYPES, Case
from tfjs_bundle.verify.metrics import Tensor, tfjs_dtype_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

#: Where the harness appears on the bundle's origin; nothing is ever written there.
PREFIX = "/__tfjs_bundle_verify__/"

#: The compiled harness page and its script.
HARNESS = Path(__file__).parents[1] / "_runtime" / "verify"

#: Seconds that loading, or one prediction, may take before the backend is given up.
TIMEOUT = 300.0

#: The fastest of at most so many predictions, in at most so many milliseconds, is the warm one.
WARM_REPEATS = 10
WARM_BUDGET_MS = 1000

#: What the bundle's page is served with, the harness is served with too.
COPIED_HEADERS = (
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Embedder-Policy",
    "Cross-Origin-Resource-Policy",
    "Content-Security-Policy",
)


@dataclass(frozen=True)
class BackendRun:
    """What one backend did.

    Attributes:
        backend: its name.
        status: ``"ran"``, ``"not run"`` (this machine or the bundle has no such backend) or
            ``"failed"``.
        reason: why it did not run or failed.
        outputs: by name, one mapping per case.
        warm_outputs: those of the first case once more, of the last of many predictions: a loader that knows
            the inputs' shapes by then does not compute them as it did at first.
        load_ms: milliseconds from the loader's import to a ready model, the self-check included.
        first_ms: milliseconds of the first prediction.
        warm_ms: milliseconds of the fastest prediction of the first case.
        foreign: addresses outside the bundle's origin that were asked for; all were refused.
    """

    backend: str
    status: str
    reason: str = ""
    outputs: tuple[dict[str, Tensor], ...] = ()
    warm_outputs: dict[str, Tensor] = field(default_factory=dict)
    load_ms: float | None = None
    first_ms: float | None = None
    warm_ms: float | None = None
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    """What the backends did, and in which browser."""

    runs: tuple[BackendRun, ...]
    browser: str


class RefusalError(Exception):
    """The harness's answer when the bundle's loader refused."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def run_cases(
    url: str,
    cases: Sequence[Case],
    backends: Sequence[str],
    *,
    module: str = LOADER,
    step: Callable[[str], None] = lambda message: None,
    timeout: float | None = None,
) -> Session:
    """Run ``cases`` on each of ``backends`` of the bundle at ``url``.

    Playwright's event loop lives on a thread of its own, so that this works where the caller
    has a loop already (a notebook, a test).

    Args:
        url: the bundle's address, with a trailing slash.
        module: the bundle's own module, by which a page loads the model.
        step: is told what is being done, on the caller's thread.
        timeout: seconds that loading, or one prediction, may take; :data:`TIMEOUT` by default.

    Raises:
        BrowserError: there is no browser, it does not start, or it died.
        SourceError: nothing answers at ``url``.
    """
    headers = page_headers(url)
    if module != LOADER:
        headers["Content-Security-Policy"] = content_security_policy(PACKAGE_POLICY)
    messages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    stop = threading.Event()
    runs: list[BackendRun] = []
    browsers: list[str] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            _drive(
                url, module, cases, backends, headers, timeout or TIMEOUT, messages.put, stop, runs, browsers
            )
        except BaseException as error:
            failures.append(error)
        finally:
            messages.put(None)

    thread = threading.Thread(target=work, name="tfjs-bundle verify", daemon=True)
    thread.start()
    try:
        while True:
            try:
                message = messages.get(timeout=0.5)  # in slices: Windows cannot interrupt a long wait
            except queue.Empty:
                continue
            if message is None:
                break
            step(message)
    finally:
        stop.set()
    thread.join()
    if failures:
        raise failures[0]
    return Session(tuple(runs), browsers[0])


def _drive(
    url: str,
    module: str,
    cases: Sequence[Case],
    backends: Sequence[str],
    headers: Mapping[str, str],
    timeout: float,
    step: Callable[[str], None],
    stop: threading.Event,
    runs: list[BackendRun],
    browsers: list[str],
) -> None:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise MissingBrowserError(f"Playwright for Python cannot be imported: {error}.", CURE) from None
    with sync_playwright() as playwright:
        step("starting the browser")
        browser = launch(playwright)
        browsers.append(f"Chromium {browser.version}")
        try:
            for backend in backends:
                step(f"{backend}: loading")
                try:
                    runs.append(
                        _run_backend(browser, url, module, cases, backend, headers, timeout, step, stop)
                    )
                except Error as error:
                    if not browser.is_connected() or "crash" in str(error).lower():
                        raise BrowserError(
                            f"The browser died while it ran the model on {backend}.",
                            "Large models need memory: close other programs, or verify fewer backends "
                            "with --backend; `--no-verify` builds without a browser.",
                        ) from None
                    raise
                if stop.is_set():
                    return
        finally:
            if browser.is_connected():
                browser.close()


def _run_backend(
    browser: Browser,
    url: str,
    module: str,
    cases: Sequence[Case],
    backend: str,
    headers: Mapping[str, str],
    timeout: float,
    step: Callable[[str], None],
    stop: threading.Event,
) -> BackendRun:
    """Run all cases on one backend."""
    with opened(browser, url, headers, timeout) as (harness, foreign):
        done: dict[str, Any] = {}
        try:
            done["load_ms"], refused = _load(harness, url, module, backend)
            outputs = []
            for number, case in enumerate(cases, 1):
                step(f"{backend}: case {number} of {len(cases)}")
                milliseconds, predicted = harness.predict(case)
                done.setdefault("first_ms", milliseconds)
                outputs.append(predicted)
                if stop.is_set():
                    return BackendRun(backend, "not run", "interrupted")
            if cases:
                done["warm_ms"], done["warm_outputs"] = harness.time(cases[0])
            status, reason = ("failed", refused) if refused else ("ran", "")
            done["outputs"] = tuple(outputs)
        except RefusalError as refusal:
            # wasm and cpu are in every browser; a GPU is not, and the loader says so with these codes.
            absent = backend in ("webgl", "webgpu") and refusal.code in ("backend", "unsupported")
            status = "not run" if absent and "load_ms" not in done else "failed"
            reason = refusal.message
        if foreign:
            status, reason = "failed", f"the bundle asked for {foreign[0]}, which is not its own origin"
        return BackendRun(backend, status, reason, foreign=tuple(foreign), **done)


@contextmanager
def opened(
    browser: Browser, url: str, headers: Mapping[str, str], timeout: float = TIMEOUT
) -> Iterator[tuple[Harness, list[str]]]:
    """Open the harness beside the bundle at ``url``, in a context without memory of others.

    Args:
        headers: what the harness is served with, see :func:`page_headers`.
        timeout: seconds that loading, or one prediction, may take.

    Yields:
        The harness, and the addresses outside the bundle's origin that were asked for, as they come.
    """
    context = browser.new_context(service_workers="block")
    try:
        guard = _Guard(url, headers, [])
        context.route("**/*", guard.handle)
        page = context.new_page()
        # What a Content-Security-Policy stopped never becomes a request, but was tried all the same.
        page.on("console", lambda message: guard.console(message.text))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        page.goto(f"{origin}{PREFIX}harness.html")
        yield Harness(page, timeout), guard.foreign
    finally:
        context.close()


def _load(harness: Harness, url: str, module: str, backend: str) -> tuple[float, str]:
    """Load as a visitor does; where the self-check refuses, load without it, to see the numbers.

    Returns:
        The milliseconds it took, and why the self-check refused (empty where it did not).
    """
    try:
        return harness.load(url, backend, module=module, self_check=True), ""
    except RefusalError as refusal:
        if refusal.code != "backend":
            raise
        return harness.load(url, backend, module=module, self_check=False), refusal.message


class Harness:
    """The harness page's functions (runtime/src/verify/harness.ts)."""

    def __init__(self, page: Page, timeout: float) -> None:
        self._page = page
        self._timeout = int(timeout * 1000)

    def load(
        self,
        url: str,
        backend: str,
        *,
        self_check: bool,
        module: str = LOADER,
        worker: bool = True,
        version: str = "",
    ) -> float:
        """Load the bundle at ``url``; return the milliseconds it took.

        Args:
            worker: False lets the bundles that this page loads one after the other share one TF.js.
            version: what tells this bundle's loader from another that the page had from the same address.
        """
        job = {"module": url + module, "backend": backend, "selfCheck": self_check}
        job |= {"worker": worker, "version": version}
        answer = self._call("load", job)
        if answer["backend"] != backend:
            raise RefusalError("", f"asked for {backend}, the loader chose {answer['backend']}")
        return float(answer["milliseconds"])

    def predict(self, case: Case) -> tuple[float, dict[str, Tensor]]:
        return _timed(self._call("predict", {"inputs": _packed(case)}))

    def time(self, case: Case) -> tuple[float, dict[str, Tensor]]:
        """Return the milliseconds of the fastest prediction of several, and the outputs of the last."""
        job = {"inputs": _packed(case), "budget": WARM_BUDGET_MS, "repeats": WARM_REPEATS}
        return _timed(self._call("time", job))

    def _call(self, function: str, job: dict[str, Any]) -> Any:
        answer = self._page.evaluate(f"tfjsBundleVerify.{function}", {**job, "timeout": self._timeout})
        if "error" in answer:
            raise RefusalError(answer["error"]["code"], answer["error"]["message"])
        return answer


def _timed(answer: Mapping[str, Any]) -> tuple[float, dict[str, Tensor]]:
    outputs = {name: _unpacked(packed) for name, packed in answer["outputs"].items()}
    return float(answer["milliseconds"]), outputs


@dataclass
class _Guard:
    """Serves the harness from the package, lets the bundle's origin through, and refuses the rest."""

    url: str
    headers: Mapping[str, str]
    foreign: list[str] = field(default_factory=list)

    def handle(self, route: Route) -> None:
        path_asked = urlsplit(route.request.url).path
        if not self._own(route.request.url):
            self._note(route.request.url)
            route.abort("blockedbyclient")
        elif path_asked.startswith(PREFIX):
            path = HARNESS / path_asked.removeprefix(PREFIX)
            if path.parent == HARNESS and path.is_file():
                route.fulfill(
                    body=path.read_bytes(),
                    headers={**self.headers, "Content-Type": CONTENT_TYPES[path.suffix]},
                )
            else:
                route.fulfill(status=404, body="")
        else:
            route.continue_()

    def console(self, text: str) -> None:
        if "Content Security Policy" in text:
            for address in re.findall(r"(?:https?|wss?)://[^\s'\"]+", text):
                if not self._own(address):
                    self._note(address)

    def _own(self, address: str) -> bool:
        given, own = urlsplit(address), urlsplit(self.url)
        return (given.scheme, given.netloc) == (own.scheme, own.netloc)

    def _note(self, address: str) -> None:
        if address not in self.foreign:
            self.foreign.append(address)


def page_headers(url: str) -> dict[str, str]:
    """Return the headers that make the bundle's page what it is: isolation and policy."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310  the caller checked the scheme
            headers = response.headers
    except urllib.error.HTTPError as error:
        headers = error.headers  # a bundle without a page of its own, behind a host that answers
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(f"Nothing answers at {url}: {reason}.", "Check the address, or serve it.") from None
    return {name: headers[name] for name in COPIED_HEADERS if headers[name]}


def _packed(case: Case) -> dict[str, dict[str, Any]]:
    """Return the inputs for the harness, which draws by itself what was drawn: it need not travel."""
    return {
        name: {"draw": case.draws[name].to_json()} if name in case.draws else _pack(value)
        for name, value in case.inputs.items()
    }


def _pack(value: np.ndarray) -> dict[str, Any]:
    dtype = tfjs_dtype_of(value)
    shape = list(value.shape)
    if dtype == "string":
        return {"dtype": dtype, "shape": shape, "strings": [str(text) for text in value.reshape(-1)]}
    if value.dtype == np.int64 and (value != value.astype(np.int32)).any():
        return {"dtype": dtype, "shape": shape, "numbers": value.reshape(-1).tolist()}
    plain = np.ascontiguousarray(value, np.dtype(NUMPY_DTYPES[dtype]).newbyteorder("<"))
    return {"dtype": dtype, "shape": shape, "base64": base64.b64encode(plain.tobytes()).decode()}


def _unpacked(packed: Mapping[str, Any]) -> Tensor:
    dtype = packed["dtype"]
    if "strings" in packed:
        values = np.array(packed["strings"], object)
    else:
        raw = np.dtype({"complex64": np.complex64}.get(dtype) or NUMPY_DTYPES[dtype]).newbyteorder("<")
        values = np.frombuffer(base64.b64decode(packed["base64"]), raw)
    return Tensor(values, tuple(packed["shape"]), dtype)
