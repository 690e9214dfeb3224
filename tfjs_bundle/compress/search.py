"""The smallest weights whose metric stays within a budget: which recipes are tried, and which is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tfjs_bundle.compress.apply import SCHEMES, Recipe

#: Shares of the kernels' weights that are tried, from little to much.
FRACTIONS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)

#: Percentage points that rounding alone makes of sums of rows.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Trial:
    """What one recipe comes to.

    Attributes:
        recipe: what was done to the weights.
        size: bytes of the model's files on the wire.
        percents: the metric of each output that has one, in percent.
        lost: percentage points that the output which suffers most is below the original.
        largest: the largest difference of any float of the outputs; ``None`` where they have none.
    """

    recipe: Recipe
    size: int
    percents: tuple[float, ...]
    lost: float
    largest: float | None

    def within(self, budget: float) -> bool:
        """Tell whether it costs no more than ``budget`` percentage points."""
        return self.lost <= budget + _ROUNDING


def recipes(prune: float = 0.0) -> tuple[Recipe, ...]:
    """Return all recipes there are: every scheme with every fraction, or with ``prune`` where it is given."""
    fractions = (prune,) if prune else (0.0, *FRACTIONS)
    return tuple(Recipe(scheme, fraction) for fraction in fractions for scheme in SCHEMES)


def search(
    recipes: Sequence[Recipe],
    budget: float,
    weigh: Callable[[Recipe], int],
    measure: Callable[[Recipe], Trial],
) -> tuple[Trial, ...]:
    """Measure what may be the smallest recipe within the budget.

    Each scheme is measured with the least pruning, and those within the budget are then pruned more, the
    smallest scheme first, until they leave it: more zeros are taken not to be better. A recipe that is not
    smaller than the smallest one within the budget is not measured, nor one that makes nothing smaller.

    Args:
        recipes: by fraction, from the least.
        budget: percentage points of the metric.
        weigh: returns a recipe's bytes on the wire, which is far quicker than to measure it.

    Returns:
        what was measured, the original weights first; the same for the same numbers.
    """
    original = measure(Recipe())
    trials = [original]
    least = min(recipe.prune for recipe in recipes)
    for recipe in recipes:
        if recipe.prune == least and recipe != Recipe() and weigh(recipe) < original.size:
            trials.append(measure(recipe))
    starts = sorted((trial for trial in trials if trial.within(budget)), key=lambda trial: trial.size)
    for start in starts:
        for recipe in recipes:
            if recipe.quantize != start.recipe.quantize or recipe.prune <= least:
                continue
            if weigh(recipe) >= smallest(trials, budget).size:
                continue
            trials.append(measure(recipe))
            if not trials[-1].within(budget):
                break
    return tuple(trials)


def smallest(trials: Sequence[Trial], budget: float) -> Trial:
    """Return the smallest trial within the budget, the one measured first among equals.

    The original weights, the first trial, are taken where none is.
    """
    within = [trial for trial in trials if trial.within(budget)]
    return min(within, key=lambda trial: trial.size, default=trials[0])
