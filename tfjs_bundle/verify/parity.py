"""A bundle run in Chromium, backend by backend, and compared with a reference."""

from __future__ import annotations

import hashlib
import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfjs_bundle.bundle import MANIFEST, Bundle, load_bundle
from tfjs_bundle.config import DEFAULT_BACKENDS
from tfjs_bundle.errors import MissingBrowserError, SourceError, UsageError
from tfjs_bundle.graph import serde
from tfjs_bundle.progress import Progress
from tfjs_bundle.serve.server import serving
from tfjs_bundle.verify.cases import Case, read_golden
from tfjs_bundle.verify.driver import HARNESS, BackendRun, run_cases
from tfjs_bundle.verify.metrics import Expected, compare
from tfjs_bundle.verify.report import FAILED, NOT_RUN, PASSED, BackendParity, ParityReport, worst_of

if TYPE_CHECKING:
    from tfjs_bundle.config import BuildOptions
    from tfjs_bundle.graph.ir import GraphModel
    from tfjs_bundle.graph.kernels import BackendSupport

__all__ = ["Case", "ParityReport", "run", "verify_build", "verify_golden"]

#: What the references are, in words.
FROM_SOURCE = "the source, in float32"
FROM_WEIGHTS = "the weights in the bundle, in float32 by TensorFlow"

Reference = Mapping[str, np.ndarray | Expected]


def run(
    location: str | Path,
    cases: Sequence[Case],
    references: Sequence[Reference],
    *,
    backends: Sequence[str] = DEFAULT_BACKENDS,
    progress: Progress | None = None,
    reference: str = FROM_SOURCE,
    skip: Mapping[str, str] | None = None,
) -> ParityReport:
    """Run ``cases`` on each backend in Chromium and compare the outputs with ``references``.

    Args:
        location: a bundle's directory, or its address.
        cases: what is predicted.
        references: what is expected, one mapping from output name to array per case.
        reference: what the references are, in words, for the report.
        skip: backends that cannot run the model, and why; by default, what the manifest says.

    Raises:
        SourceError: there is no bundle at ``location``.
        BrowserError: there is no browser, or it died.
    """
    progress = progress or Progress()
    if not (HARNESS / "harness.html").is_file():
        raise UsageError(
            f"The compiled runtime is missing ({HARNESS.parent}).",
            "In a checkout run `make runtime`; otherwise install tfjs-bundle again.",
        )
    with _served(location) as (url, directory):
        bundle = load_bundle(directory)
        skip = _unsupported(bundle) if skip is None else skip
        wanted = [backend for backend in backends if backend not in skip]
        session = run_cases(url, cases, wanted, module=bundle.module, step=progress.step) if wanted else None
    runs = {run.backend: run for run in session.runs} if session else {}
    return ParityReport(
        backends=tuple(
            _parity(runs[backend], cases, references)
            if backend in runs
            else BackendParity(backend, NOT_RUN, skip[backend])
            for backend in backends
        ),
        reference=reference,
        cases=tuple(case.name for case in cases),
        browser=session.browser if session else "",
    )


def verify_build(
    directory: Path,
    cases: Sequence[Case],
    references: Sequence[Reference],
    support: Mapping[str, BackendSupport],
    options: BuildOptions,
    progress: Progress,
    reference: str = FROM_SOURCE,
) -> ParityReport:
    """Verify a staged bundle as the options of its build ask for.

    Without cases (the model draws random numbers) nothing can be compared: skipped. Without
    ``options.verify`` a missing browser is a warning; with it, an error.

    Raises:
        ParityError: a backend's numbers are not the reference's.
        BrowserError: the browser died; it is missing though verification was asked for.
    """
    if not cases:
        progress.warn("Parity was skipped: the model draws random numbers at inference.")
        return ParityReport(reason="the model draws random numbers at inference", skipped=True)
    skip = {
        backend: f"the backend lacks {', '.join(entry.missing_ops)}"
        for backend, entry in support.items()
        if not entry.supported
    }
    try:
        report = run(
            directory,
            cases,
            references,
            backends=options.backends,
            progress=progress,
            reference=reference,
            skip=skip,
        )
    except MissingBrowserError as error:
        if options.verify:
            raise
        progress.warn(f"Parity was not run. {error.what}")
        return ParityReport(reason=error.what)
    report.raise_if_failed()
    return report


