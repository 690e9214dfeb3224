"""Which recipes a search measures, and which it takes; sizes and metrics are made up."""

from __future__ import annotations

import pytest

from tfjs_bundle.compress.apply import SCHEMES, Recipe
from tfjs_bundle.compress.search import FRACTIONS, Trial, recipes, search, smallest

BYTES = {"none": 4000, "float16": 2000, "uint16": 2100, "uint8": 900, "int8": 1000}
COST = {"none": 0.0, "float16": 0.0, "uint16": 0.0, "uint8": 0.8, "int8": 0.2}


def weigh(recipe: Recipe) -> int:
    return round(BYTES[recipe.quantize] * (1 - 0.8 * recipe.prune))


def lost(recipe: Recipe) -> float:
    """Each scheme's own cost, and one tenth of a point per tenth pruned beyond a half."""
    return COST[recipe.quantize] + max(0.0, recipe.prune - 0.5)


def run(budget, prune=0.0, weigh=weigh, lost=lost):
    def measure(recipe):
        return Trial(recipe, weigh(recipe), (100 - lost(recipe),), lost(recipe), 0.0)

    trials = search(recipes(prune), budget, weigh, measure)
    return [trial.recipe for trial in trials], smallest(trials, budget).recipe


def test_every_scheme_is_measured_unpruned_the_original_first():
    measured, _ = run(0.5)
    assert measured[:5] == [Recipe(scheme) for scheme in SCHEMES]


def test_the_smallest_within_the_budget_is_taken():
    _, taken = run(0.5)
    assert taken == Recipe("int8", 0.8)


def test_nothing_within_the_budget_was_smaller():
    for budget in (0.0, 0.1, 0.25, 0.5, 0.9, 5.0):
        _, taken = run(budget)
        fitting = [recipe for recipe in recipes() if lost(recipe) <= budget]
        assert taken == min(fitting, key=weigh)


def test_a_scheme_that_costs_too_much_is_not_pruned():
    measured, _ = run(0.5)
    assert [recipe.prune for recipe in measured if recipe.quantize == "uint8"] == [0]


def test_pruning_goes_on_until_the_budget_is_left():
    measured, _ = run(0.35)
    assert [recipe.prune for recipe in measured if recipe.quantize == "int8"] == [0, 0.3, 0.5, 0.6, 0.7]


def test_what_is_not_smaller_than_the_best_so_far_is_not_measured():
    measured, _ = run(0.5)
    assert all(recipe.quantize == "int8" for recipe in measured if recipe.prune)


def test_a_recipe_that_makes_nothing_smaller_is_not_measured():
    assert run(0.5, weigh=lambda recipe: 4000) == ([Recipe()], Recipe())


def test_a_budget_of_nothing_takes_what_loses_nothing():
    _, taken = run(0, lost=lambda recipe: 0.0 if recipe == Recipe() else 0.01)
    assert taken == Recipe()


def test_the_original_is_taken_where_it_is_not_within_the_budget_itself():
    assert run(0.5, lost=lambda recipe: 1.0)[1] == Recipe()


def test_a_fraction_that_is_given_is_the_only_one():
    measured, taken = run(0.5, prune=0.6)
    assert {recipe.prune for recipe in measured} == {0, 0.6}
    assert taken == Recipe("int8", 0.6)


def test_the_fractions_rise():
    assert list(FRACTIONS) == sorted(FRACTIONS)


@pytest.mark.parametrize("points", [0.5, 0.5 + 1e-12])
def test_rounding_does_not_leave_the_budget(points):
    assert Trial(Recipe(), 1, (1.0,), points, None).within(0.5)
