"""What verification found: for ``parity.json``, for a person, and as an error where it failed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfjs_bundle.errors import BrowserError, ParityError
from tfjs_bundle.verify.difference import ATOL, RTOL, Difference

if TYPE_CHECKING:
    from rich.table import Table

    from tfjs_bundle.compress.cost import Cost

#: A message names at most so many outputs; parity.json and the table have them all.
OUTPUTS_NAMED = 3

PASSED, FAILED, NOT_RUN, SKIPPED = "passed", "failed", "not run", "skipped"


@dataclass(frozen=True)
class BackendParity:
    """One backend against the reference.

    Attributes:
        backend: its name.
        status: ``"passed"``, ``"failed"`` or ``"not run"``.
        reason: why it was not run or failed; empty where the numbers say it.
        worst: for each output its worst difference over all cases, in the signature's order.
        load_ms, first_ms, warm_ms: milliseconds, see :class:`tfjs_bundle.verify.driver.BackendRun`.
    """

    backend: str
    status: str
    reason: str = ""
    worst: tuple[Difference, ...] = ()
    load_ms: float | None = None
    first_ms: float | None = None
    warm_ms: float | None = None

    @property
    def largest(self) -> float | None:
        """The largest absolute difference of all outputs, ``None`` where none was measured."""
        measured = [found.largest for found in self.worst if not math.isnan(found.largest)]
        return max(measured, default=None)

    def describe(self) -> str:
        """Say in one line how it went."""
        if self.status == PASSED and self.largest is not None:
            return f"{self.backend}: passed, largest difference {self.largest:.2g}"
        failures = [found.describe() for found in self.worst if not found.passed]
        if len(failures) > OUTPUTS_NAMED:
            failures[OUTPUTS_NAMED:] = [f"and {len(failures) - OUTPUTS_NAMED} more outputs"]
        detail = "; ".join(filter(None, (self.reason, *failures)))
        return f"{self.backend}: {self.status}{f', {detail}' if detail else ''}"

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"status": self.status}
        if self.reason:
            entry["reason"] = self.reason
        if self.worst:
            entry["outputs"] = {found.output: _difference_json(found) for found in self.worst}
        for name in ("load_ms", "first_ms", "warm_ms"):
            value = getattr(self, name)
            if value is not None:
                entry[name] = round(value, 2)
        return entry


@dataclass(frozen=True)
class ParityReport:
    """All backends against the reference.

    Attributes:
        backends: the ones asked for, in that order.
        reason: why nothing was compared (``not run`` and ``skipped``); empty otherwise.
        skipped: nothing can be compared, for instance because the model draws random numbers.
        reference: what the browser was compared with, in words.
        cases: the cases' names.
        browser: name and version; empty where none ran.
        atol, rtol: the tolerance: ``|actual - reference| <= atol + rtol * |reference|``.
        compression: what that made of the source's outputs, which is no matter of parity; ``None`` where
            nothing was compressed.
    """

    backends: tuple[BackendParity, ...] = ()
    reason: str = ""
    skipped: bool = False
    reference: str = ""
    cases: tuple[str, ...] = ()
    browser: str = ""
    atol: float = ATOL
    rtol: float = RTOL
    compression: Cost | None = None

    @property
    def status(self) -> str:
        """``failed`` where any backend failed, ``passed`` where at least one passed, else ``skipped``
        or ``not run``: what was not compared is never passed."""
        statuses = {entry.status for entry in self.backends}
        if FAILED in statuses:
            return FAILED
        if PASSED in statuses:
            return PASSED
        return SKIPPED if self.skipped else NOT_RUN

    @property
    def passed(self) -> bool:
        return self.status == PASSED

    @property
    def largest(self) -> float | None:
        """The largest absolute difference of all backends that passed or failed."""
        measured = [entry.largest for entry in self.backends if entry.largest is not None]
        return max(measured, default=None)

    def describe(self) -> str:
        """Say in one line per backend how it went."""
        if not self.backends:
            return f"{self.status}{f', {self.reason}' if self.reason else ''}"
        return "\n".join(entry.describe() for entry in self.backends)

    def raise_if_failed(self) -> None:
        """Raise where the browser's numbers are not the reference's.

        Raises:
            ParityError: it names the backends, the outputs, and the largest differences.
        """
        failed = [entry.describe() for entry in self.backends if entry.status == FAILED]
        if failed:
            raise ParityError(
                "Parity failed. "
                + "\n".join(failed)
                + f"\nThe tolerance is atol {self.atol:g}, rtol {self.rtol:g}.",
                "If the model runs in Keras, this is a bug of tfjs-bundle or of TensorFlow.js: please report "
                "it. --backend names other backends to verify; --no-verify builds without proof.",
            )

    def raise_if_nothing_ran(self) -> None:
        """Raise where no backend could be compared: what was not run proves nothing.

        Raises:
            BrowserError: it names the backends and their reasons.
        """
        if self.status == NOT_RUN:
            raise BrowserError(
                f"Nothing was verified. {self.describe()}", "Name backends that run here with --backend."
            )

    def omissions(self) -> list[str]:
        """Say of each backend that could not be compared why not."""
        return [
            f"Parity on {entry.backend} was not run: {entry.reason}.".replace("..", ".")
            for entry in self.backends
            if entry.status == NOT_RUN
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        document: dict[str, Any] = {"status": self.status}
        if self.reason:
            document["reason"] = self.reason
        return {
            **document,
            "atol": self.atol,
            "rtol": self.rtol,
            "reference": self.reference,
            "browser": self.browser,
            "cases": list(self.cases),
            "backends": {entry.backend: entry.to_json() for entry in self.backends},
            **({"compression": self.compression.to_json()} if self.compression else {}),
        }

    def dumps(self) -> bytes:
        """Return the bytes of ``parity.json``."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    def table(self) -> Table:
        """Return the report as a table for the terminal."""
        from rich.table import Table
        from rich.text import Text

        caption = f"atol {self.atol:g}, rtol {self.rtol:g}; {len(self.cases)} cases"
        table = Table(title="Parity", caption=self.reason or caption, title_justify="left")
        for heading in ("backend", "parity", "output"):
            table.add_column(heading)
        for heading in ("largest difference", "load", "first", "warm"):
            table.add_column(heading, justify="right")
        styles = {PASSED: "green", FAILED: "bold red"}
        for entry in self.backends:
            status = Text(entry.status, style=styles.get(entry.status, "yellow"))
            times = [_milliseconds(value) for value in (entry.load_ms, entry.first_ms, entry.warm_ms)]
            if not entry.worst:
                table.add_row(entry.backend, status, Text(entry.reason), "", *times)
            for number, found in enumerate(entry.worst):
                cell = Text(found.problem or f"{found.largest:.2g}")
                if number == 0:
                    table.add_row(entry.backend, status, Text(found.output), cell, *times)
                else:
                    table.add_row("", "", Text(found.output), cell)
            if entry.worst and entry.reason:
                table.add_row("", "", Text(entry.reason))
        return table


def worst_of(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return for each output the difference to show: one that failed before one that passed, then
    the largest."""
    worst: dict[str, Difference] = {}
    for found in differences:
        known = worst.get(found.output)
        if known is None or _badness(found) > _badness(known):
            worst[found.output] = found
    return tuple(worst.values())


def _badness(found: Difference) -> tuple[bool, bool, float]:
    return bool(found.problem), not found.passed, 0.0 if math.isnan(found.largest) else found.largest


def _difference_json(found: Difference) -> dict[str, Any]:
    if found.problem:
        return {"passed": False, "case": found.case, "problem": found.problem}
    return {
        "passed": found.passed,
        "largest_difference": _number(found.largest),
        "largest_relative_difference": _number(found.relative),
        "case": found.case,
        "index": list(found.index),
        "reference": _number(found.reference),
        "actual": _number(found.actual),
        "out_of_tolerance": found.wrong,
        "elements": found.elements,
    }


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinities: they are strings."""
    if isinstance(value, complex):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
