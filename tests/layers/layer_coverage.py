"""Runs every case of the layer suite on every backend and writes the tables of docs/coverage.md.

``make coverage`` runs all of it; ``python tests/layers/layer_coverage.py --only Conv2D --backend wasm`` a
part, and then writes nothing. Every verdict is noted as it comes: ``--again`` goes on where a run of all was
interrupted, and runs again what was wrong in it. Ends with 1 where a case is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import records  # noqa: E402
from layer_case import LayerCase  # noqa: E402
from suite import NOT_RUN, REFUSED, RIGHT, WRONG, Verdict, suite  # noqa: E402

TABLE = Path(__file__).parents[2] / "docs" / "coverage.md"
#: What the last run of all found: a line of JSON per case; the last of a name counts.
RECORD = Path(__file__).parents[2] / "build" / "coverage.jsonl"
BACKENDS = ("cpu", "wasm", "webgl", "webgpu")

#: The case's name to what each backend made of it.
Results = dict[str, dict[str, Verdict]]


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="a regular expression that the case's name must contain")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="by default, all")
    parser.add_argument("--again", action="store_true", help="what the last run of all left or got wrong")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="browsers at once")
    given = parser.parse_args(arguments)

    from layer_cases import CASES

    cases = [case for case in CASES if not given.only or re.search(given.only, case.name)]
    backends = tuple(given.backend or BACKENDS)
    if given.only or backends != BACKENDS:
        return int(is_wrong(run([case.name for case in cases], layer_case, backends, given.jobs)))

    if not given.again:
        RECORD.unlink(missing_ok=True)
    settled = {
        name: verdicts
        for name, verdicts in recorded().items()
        if all(verdict.status in (RIGHT, REFUSED) for verdict in verdicts.values())
    }
    left = [case.name for case in cases if case.name not in settled]
    results = settled | run(left, layer_case, backends, given.jobs, RECORD)
    results = {case.name: results[case.name] for case in cases}
    TABLE.write_text(table(cases, results), encoding="utf-8")
    print(f"written: {TABLE}")
    return int(is_wrong(results))


def layer_case(name: str) -> LayerCase:
    """Return the case of the layer suite with this name."""
    from layer_cases import CASES

    return next(case for case in CASES if case.name == name)


def recorded() -> Results:
    """Return what :data:`RECORD` says."""
    return {
        name: {backend: Verdict(**verdict) for backend, verdict in verdicts.items()}
        for name, verdicts in records.entries(RECORD)
    }


def run(
    names: Sequence[str],
    find: Callable[[str], LayerCase],
    backends: Sequence[str],
    jobs: int,
    record: Path | None = None,
) -> Results:
    """Run the cases named, in ``jobs`` processes, each with a browser and a TensorFlow of its own.

    Args:
        find: a function of a module, for the processes import it by name.
        record: a file to which every case adds a line, as :func:`recorded` reads it.
    """
    started = time.monotonic()
    shares = [names[start::jobs] for start in range(jobs)]
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        done = [pool.submit(_run_share, share, find, tuple(backends), record) for share in shares if share]
        results = {name: verdicts for share in done for name, verdicts in share.result().items()}
    for status in (RIGHT, REFUSED, WRONG, NOT_RUN):
        counts = (f"{backend} {_count(results, backend, status)}" for backend in backends)
        print(f"{status}: {', '.join(counts)}")
    print(f"{len(results)} cases in {time.monotonic() - started:.0f} s")
    return results


def is_wrong(results: Results) -> bool:
    """Return whether any case is wrong on any backend."""
    return any(verdict.status == WRONG for verdicts in results.values() for verdict in verdicts.values())


def _run_share(
    names: Sequence[str],
    find: Callable[[str], LayerCase],
    backends: tuple[str, ...],
    record: Path | None,
) -> Results:
    from playwright.sync_api import sync_playwright

    from tfjs_bundle.convert.child import Child
    from tfjs_bundle.verify.browser import launch

    results: Results = {}
    with Child() as child, sync_playwright() as playwright:
        browser = launch(playwright)
        with suite(child, browser, backends) as running:
            for name in names:
                results[name] = running.run(find(name))
                _report(name, results[name])
                if record:
                    verdicts = {backend: dataclasses.asdict(each) for backend, each in results[name].items()}
                    records.append(record, [name, verdicts])
        browser.close()
    return results


def _report(name: str, verdicts: Mapping[str, Verdict]) -> None:
    statuses = "  ".join(f"{backend} {verdict.status}" for backend, verdict in verdicts.items())
    details = {f"    {verdict.status}: {verdict.detail}" for verdict in verdicts.values() if verdict.detail}
    print("\n".join([f"{name}:  {statuses}", *sorted(details)]), flush=True)


def table(cases: Iterable[LayerCase], results: Results) -> str:
    """Return the document: a row per layer, and every exception with its reason."""
    import keras
    import tensorflow as tf

    by_layer: dict[str, list[LayerCase]] = {}
    for case in cases:
        by_layer.setdefault(case.layer, []).append(case)
    lines = [
        "# Which layers run, and where",
        "",
        f"Written by `make coverage` with Keras {keras.__version__} and TensorFlow {tf.__version__}: every "
        "layer and activation of Keras in several configurations, and every function of `keras.ops`, built "
        "into a bundle and compared in Chromium with what Keras predicts. Do not edit it by hand.",
        "",
        "A number is how many configurations predict what Keras predicts; *refused* means that the build, or "
        "the loader on that backend, says so by name instead of predicting.",
        "",
        "| | " + " | ".join(BACKENDS) + " |",
        "|---|" + "---|" * len(BACKENDS),
    ]
    for status in (RIGHT, REFUSED, WRONG, NOT_RUN):
        counts = [_count(results, backend, status) for backend in BACKENDS]
        if any(counts) or status in (RIGHT, REFUSED, WRONG):
            lines.append(f"| {status} | " + " | ".join(map(str, counts)) + " |")
    lines += [
        "",
        "## By layer",
        "",
        "| layer | " + " | ".join(BACKENDS) + " |",
        "|---|" + "---|" * len(BACKENDS),
    ]
    for layer in sorted(by_layer, key=str.lower):
        cells = [_cell([results[case.name][backend] for case in by_layer[layer]]) for backend in BACKENDS]
        lines.append(f"| {layer} | " + " | ".join(cells) + " |")
    lines += ["", "## What does not run, and why", ""]
    reasons = _reasons(results)
    lines += reasons or ["Everything runs."]
    return "\n".join(lines) + "\n"


def _reasons(results: Results) -> list[str]:
    lines = []
    for name, verdicts in sorted(results.items(), key=lambda item: item[0].lower()):
        by_reason: dict[str, list[str]] = {}
        for backend, verdict in verdicts.items():
            if verdict.status != RIGHT:
                by_reason.setdefault(f"{verdict.status}: {' '.join(verdict.detail.split())}", []).append(
                    backend
                )
        for reason, backends in by_reason.items():
            where = "everywhere" if len(backends) == len(verdicts) else "on " + ", ".join(backends)
            lines.append(f"- **{name}** – {where} {reason}")
    return lines


def _cell(verdicts: Sequence[Verdict]) -> str:
    counts = {
        status: sum(verdict.status == status for verdict in verdicts)
        for status in (RIGHT, REFUSED, WRONG, NOT_RUN)
    }
    parts = [f"{counts[RIGHT]}"] if counts[RIGHT] else []
    parts += [f"{counts[status]} {status}" for status in (REFUSED, WRONG, NOT_RUN) if counts[status]]
    return ", ".join(parts)


def _count(results: Results, backend: str, status: str) -> int:
    return sum(verdicts[backend].status == status for verdicts in results.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
