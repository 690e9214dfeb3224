"""Whole models in Chromium, compared with Keras; ``make architectures`` runs more of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "layers"))

import architectures
from cases import case
from special_models import SPECIAL_MODELS
from suite import RIGHT, Suite, suite

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def runner(child, chromium) -> Iterator[Suite]:
    with suite(child, chromium, ("wasm", "cpu")) as made:
        yield made


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_an_architecture_predicts_what_keras_predicts(runner, name):
    verdicts = runner.run(case(name, architectures.ARCHITECTURES[name]))
    assert {found.status for found in verdicts.values()} == {RIGHT}, verdicts


@pytest.mark.parametrize("name", SPECIAL_MODELS)
def test_a_special_model_predicts_what_keras_predicts(runner, name):
    verdicts = runner.run(SPECIAL_MODELS[name])
    assert {found.status for found in verdicts.values()} == {RIGHT}, verdicts


def test_every_model_of_keras_applications_belongs_to_a_family():
    import keras

    functions = [name for name, value in vars(keras.applications).items() if callable(value)]
    assert sorted(functions) == sorted(sum(architectures.APPLICATIONS.values(), ()))
