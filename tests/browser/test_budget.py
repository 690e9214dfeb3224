"""`--quantize auto`: the smallest weights whose metric stays within a budget, measured in the browser.

The model is a trained one all the same: random features of handwritten digits, and the least squares solution
over them, which needs no fit.
"""

from __future__ import annotations

import json
from pathlib import Path

import models
import numpy as np
import pytest

from tfjs_bundle import pipeline
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import UsageError
from tfjs_bundle.progress import Progress
from tfjs_bundle.serve.server import serving
from tfjs_bundle.verify.cases import Case
from tfjs_bundle.verify.driver import opened, page_headers

pytestmark = pytest.mark.tensorflow

ROWS = 200


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> tuple[Path, np.ndarray, np.ndarray]:
    """The model's file, and pictures with their digits that it was not fitted to."""
    from sklearn.datasets import load_digits

    keras = models.keras()
    pictures, labels = load_digits(return_X_y=True)
    pictures = (pictures / 16).astype(np.float32)
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(64, 192)).astype(np.float32) / 8
    features = np.maximum(pictures @ mixing, 0)
    ridge = features[:-ROWS].T @ features[:-ROWS] + np.eye(192)
    readout = np.linalg.solve(ridge, features[:-ROWS].T @ np.eye(10)[labels[:-ROWS]])
    model = keras.Sequential(
        [
            keras.Input((64,), name="pixels"),
            keras.layers.Dense(192, activation="relu", use_bias=False, name="hidden"),
            keras.layers.Dense(10, activation="softmax", use_bias=False, name="digit"),
        ]
    )
    model.get_layer("hidden").set_weights([mixing])
    model.get_layer("digit").set_weights([20 * readout])
    path = tmp_path_factory.mktemp("budget") / "digits.keras"
    model.save(path)
    return path, pictures[-ROWS:], labels[-ROWS:]


def build(source, output, child, data: dict[str, np.ndarray], **options) -> pipeline.BuildResult:
    file = output.parent / f"{output.name}.npz"
    np.savez(file, **data)
    given = BuildOptions(quantize="auto", data=file, backends=("wasm",), **options)
    return pipeline.build(source, output, given, Progress(), child)


@pytest.fixture(scope="module")
def built(digits, child, tmp_path_factory) -> pipeline.BuildResult:
    """The model, built with a budget of one point and labels, and evaluated in the browser."""
    source, pictures, labels = digits
    output = tmp_path_factory.mktemp("built") / "dist"
    with pytest.MonkeyPatch.context() as patch:  # parity, and its browser, are tested elsewhere
        patch.setattr(pipeline, "_verify", lambda *_: pipeline.ParityReport())
        # one fraction, and so few bundles in the browser: the whole grid is tried by TensorFlow below
        return build(source, output, child, {"pixels": pictures, "y": labels}, budget=2.0, prune=0.1)


@pytest.mark.browser
def test_what_is_taken_is_smaller_and_within_the_budget(built):
    original, chosen = built.tradeoff.trials[0], built.tradeoff.chosen
    assert built.tradeoff.metrics == {"digit": "accuracy"}
    assert built.tradeoff.original[0] > 80
    assert chosen.size < original.size / 2
    assert chosen.percents[0] >= built.tradeoff.original[0] - 2.0
    assert {trial.recipe.prune for trial in built.tradeoff.trials} == {0, 0.1}


@pytest.mark.browser
def test_the_bundle_predicts_in_the_browser_as_well_as_was_reported(built, digits, chromium):
    _, pictures, labels = digits
    with (
        serving(built.bundle.directory) as server,
        opened(chromium, server.url, page_headers(server.url)) as (harness, foreign),
    ):
        harness.load(server.url, "wasm", self_check=False)
        _, outputs = harness.predict(Case("all", {"pixels": pictures}))
    scores = outputs["digit"].values.reshape(outputs["digit"].shape)
    assert 100 * np.mean(scores.argmax(1) == labels) == pytest.approx(built.tradeoff.chosen.percents[0])
    assert not foreign


@pytest.mark.browser
def test_the_report_and_its_picture_lie_beside_the_bundle(built):
    directory = built.bundle.directory
    document = json.loads((directory / "compression.json").read_bytes())
    assert document["measured_on"].startswith("wasm in Chromium ")
    assert document["rows"] == ROWS
    assert [trial["bytes"] for trial in document["trials"] if trial["chosen"]] == [built.tradeoff.chosen.size]
    assert b"</svg>" in (directory / "compression.svg").read_bytes()
    assert not {"compression.json", "compression.svg"} & {file.path for file in built.bundle.files}


def test_without_a_browser_tensorflow_measures_and_a_warning_says_so(digits, child, tmp_path):
    source, pictures, _ = digits
    result = build(source, tmp_path / "dist", child, {"pixels": pictures}, verify=False, budget=2.0)
    assert result.tradeoff.place == "TensorFlow"
    assert any("measured by TensorFlow and not in a browser: --no-verify" in each for each in result.warnings)
    # and there were no labels
    assert result.tradeoff.metrics == {"digit": "agreement"}
    assert result.tradeoff.original == (100,)
    assert result.tradeoff.chosen.percents[0] >= 98


def test_a_budget_of_nothing_takes_what_loses_nothing(digits, child, tmp_path):
    """On rows that lie between two digits as closely as can be, so that rounding decides."""
    source, pictures, _ = digits
    rng = np.random.default_rng(1)
    between = (pictures[rng.integers(ROWS, size=2000)] + pictures[rng.integers(ROWS, size=2000)]) / 2
    result = build(source, tmp_path / "dist", child, {"pixels": between}, verify=False, budget=0)
    trials = result.tradeoff.trials
    assert result.tradeoff.chosen.percents == (100,)
    assert {trial.recipe.quantize for trial in trials if trial.lost > 0} >= {"uint8", "int8"}
    assert result.tradeoff.chosen.recipe.quantize not in ("uint8", "int8")


def test_labels_of_another_number_than_the_rows_are_refused(digits, child, tmp_path):
    source, pictures, labels = digits
    with pytest.raises(
        UsageError, match="need one number of rows, at least 1; they have 'pixels': 200, 'y': 7"
    ):
        build(source, tmp_path / "dist", child, {"pixels": pictures, "y": labels[:7]}, verify=False)


def test_labels_that_are_no_classes_of_the_output_are_refused(digits, child, tmp_path):
    source, pictures, labels = digits
    with pytest.raises(UsageError, match="labels of the output 'digit' go from 1 to 10; it has 10 classes"):
        build(source, tmp_path / "dist", child, {"pixels": pictures, "y": labels + 1}, verify=False)
