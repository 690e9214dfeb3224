"""The trade-off as a picture: where everything goes, for ``templates/report/compression.svg.j2``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfjs_bundle.compress.apply import Recipe
from tfjs_bundle.compress.budget import Tradeoff
from tfjs_bundle.compress.report import describe
from tfjs_bundle.compress.search import Trial
from tfjs_bundle.site.templates import REPORT_TEMPLATES, render_templates
from tfjs_bundle.terminal import format_bytes

#: Of the picture and of the plot in it, in pixels.
WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 84, 736, 70, 396

#: A label's letters are so wide and high, at most.
_LETTER, _LINE = 6.3, 13
#: Where a label may stand, as steps from its point; nearer places first.
_PLACES = tuple(
    (anchor, x * reach, y * reach + 4)
    for reach in (1.0, 1.8, 2.8, 4.0, 5.5)
    for anchor, x, y in (
        *(("start", 13, 0), ("middle", 0, -15), ("middle", 0, 15), ("end", -13, 0)),
        *(("start", 8, -12), ("start", 8, 12), ("end", -8, -12), ("end", -8, 12)),
    )
)


def svg(tradeoff: Tradeoff, name: str, template: Path | None = None) -> bytes:
    """Return the picture.

    Args:
        name: of the model.
        template: the user's templates, which may have one in place of ours.

    Raises:
        UsageError: the template does not render.
    """
    file = f"{REPORT_TEMPLATES}compression.svg"
    values = layout(tradeoff, name)
    ((_, content),) = render_templates(template, values, lambda path: path if path == file else None)
    return content


def layout(tradeoff: Tradeoff, name: str) -> dict[str, Any]:
    """Return what the template draws: texts, and places in pixels."""
    trials = tradeoff.trials
    single = len(tradeoff.metrics) == 1
    top = tradeoff.original[0] if single else 0.0
    largest = max(trial.size for trial in trials) * 1.06
    deepest = _deepest(tradeoff)
    highest = max(0.05 * deepest, *(-trial.lost for trial in trials if math.isfinite(trial.lost)))

    def x(size: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * size / largest, 1)

    def y(lost: float) -> float:
        return round(TOP + (BOTTOM - TOP) * (min(lost, deepest) + highest) / (deepest + highest), 1)

    points = [
        _Point(
            x(trial.size),
            y(trial.lost),
            _label(trial.recipe)
            + (f": {trial.percents[0]:.1f} %" if single and trial.lost > deepest else ""),
            trial.within(tradeoff.budget),
            trial is tradeoff.chosen,
            trial.lost > deepest,
            _tip(trial, tradeoff),
        )
        for trial in trials
    ]
    step = _step((deepest + highest) / 6)
    losses = [number * step for number in range(-int(highest / step), int(deepest / step) + 1)]
    ticks = [(y(lost), f"{top - lost:.{_digits(step)}f}{' %' if single else ''}") for lost in losses]
    across = _step(largest / 6)
    sizes = [number * across for number in range(int(largest / across) + 1)]
    metric = next(iter(tradeoff.metrics.values()))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "box": {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        "title": f"{name}: bytes on the wire and {metric if single else 'what is lost'}",
        "description": _description(tradeoff),
        "subtitle": describe(tradeoff),
        "x_label": "model on the wire (brotli)",
        "y_label": metric if single else "points lost by the output that suffers most",
        "x_ticks": [(x(size), format_bytes(round(size)) if size else "0") for size in sizes],
        "y_ticks": ticks,
        "budget": {"y": y(tradeoff.budget), "text": f"budget: {tradeoff.budget:g} points"},
        "points": _labelled(points, y(tradeoff.budget)),
    }


@dataclass(frozen=True)
class _Point:
    x: float
    y: float
    text: str
    within: bool
    chosen: bool
    below: bool
    tip: str


def _deepest(tradeoff: Tradeoff) -> float:
    """Return the loss at the lower edge; what lost far more than the budget is drawn there."""
    near = max(4 * tradeoff.budget, 1.0)
    shown = [trial.lost for trial in tradeoff.trials if trial.lost <= near]
    return max(2 * tradeoff.budget, 1.3 * max(shown, default=0.0), 0.1)


def _label(recipe: Recipe) -> str:
    name = "float32" if recipe.quantize == "none" else recipe.quantize
    return f"{name}, {recipe.prune:.0%} pruned" if recipe.prune else name


def _tip(trial: Trial, tradeoff: Tradeoff) -> str:
    percents = ", ".join(
        f"{output}: {metric} {percent:.2f} %"
        for (output, metric), percent in zip(tradeoff.metrics.items(), trial.percents, strict=True)
    )
    return f"{trial.recipe}: {format_bytes(trial.size)}; {percents}"


def _description(tradeoff: Tradeoff) -> str:
    chosen, original = tradeoff.chosen, tradeoff.trials[0]
    return (
        f"{len(tradeoff.trials)} ways to write the weights, from {format_bytes(original.size)} on the wire. "
        f"Chosen: {_label(chosen.recipe)}, with {format_bytes(chosen.size)} and "
        f"{max(chosen.lost, 0):.2f} percentage points lost, where {tradeoff.budget:g} may be."
    )


def _labelled(points: Sequence[_Point], line: float) -> list[dict[str, Any]]:
    """Give each point's label a place that is free, the chosen one's first; there is a line at a height."""
    taken = [
        (point.x - 6, point.y - (11 if point.below else 6), point.x + 6, point.y + 6) for point in points
    ]
    taken += [(LEFT, line - 2, RIGHT, line + 2), (RIGHT - 120, line - 18, RIGHT, line)]
    drawn: dict[int, dict[str, Any]] = {}
    for index in sorted(range(len(points)), key=lambda index: (not points[index].chosen, index)):
        point = points[index]
        entry: dict[str, Any] = {**point.__dict__, "label": None}
        wide = _LETTER * len(point.text)
        for anchor, across, down in _PLACES:
            left = point.x + across - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
            box = (left, point.y + down - _LINE + 3, left + wide, point.y + down + 3)
            outside = box[0] < LEFT or box[2] > RIGHT + 20 or box[1] < TOP or box[3] > BOTTOM
            if not outside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                far = abs(across) + abs(down - 4) > 26
                place = (round(point.x + across, 1), round(point.y + down, 1))
                entry["label"] = {"x": place[0], "y": place[1], "anchor": anchor, "line": far}
                break
        drawn[index] = entry
    return [drawn[index] for index in range(len(points))]


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _step(about: float) -> float:
    """Return the round number (1, 2 or 5 and zeros) next above ``about``."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= about)


def _digits(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))
