"""What a search found: for ``compression.json``, and for a person."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tfjs_bundle.compress.budget import Tradeoff

if TYPE_CHECKING:
    from rich.table import Table

#: So many outputs have a column of their own; compression.json has them all.
_COLUMNS = 3


def to_json(tradeoff: Tradeoff) -> dict[str, Any]:
    """Return everything that was measured as plain JSON values."""
    names = list(tradeoff.metrics)
    return {
        "budget": tradeoff.budget,
        "measured_on": tradeoff.place,
        "rows": tradeoff.rows,
        "metrics": tradeoff.metrics,
        "original": dict(zip(names, map(_number, tradeoff.original), strict=True)),
        "trials": [
            {
                "quantize": trial.recipe.quantize,
                "prune": trial.recipe.prune,
                "bytes": trial.size,
                "percent": dict(zip(names, map(_number, trial.percents), strict=True)),
                "lost": _number(trial.lost),
                "largest_difference": None if trial.largest is None else _number(trial.largest),
                "within_budget": trial.within(tradeoff.budget),
                "chosen": trial is tradeoff.chosen,
            }
            for trial in tradeoff.trials
        ],
    }


def dumps(tradeoff: Tradeoff) -> bytes:
    """Return the bytes of ``compression.json``."""
    return (json.dumps(to_json(tradeoff), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def describe(tradeoff: Tradeoff) -> str:
    """Say in one sentence what was measured, how, and where."""
    names = sorted(set(tradeoff.metrics.values()))
    originals = ", ".join(f"{percent:.2f} %" for percent in tradeoff.original[:_COLUMNS])
    outputs = "" if len(tradeoff.metrics) == 1 else f" of {len(tradeoff.metrics)} outputs"
    return (
        f"{' and '.join(names)}{outputs} on {tradeoff.rows} rows, {originals} by the original; measured on "
        f"{tradeoff.place}; budget {tradeoff.budget:g} points"
    )


def table(tradeoff: Tradeoff) -> Table:
    """Return the trials as a table for the terminal, the largest first."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title="Compression", caption=describe(tradeoff), title_justify="left")
    made.add_column("weights")
    made.add_column("on the wire", justify="right")
    shown = list(tradeoff.metrics.items())[:_COLUMNS]
    for output, metric in shown:
        label = metric if len(tradeoff.metrics) == 1 else f"{output}: {metric}"
        made.add_column(Text(label), justify="right")
    made.add_column("lost", justify="right")
    made.add_column("largest difference", justify="right")
    made.add_column("")
    for trial in sorted(tradeoff.trials, key=lambda trial: -trial.size):
        chosen, within = trial is tradeoff.chosen, trial.within(tradeoff.budget)
        made.add_row(
            str(trial.recipe),
            f"{trial.size / 1000:,.1f} kB",
            *(f"{percent:.2f} %" for percent in trial.percents[: len(shown)]),
            f"{max(trial.lost, 0):.2f}",
            "" if trial.largest is None else f"{trial.largest:.2g}",
            "chosen" if chosen else "" if within else "over budget",
            style="bold green" if chosen else None if within else "dim",
        )
    return made


def _number(value: float) -> float | str:
    """JSON has no infinities: they are strings, as in parity.json."""
    if math.isfinite(value):
        return round(value, 7)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
