"""``--quantize auto``: evaluates recipes on the user's data, and takes the smallest within the budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tfjs_bundle.compress.apply import SCHEMES, Recipe, Sensitivity, compress
from tfjs_bundle.compress.metric import lost, metrics
from tfjs_bundle.compress.search import Trial, recipes, search, smallest
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.progress import Progress

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """How graphs are weighed and measured.

    Attributes:
        original: what the original model gives for all rows, by output.
        labels: by output, or as ``y``; empty where the original's outputs are what counts.
        weigh: returns the bytes of a graph's files on the wire.
        predict: returns what a graph gives for all rows, by output.
        place: where ``predict`` does that, in words.
    """

    original: Outputs
    labels: Outputs
    weigh: Callable[[GraphModel], int]
    predict: Callable[[GraphModel], Outputs]
    place: str


@dataclass(frozen=True)
class Tradeoff:
    """What was tried, and what was taken.

    Attributes:
        budget: percentage points that the metric of no output may lose.
        metrics: the metric's name by output.
        original: their percentages for the original model, in that order.
        trials: in the order in which they were measured, the original weights first.
        rows: of the data.
        place: where the trials ran, in words.
    """

    budget: float
    metrics: dict[str, str]
    original: tuple[float, ...]
    trials: tuple[Trial, ...]
    rows: int
    place: str

    @property
    def chosen(self) -> Trial:
        """The smallest within the budget; the original weights where nothing is."""
        return smallest(self.trials, self.budget)


def explore(
    graph: GraphModel,
    evaluation: Evaluation,
    sensitivity: Sensitivity,
    *,
    budget: float,
    prune: float,
    progress: Progress,
) -> Tradeoff:
    """Try recipes on ``graph`` until the smallest one within the budget is known.

    Args:
        sensitivity: of ``graph``, shared by all recipes.
        budget: percentage points.
        prune: the only fraction to try; 0 for all of them.

    Raises:
        UsageError: the labels do not fit the outputs.
        BrowserError: the browser died.
    """
    chosen = metrics(evaluation.original, evaluation.labels)
    before = [metric.percent(evaluation.original[metric.output]) for metric in chosen]
    sizes: dict[Recipe, int] = {}

    def made(recipe: Recipe) -> GraphModel:
        return compress(graph, recipe, sensitivity).graph

    def weigh(recipe: Recipe) -> int:
        if recipe not in sizes:
            progress.step(f"{recipe}: compressing")
            sizes[recipe] = evaluation.weigh(made(recipe))
        return sizes[recipe]

    def measure(recipe: Recipe) -> Trial:
        size = weigh(recipe)
        progress.step(f"{recipe}: evaluating on {evaluation.place}")
        outputs = evaluation.predict(made(recipe))
        percents = tuple(metric.percent(outputs[metric.output]) for metric in chosen)
        return Trial(
            recipe, size, percents, lost(before, percents), largest_difference(evaluation.original, outputs)
        )

    rows = len(next(iter(evaluation.original.values())))
    tried = recipes(prune)
    for scheme in SCHEMES:  # asks how each weight matters, while that is still what `predict` has loaded
        compress(graph, Recipe(scheme, tried[-1].prune), sensitivity)
    trials = search(tried, budget, weigh, measure)
    names = {metric.output: metric.name for metric in chosen}
    return Tradeoff(budget, names, tuple(before), trials, rows, evaluation.place)


def largest_difference(before: Outputs, after: Outputs) -> float | None:
    """Return the largest difference between floats; infinite where only one of two is finite."""
    found: Sequence[float] = [
        _largest(values, after[name]) for name, values in before.items() if values.dtype.kind == "f"
    ]
    return max(found, default=None)


def _largest(before: np.ndarray, after: np.ndarray) -> float:
    if before.shape != after.shape:
        return float("inf")
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    with np.errstate(invalid="ignore"):
        gaps = np.where(same, 0.0, np.abs(after.astype(np.float64) - before))
    return float(np.nan_to_num(gaps, nan=np.inf).max(initial=0.0))
