"""What a model's outputs are worth: against labels of every kind, and against the original's outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfjs_bundle.compress.metric import lost, metrics
from tfjs_bundle.errors import UsageError

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]], np.float32)
LOGITS = np.array([[-2.0], [3.0], [0.4], [-0.1]], np.float32)


def measured(values, labels=None, *, against=None) -> tuple[str, float]:
    """Return the name of the metric and its percentage for ``against``, by default the original itself."""
    found = {} if labels is None else {"y": np.asarray(labels)}
    (metric,) = metrics({"out": values}, found)
    return metric.name, metric.percent(values if against is None else np.asarray(against))


def test_class_numbers_give_the_accuracy_of_the_highest_score():
    assert measured(SCORES, [0, 1, 2, 2]) == ("accuracy", 75)


def test_class_numbers_may_be_a_column():
    assert measured(SCORES, [[0], [1], [0], [1]]) == ("accuracy", 50)


def test_one_hot_rows_are_class_numbers():
    assert measured(SCORES, np.eye(3)[[0, 1, 2, 2]]) == ("accuracy", 75)


def test_positions_of_a_sequence_have_a_class_each():
    assert measured(SCORES.reshape(2, 2, 3), [[0, 1], [2, 1]]) == ("accuracy", 75)


def test_a_probability_decides_at_one_half():
    assert measured(np.array([[0.4], [0.6], [0.45], [0.9]], np.float32), [0, 1, 1, 1]) == ("accuracy", 75)


def test_a_logit_decides_at_zero():
    assert measured(LOGITS, [0, 1, 1, 1]) == ("accuracy", 75)


def test_several_independent_labels_count_one_by_one():
    assert measured(SCORES, [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0]]) == (
        "accuracy",
        pytest.approx(100 * 11 / 12),
    )


def test_numbers_are_explained_by_a_share_of_their_variance():
    labels, against = [1.0, 2.0, 3.0, 4.0], [[1.5], [1.5], [3.5], [3.5]]
    name, percent = measured(LOGITS, labels, against=against)
    assert (name, percent) == ("R²", pytest.approx(80))


def test_without_labels_class_scores_agree_where_the_highest_is_the_same():
    other = SCORES.copy()
    other[3] = [0.4, 0.5, 0.1]
    assert measured(SCORES, against=other) == ("agreement", 75)


def test_without_labels_a_probability_agrees_where_it_decides_the_same():
    values = np.array([[0.4], [0.6], [0.2], [0.9]], np.float32)
    assert measured(values, against=values + 0.15) == ("agreement", 75)


def test_without_labels_other_numbers_explain_the_originals_variance():
    name, percent = measured(LOGITS, against=LOGITS + 0.1)
    assert name == "R² to the original"
    assert percent == pytest.approx(100 * (1 - 0.04 / np.sum((LOGITS - LOGITS.mean()) ** 2)), abs=1e-3)


def test_whole_numbers_and_text_agree_where_they_are_equal():
    assert measured(np.array([1, 2, 3]), against=[1, 2, 4]) == ("agreement", pytest.approx(200 / 3))
    text = np.array([b"yes", b"no"], object)
    assert measured(text, against=np.array(["yes", "maybe"], object)) == ("agreement", 50)


def test_what_is_not_finite_is_wrong():
    spoiled = SCORES.copy()
    spoiled[0, 0] = np.nan
    assert measured(SCORES, [0, 1, 2, 0], against=spoiled) == ("accuracy", 75)
    assert measured(LOGITS, against=np.full_like(LOGITS, np.inf)) == ("R² to the original", -math.inf)


def test_an_output_that_never_changes_may_move_by_what_rounding_does():
    constant = np.full((4, 1), 3.0, np.float32)
    assert measured(constant, against=constant + 1e-3)[1] > 99


def test_the_output_that_suffers_most_says_what_was_lost():
    assert lost([98.0, 60.0], [97.5, 60.5]) == 0.5
    assert lost([98.0, -math.inf], [99.0, -math.inf]) == 0


def test_labels_may_be_given_for_some_of_several_outputs():
    (metric,) = metrics({"a": SCORES, "b": LOGITS}, {"b": np.array([0, 1, 1, 0])})
    assert (metric.output, metric.percent(LOGITS)) == ("b", 100)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 3, 3], "labels of the output 'out' go from 1 to 3; it has 3 classes"),
        ([0.5, 1, 2, 0], "labels of the output 'out' go from 0 to 2; it has 3 classes"),
        (
            np.zeros((4, 2)),
            r"shape of the labels of the output 'out' is \(4, 2\); that of the output is \(4, 3\)",
        ),
        (["a", "b", "c", "a"], "dtype of the labels of the output 'out' is <U1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(UsageError, match=message):
        measured(SCORES, labels)


def test_labels_without_a_name_are_refused_where_there_are_several_outputs():
    with pytest.raises(UsageError, match="several outputs, and the labels are called 'y'") as refusal:
        metrics({"a": SCORES, "b": LOGITS}, {"y": np.zeros(4)})
    assert refusal.value.cure == "Name the labels of each output by it: 'a', 'b'."
