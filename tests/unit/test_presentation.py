"""What a person is told of a model, from options and signature."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import UsageError
from tfjs_bundle.graph.ir import Signature, TensorSpec
from tfjs_bundle.presentation import Presentation, present
from tfjs_bundle.progress import Progress


@dataclass(frozen=True)
class Use:
    keys: tuple
    prose: bool = False
    closed: bool = False


IMAGE = TensorSpec("image", (None, 8, 8, 3), "float32", "float32", "x:0")
FEATURES = TensorSpec("features", (None, 4), "float32", "float32", "x:0")
KIND = TensorSpec("kind", (None, 3), "float32", "float32", "y:0")
AGE = TensorSpec("age", (None, 1), "float32", "float32", "z:0")


def describe(inputs=(FEATURES,), outputs=(KIND,), progress=None, **options) -> Presentation:
    return present("model", "", Signature(inputs, outputs), BuildOptions(**options), progress or Progress())


def test_the_source_s_name_is_shown_unless_another_is_given():
    assert describe().name == "model"
    assert describe(name="Irises").name == "Irises"


def test_the_task_follows_from_the_signature_unless_it_is_given():
    assert describe().task == "table"
    assert describe((IMAGE,)).task == "image-classification"
    assert describe((IMAGE,), task="tensors").task == "tensors"


def test_a_text_is_written_and_a_word_that_is_looked_up_is_chosen():
    word = TensorSpec("word", (None, 1), "string", "string", "w:0")
    looked_up = {"word": Use(("a", "b"))}
    text = {"word": Use(("a", "b"), prose=True)}
    signature = Signature((word,), (KIND,))
    tasks = [
        present("model", "", signature, BuildOptions(task=task), Progress(), uses).task
        for task in (None, "text-classification")
        for uses in (looked_up, text)
    ]
    assert tasks == ["table", "text-classification", "text-classification", "text-classification"]


def test_a_list_of_labels_is_for_the_only_output():
    assert describe(labels=["a", "b", "c"]).labels == {"kind": ["a", "b", "c"]}


def test_a_list_of_labels_for_several_outputs_is_refused():
    with pytest.raises(UsageError, match=r"do not say which of the outputs \(kind, age\) they are for"):
        describe(outputs=(KIND, AGE), labels=["a", "b", "c"])


def test_labels_by_name_may_be_for_outputs_and_for_features():
    labels = {"kind": ["a", "b", "c"], "features": ["w", "x", "y", "z"]}
    assert describe(outputs=(KIND, AGE), labels=labels).labels == labels


def test_two_labels_fit_one_probability():
    assert describe(outputs=(AGE,), labels=["young", "old"]).labels == {"age": ["young", "old"]}


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c", "d"]])
def test_a_wrong_number_of_labels_is_refused(labels):
    with pytest.raises(UsageError, match=f"There are {len(labels)} labels for 'kind', which has 3 values"):
        describe(labels=labels)


def test_labels_for_nothing_are_refused_by_name():
    with pytest.raises(
        UsageError, match="There are labels for 'sort', which the model does not have"
    ) as refusal:
        describe(labels={"sort": ["a"]})
    assert "features, kind" in refusal.value.cure


def test_pixels_are_guessed_with_a_warning():
    progress = Progress()
    found = describe((IMAGE,), progress=progress)
    assert found.preprocessing["image"]["size"] == [8, 8]
    assert len(progress.warnings) == 1
    assert "pixels from 0 to 1 are assumed" in progress.warnings[0]
    assert found.ranges() == {"image": (0.0, 1.0)}


def test_pixels_as_the_user_says_are_the_range_of_the_input():
    progress = Progress()
    given = {"scale": 1 / 127.5, "offset": -1.0}
    found = describe((IMAGE,), progress=progress, preprocessing=given)
    assert progress.warnings == []
    low, high = found.ranges()["image"]
    assert low == -1
    assert high == pytest.approx(1)


def test_a_table_has_no_pixels():
    assert describe().preprocessing == {}
    assert describe().ranges() == {}