def verify_golden(
    location: str | Path,
    *,
    backends: Sequence[str] = DEFAULT_BACKENDS,
    progress: Progress | None = None,
) -> ParityReport:
    """Verify a bundle by the golden cases that travel in it; no source is needed.

    Args:
        location: the bundle's directory, or its address.

    Raises:
        SourceError: there is no bundle, or its golden cases are missing or damaged.
        BrowserError: there is no browser, or it died.
    """
    with _served(location) as (url, directory):
        bundle = load_bundle(directory)
        golden = next((file for file in bundle.files if file.role == "golden"), None)
        if golden is None:
            return ParityReport(reason="the bundle has no golden cases", skipped=True)
        data = _fetch(url + golden.path)
        if hashlib.sha256(data).hexdigest() != golden.sha256:
            raise SourceError(
                f"{url}{golden.path} is damaged: its sha256 is not the manifest's.",
                "Build or upload it again.",
            )
        try:
            cases, expected = read_golden(data)
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{url}{golden.path} cannot be read: {error!r}.", "Build the bundle again."
            ) from None
    return run(
        location,
        cases,
        expected,
        backends=backends,
        progress=progress,
        reference="the golden cases in the bundle",
    )


def carried_model(location: str | Path, workspace: Path) -> tuple[str, GraphModel] | None:
    """Return how the bundle at ``location`` was compressed, and the graph that it carries; else ``None``.

    Args:
        workspace: a directory for its files.

    Raises:
        SourceError: there is no bundle, or a file of its model is damaged.
    """
    with _served(location) as (url, directory):
        bundle = load_bundle(directory)
        if not bundle.compression:
            return None
        for file in bundle.files:
            if file.role in ("model", "weights"):
                data = _fetch(url + file.path)
                if hashlib.sha256(data).hexdigest() != file.sha256:
                    raise SourceError(
                        f"{url}{file.path} is damaged: its sha256 is not the manifest's.",
                        "Build or upload it again.",
                    )
                path = workspace / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    return bundle.compression, serde.load(workspace / "model" / "model.json")


def _parity(run: BackendRun, cases: Sequence[Case], references: Sequence[Reference]) -> BackendParity:
    compared = list(zip(cases, references, run.outputs, strict=False))
    if run.warm_outputs:
        compared.append((cases[0], references[0], run.warm_outputs))
    differences = [
        found
        for case, reference, outputs in compared
        for found in compare(case.name, reference, outputs, awkward=case.awkward)
    ]
    status = {"ran": PASSED, "failed": FAILED}.get(run.status, NOT_RUN)
    if status == PASSED and not (differences and all(found.passed for found in differences)):
        status = FAILED
    reason = run.reason or ("" if differences else "nothing was compared")
    return BackendParity(
        run.backend, status, reason, worst_of(differences), run.load_ms, run.first_ms, run.warm_ms
    )


def _unsupported(bundle: Bundle) -> dict[str, str]:
    found = {}
    for backend, entry in bundle.backends.items():
        if not entry.get("supported"):
            missing = ", ".join(entry.get("missing_ops", ()))
            found[backend] = f"the backend lacks {missing}" if missing else "the bundle does not support it"
    return found


@contextmanager
def _served(location: str | Path) -> Iterator[tuple[str, Path]]:
    """Yield the bundle's address and a directory with its manifest."""
    if not (isinstance(location, str) and location.startswith(("http://", "https://"))):
        load_bundle(location)  # before anything is started
        with serving(location) as server:
            yield server.url, Path(location)
        return
    parts = urllib.parse.urlsplit(location)
    path = parts.path
    if not path.endswith("/"):
        path = path.rsplit("/", 1)[0] + "/" if "." in path.rsplit("/", 1)[-1] else path + "/"
    url = urllib.parse.urlunsplit((parts.scheme, parts.netloc, path or "/", "", ""))
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as directory:
        manifest = _fetch(url + MANIFEST)
        try:
            json.loads(manifest)
        except ValueError:
            raise SourceError(
                f"{url}{MANIFEST} is not JSON: there is no bundle at this address.",
                "Give the address of the bundle's directory.",
            ) from None
        (Path(directory) / MANIFEST).write_bytes(manifest)
        yield url, Path(directory)


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310  http and https only, see _served
            data: bytes = response.read()
            return data
    except urllib.error.HTTPError as error:
        raise SourceError(
            f"{url} answers with status {error.code}.", "Give the address of a bundle's directory."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(f"{url} cannot be reached: {reason}.", "Check the address, or serve it.") from None
