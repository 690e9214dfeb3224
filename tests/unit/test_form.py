"""How the page asks for words and single numbers: what follows from the model, and what may be said."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.errors import UsageError
from tfjs_bundle.form import MOST_CHOICES, is_single, resolve


@dataclass(frozen=True)
class Use:
    keys: tuple
    prose: bool = False
    closed: bool = False


SEX = TensorInfo("sex", (None, 1), "string", "string")
AGE = TensorInfo("age", (None, 1), "float32", "float32")
CLASS = TensorInfo("class", (None, 1), "int32", "int64")
PIXELS = TensorInfo("pixels", (None, 8, 8, 1), "float32", "float32")
INPUTS = (SEX, AGE, CLASS)
EVERY = {"sex": "male", "age": 3.5, "class": 2}


def refusal(form=(), examples=(), inputs=INPUTS, uses=()) -> str:
    with pytest.raises(UsageError) as refused:
        resolve(dict(form), list(examples), inputs, dict(uses))
    return str(refused.value)


@pytest.mark.parametrize(
    ("shape", "single"),
    [((None,), True), ((None, 1), True), ((3, 1, 1), True), ((), True), ((None, 2), False),
     ((None, None), False), (None, False)],
)  # fmt: skip
def test_an_input_is_single_where_an_example_has_one_value(shape, single):
    assert is_single(TensorInfo("x", shape, "float32", "float32")) is single


def test_the_vocabulary_of_a_lookup_is_offered_and_other_words_stay_possible():
    fields, _ = resolve({}, [], INPUTS, {"sex": Use(("female", "male"))})
    assert fields == {"sex": {"choices": ["female", "male"], "others": True}, "age": {}, "class": {}}


def test_a_vocabulary_that_the_model_insists_on_leaves_nothing_else():
    fields, _ = resolve({}, [], INPUTS, {"class": Use((1, 2), closed=True)})
    assert fields["class"] == {"choices": [1, 2], "others": False}


def test_a_large_vocabulary_and_one_of_many_values_are_not_offered():
    many = Use(tuple(range(MOST_CHOICES + 1)))
    few = Use((1, 2))
    assert resolve({}, [], (CLASS, PIXELS), {"class": many, "pixels": few})[0] == {"class": {}}


def test_what_the_configuration_says_wins_over_what_the_model_does():
    uses = {"sex": Use(("female", "male")), "class": Use((1, 2, 3))}
    form = {"sex": {"choices": ["male"], "label": "Sex"}, "age": {"optional": True, "minimum": 0}}
    fields, _ = resolve(form, [], INPUTS, uses)
    assert fields == {
        "sex": {"choices": ["male"], "label": "Sex"},
        "age": {"optional": True, "minimum": 0},
        "class": {"choices": [1, 2, 3], "others": True},
    }


def test_a_number_with_limits_is_typed_and_not_chosen():
    uses = {"class": Use((1, 2, 3))}
    assert resolve({"class": {"minimum": 1}}, [], INPUTS, uses)[0]["class"] == {"minimum": 1}


def test_fields_stand_in_the_order_of_the_configuration_the_others_behind_them():
    assert list(resolve({"class": {}, "age": {}}, [], INPUTS, {})[0]) == ["class", "age", "sex"]


def test_prose_gets_a_box_unless_a_line_is_asked_for():
    uses = {"sex": Use(("a",), prose=True)}
    assert resolve({}, [], INPUTS, uses)[0]["sex"] == {"multiline": True}
    assert resolve({"sex": {"multiline": False}}, [], INPUTS, uses)[0]["sex"] == {"multiline": False}


def test_an_example_may_leave_out_what_is_optional_and_nothing_else():
    form = {"age": {"optional": True}}
    example = {"label": "Unknown age", "values": {"sex": "male", "class": 1}}
    assert resolve(form, [example], INPUTS, {})[1] == [example]
    assert "number 1 has no value for 'age'" in refusal(examples=[example])


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"name": {}}, "[form.name] is for an input that the model does not have"),
        ({"sex": {"lable": "Sex"}}, "[form.sex] has no member 'lable'"),
        ({"sex": {"label": 3}}, "'label' of [form.sex] must be a text, not 3"),
        ({"age": {"minimum": True}}, "'minimum' of [form.age] must be a number, not True"),
        ({"sex": ["a"]}, "[form.sex] must be a table, not ['a']"),
        ({"sex": {"choices": ["a", 1]}}, "[form.sex]: 1 is not a text, which 'sex' takes"),
        ({"class": {"choices": [1, 2.5]}}, "[form.class]: 2.5 is not a whole number"),
        ({"age": {"value": float("nan")}}, "[form.age]: nan is not a number"),
        (
            {"sex": {"optional": True}},
            "[form.sex] cannot be optional: an input of string has no missing value",
        ),
        ({"class": {"optional": True}}, "an input of int64 has no missing value"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(form, message):
    assert message in refusal(form)


def test_only_inputs_of_one_value_have_a_field():
    assert "[form.pixels] is for an input of shape [None, 8, 8, 1]" in refusal(
        {"pixels": {"label": "Picture"}}, inputs=(PIXELS,)
    )
    example = {"label": "Black", "values": {}}
    assert "Examples need inputs of one value each" in refusal(examples=[example], inputs=(PIXELS,))


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("male", "number 1 must have a label and values, not 'male'"),
        ({"label": "A", "sex": "male"}, "number 1 must have a label and values"),
        ({"values": EVERY}, "number 1 must have a label and a table of values"),
        ({"label": "A", "values": {**EVERY, "fare": 1}}, "number 1 has 'fare', which is no input"),
        ({"label": "A", "values": {**EVERY, "class": "first"}}, "'first' is not a whole number"),
        ({"label": "A", "values": {**EVERY, "age": True}}, "True is not a number"),
    ],
)
def test_an_example_that_makes_no_sense_is_refused(example, message):
    assert message in refusal(examples=[example])
