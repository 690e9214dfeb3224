"""A sample of the layer suite that touches every layer and activation of Keras, and random models.

``make coverage`` runs all cases, ``make fuzz`` as many random models as wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from cases_ops import uncovered_ops
from fuzz import random_case
from layer_case import LayerCase
from layer_cases import CASES, uncovered
from suite import REFUSED, RIGHT, Suite, suite

BACKENDS = ("cpu", "wasm", "webgl")
#: One case in so many runs on webgl too: on a software adapter it takes as long as all the rest of a case.
WEBGL_EVERY = 8

SAMPLE = [case for case in CASES if case.sampled]

#: Random models compared with every test run.
RANDOM_MODELS = 25

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def layer_suite(child, chromium) -> Iterator[Suite]:
    with suite(child, chromium, BACKENDS) as made:
        yield made


def test_every_layer_and_activation_of_keras_has_a_case():
    assert uncovered() == []


def test_every_function_of_keras_ops_has_a_case_or_a_reason_for_none():
    assert uncovered_ops() == []


def test_names_of_cases_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("index", [pytest.param(index, id=case.name) for index, case in enumerate(SAMPLE)])
def test_a_layer_predicts_what_keras_predicts(layer_suite, index):
    backends = BACKENDS if index % WEBGL_EVERY == 0 else BACKENDS[:2]
    check(layer_suite.run(SAMPLE[index], backends=backends), SAMPLE[index])


@pytest.mark.parametrize("seed", range(RANDOM_MODELS))
def test_a_random_model_predicts_what_keras_predicts(layer_suite, seed):
    check(layer_suite.run(random_case(str(seed)), backends=("cpu", "wasm")), random_case(str(seed)))


def check(verdicts, case: LayerCase) -> None:
    """Every backend is right, or refuses as the case foresees."""
    wrong = {
        backend: verdict
        for backend, verdict in verdicts.items()
        if verdict.status != RIGHT
        and not (verdict.status == REFUSED and case.refusal and re.search(case.refusal, verdict.detail))
    }
    assert not wrong
