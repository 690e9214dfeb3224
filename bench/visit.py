"""A visitor with a new browser: the first visit, a reload with a warm cache, and warm predictions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bench.contenders import part_of
from bench.host import Host, Network, Sent
from bench.process import Memory, find
from tfjs_bundle.verify.browser import FLAGS, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright

#: Milliseconds until a contender counts as one that does not answer.
PATIENCE = 120_000

#: Milliseconds that a browser is given to start, which takes time and memory that no page has asked for.
STARTING = 1000

#: Warm predictions: first for ``warmUp`` ms unmeasured, then until ``milliseconds`` or ``count`` are reached.
WARM = {"warmUp": 500, "milliseconds": 1000, "count": 60}


class ContenderError(Exception):
    """A contender did not predict; the message is its own."""


@dataclass(frozen=True)
class Visit:
    """What one browser saw. Times in milliseconds, sizes in bytes.

    Attributes:
        cold: from the beginning of the navigation to the first prediction.
        wire: what was sent until then, by part (:func:`bench.contenders.part_of`), bodies alone.
        later: bodies that followed by themselves, all parts together.
        again: the same time in a reload of the page.
        wire_again: what was sent for that, by part, headers included.
        memory: the most that the browser's processes had, above an empty page's; None where unknown.
        threads: how many the contender says that it computes with.
        warm: median, min and count of warm predictions.
        outputs: one list per seed.
    """

    cold: float
    wire: dict[str, int]
    later: int
    again: float | None
    wire_again: dict[str, int] | None
    memory: int | None
    threads: int
    warm: dict[str, float] | None
    outputs: list[list[float]] | None


def visit(
    playwright: Playwright,
    site: Path,
    network: Network,
    options: dict[str, Any],
    *,
    threads: int,
    warm: bool = False,
    again: bool = False,
    memory: bool = False,
    outputs: bool = False,
) -> Visit:
    """Visit ``site`` with a browser that has started, and was never anywhere.

    Args:
        options: of :meth:`bench.models.BenchModel.options`.
        threads: as many cores as the page is told that there are, and asked to use.

    Raises:
        ContenderError: the page did not predict.
    """
    with Host(site, network) as host, _browser(playwright) as (page, mark):
        page.context.new_cdp_session(page).send(
            "Emulation.setHardwareConcurrencyOverride", {"hardwareConcurrency": threads}
        )
        query = urlencode({"options": json.dumps({**options, "threads": threads, "backend": "wasm"})})
        process = find(mark) if memory else None
        before = Memory(lambda: process, interval=0.02)
        during = Memory(lambda: process, interval=0.1)
        with before if memory else _nothing():
            page.wait_for_timeout(STARTING)
        with during if memory else _nothing():
            page.goto(f"{host.url}bench.html?{query}", wait_until="load")
            first = _first(page)
            sent = host.forget()
            page.wait_for_load_state("networkidle")
            numbers = _ask(page, "outputs") if outputs or memory else None
        times = _ask(page, "warm", WARM) if warm else None
        second, sent_again = None, None
        if again:
            _ask(page, "settled")
            page.wait_for_load_state("networkidle")
        later = sum(answer.size for answer in host.forget())
        if again:
            page.reload(wait_until="load")
            second = _first(page)["milliseconds"]
            page.wait_for_load_state("networkidle")
            sent_again = _by_part(host.forget(), heads=True)
        peak = during.peak - before.last if during.peak and before.last else None
        return Visit(
            cold=first["milliseconds"],
            wire=_by_part(sent, heads=False),
            later=later,
            again=second,
            wire_again=sent_again,
            memory=peak,
            threads=first["threads"],
            warm=times,
            outputs=numbers,
        )


@contextmanager
def _browser(playwright: Playwright) -> Iterator[tuple[Page, str]]:
    """A new browser with a profile on disk, as visitors have: its HTTP cache has room for large files."""
    with tempfile.TemporaryDirectory(prefix="bench-profile-", ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=find_chromium(playwright),
            headless=True,
            chromium_sandbox=False,
            args=list(FLAGS),
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield context.pages[0], profile
        finally:
            context.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _first(page: Page) -> dict[str, Any]:
    page.wait_for_function("globalThis.bench !== undefined")
    first = _ask(page, "first")
    if "error" in first:
        raise ContenderError(first["error"].splitlines()[0][:300])
    return dict(first)


def _ask(page: Page, question: str, argument: Any = None) -> Any:
    return page.evaluate(
        "([question, argument]) => globalThis.bench[question](argument)", [question, argument]
    )


def _by_part(sent: list[Sent], *, heads: bool) -> dict[str, int]:
    sizes = dict.fromkeys(("runtime", "weights", "entry", "page"), 0)
    for answer in sent:
        sizes[part_of(answer.path)] += answer.size + (answer.head if heads else 0)
    return sizes
