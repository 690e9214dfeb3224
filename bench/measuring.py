"""Measures one model with every contender: conversions, first visits, then rounds of warm predictions.

Contenders take turns within each round, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import ROOT, WORK
from bench.contenders import Contender
from bench.host import LOOPBACK, SLOW, precompress
from bench.models import BenchModel
from bench.peers import Peers
from bench.process import CommandError, last_words
from bench.visit import ContenderError, Visit, visit

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

_BEGUN = time.monotonic()


@dataclass
class Entry:
    """A contender with one model.

    Attributes:
        result: what was measured so far, as bench.json has it; "missing" or "failed" is why there is no more.
        site: what a visitor visits; None before the conversion, and where there is nothing to visit.
    """

    contender: Contender
    model: BenchModel
    result: dict[str, Any] = field(default_factory=dict)
    site: Path | None = None

    @property
    def runs(self) -> bool:
        """Whether it is still in."""
        return "failed" not in self.result and "missing" not in self.result

    @property
    def source(self) -> Path:
        """The .keras file; beside it lies an .npz with inputs and what Keras predicts for them."""
        return WORK / "models" / f"{self.model.name}.keras"

    @property
    def converted(self) -> Path:
        """The directory that the contender's converter writes."""
        return WORK / "converted" / self.model.name / self.contender.convert.__name__.removeprefix("convert_")

    def attempt(self, step: str, do: Callable[..., None], *arguments: Any) -> None:
        """Measure something, if it is still in. A contender that fails is out, and why is its result."""
        from playwright.sync_api import Error

        if not self.runs:
            return
        say(f"{self.model.name}: {step}, {self.contender.title}")
        try:
            do(self, *arguments)
        except (CommandError, ContenderError, Error) as error:
            self.result["failed"] = str(error).splitlines()[0][:300]
            say(f"    failed: {self.result['failed']}")


def measure(
    model: BenchModel, contenders: Sequence[Contender], peers: Peers, *, rounds: int, visits: int
) -> Iterator[dict[str, dict[str, Any]]]:
    """Measure all contenders with one model; yields the results by contender's name, as they grow."""
    from playwright.sync_api import sync_playwright

    entries = [Entry(contender, model) for contender in contenders]
    results = {entry.contender.name: entry.result for entry in entries}
    if not entries[0].source.with_suffix(".npz").is_file():
        say(f"{model.name}: building the model")
        command = [sys.executable, "-m", "bench.models", str(WORK / "models"), model.name]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for entry in entries:
        lacking = [peers.missing[kind] for kind in entry.contender.needs if kind in peers.missing]
        if lacking:
            entry.result["missing"] = lacking[0]
            say(f"{model.name}: {entry.contender.title} is missing: {lacking[0]}")
        alike = [other for other in entries if other.contender.convert is entry.contender.convert]
        if entry is alike[0] or not alike[0].runs:
            entry.attempt("converting", _convert, peers)
        else:
            entry.result["convert"] = alike[0].result["convert"]
            if entry.contender.site is alike[0].contender.site:
                entry.site = alike[0].site
        yield results
    with sync_playwright() as playwright:
        for number in range(visits):
            for entry in entries:
                if entry.site:
                    step = f"visit {number + 1} of {visits}, {SLOW.name}"
                    entry.attempt(step, _first_visit, playwright)
            yield results
        for number in range(rounds):
            for entry in entries:
                for threads in entry.contender.threads:
                    step = f"round {number + 1} of {rounds}, {threads} thread{'s'[: threads - 1]}"
                    if entry.site:
                        entry.attempt(step, _warm, playwright, threads)
                    else:
                        entry.attempt(step, _native, peers)
            yield results


def _convert(entry: Entry, peers: Peers) -> None:
    site = WORK / "sites" / entry.model.name / entry.contender.name
    for old in (entry.converted, site):
        shutil.rmtree(old, ignore_errors=True)
        old.parent.mkdir(parents=True, exist_ok=True)
    cost = entry.contender.convert(peers, entry.source, entry.converted)
    entry.result["convert"] = {"seconds": cost.seconds, "memory": cost.memory}
    if entry.contender.site:
        entry.contender.site(peers, entry.converted, site)
        say(f"{entry.model.name}: compressing what is served, {entry.contender.title}")
        precompress(site)
        entry.site = site


def _first_visit(entry: Entry, playwright: Playwright) -> None:
    """On one thread: a cold visit, its memory and outputs, and a reload."""
    seen = _visit(entry, playwright, SLOW, threads=1, again=True, memory=True, outputs=True)
    result = entry.result
    result["difference"] = _difference(seen.outputs or [], entry.source)
    result["wire"] = {**seen.wire, "later": seen.later}
    result.setdefault("cold", {}).setdefault("slow", []).append(seen.cold)
    again = result.setdefault("again", {"milliseconds": []})
    again["milliseconds"].append(seen.again)
    again["wire"] = seen.wire_again
    if seen.memory is not None:
        result.setdefault("memory", []).append(seen.memory)


def _warm(entry: Entry, playwright: Playwright, threads: int) -> None:
    """A cold visit on loopback, then warm predictions."""
    seen = _visit(entry, playwright, LOOPBACK, threads=threads, warm=True)
    if threads == 1:
        entry.result.setdefault("cold", {}).setdefault("loopback", []).append(seen.cold)
    _add_warm(entry, threads, {**(seen.warm or {}), "threads": seen.threads})


def _native(entry: Entry, peers: Peers) -> None:
    script = Path(__file__).parent / "routes" / "native.py"
    command = [peers.python, script, entry.converted / "model.tflite", entry.source.with_suffix(".npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(last_words(done.stderr))
    said = json.loads(done.stdout)
    entry.result["difference"] = _difference(said["outputs"], entry.source)
    _add_warm(entry, 1, {**said["warm"], "threads": 1})


def _visit(entry: Entry, playwright: Playwright, *arguments: Any, **options: Any) -> Visit:
    assert entry.site
    network, *_ = arguments
    page = {**entry.model.options(), **entry.contender.options}
    return visit(playwright, entry.site, network, page, **options)


def _add_warm(entry: Entry, threads: int, warm: dict[str, Any]) -> None:
    entry.result.setdefault("warm", {}).setdefault(str(threads), []).append(warm)


def _difference(outputs: list[list[float]], source: Path) -> dict[str, float]:
    """Return the largest difference from Keras over all inputs, also as a part of the largest output."""
    import numpy as np

    with np.load(source.with_suffix(".npz")) as arrays:
        expected = [arrays[f"y{index}"].ravel().astype(float) for index in range(len(outputs))]
    pairs = [(np.asarray(one), other) for one, other in zip(outputs, expected, strict=True)]
    if any(one.shape != other.shape for one, other in pairs):
        raise ContenderError("its output has another size than Keras's")
    largest = max(float(np.abs(one - other).max()) for one, other in pairs)
    return {"absolute": largest, "relative": largest / max(float(np.abs(other).max()) for _, other in pairs)}


def say(what: str) -> None:
    """Tell how far it is on standard error, with the time since the start."""
    passed = int(time.monotonic() - _BEGUN)
    print(f"[{passed // 60:2d}:{passed % 60:02d}] {what}", file=sys.stderr, flush=True)
