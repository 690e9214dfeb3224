"""What counts as equal, and how a difference is told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfjs_bundle.verify.metrics import Tensor, compare, compare_values


def tensor(values, dtype="float32", shape=None):
    values = np.asarray(values)
    return Tensor(values.reshape(-1), tuple(shape or values.shape), dtype)


def one(expected, actual):
    (difference,) = compare("case", {"p": expected}, {"p": actual})
    return difference


def test_equal_tensors_pass():
    value = np.array([[0.25, 0.75]], np.float32)
    assert one(value, tensor(value)).passed


def test_tolerance_is_absolute_and_relative():
    reference = np.array([0.0, 1000.0], np.float32)
    assert one(reference, tensor(np.array([0.00009, 1000.09], np.float32))).passed
    difference = one(reference, tensor(np.array([0.0, 1000.3], np.float32)))
    assert (difference.passed, difference.wrong, difference.index) == (False, 1, (1,))


def test_the_largest_difference_is_located_and_described():
    reference = np.zeros((2, 3), np.float32)
    actual = reference.copy()
    actual[1, 2], actual[0, 0] = 0.5, -0.25
    difference = one(reference, tensor(actual))
    assert (difference.largest, difference.index, difference.wrong) == (0.5, (1, 2), 2)
    assert difference.describe() == (
        "output 'p' (case): largest difference 0.5 at [1, 2], where the browser has 0.5 and the reference 0; "
        "2 of 6 values are out of tolerance"
    )


def test_the_place_shown_is_one_out_of_tolerance_even_where_a_larger_difference_is_allowed():
    reference = np.array([1e6, 0.0], np.float32)
    difference = one(reference, tensor(np.array([1e6 + 10, 0.5], np.float32)))
    assert (difference.wrong, difference.index) == (1, (1,))


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
def test_special_values_equal_their_like_and_nothing_else(special):
    reference = np.array([special, 1.0], np.float32)
    assert one(reference, tensor(reference.copy())).passed
    for other in (0.0, 3e38, math.nan, math.inf, -math.inf):
        actual = np.array([other, 1.0], np.float32)
        if not np.array_equal(actual, reference, equal_nan=True):
            difference = one(reference, tensor(actual))
            assert (difference.passed, difference.largest, difference.index) == (False, math.inf, (0,))
            assert not one(actual, tensor(reference)).passed


def test_after_awkward_inputs_the_tolerance_grows_with_the_output():
    reference, actual = np.array([0.5, 4000.0], np.float32), np.array([0.6, 4000.0], np.float32)
    (plain,) = compare("case", {"p": reference}, {"p": tensor(actual)})
    (awkward,) = compare("case", {"p": reference}, {"p": tensor(actual)}, awkward=True)
    assert not plain.passed
    assert awkward.passed
    (wrong,) = compare("case", {"p": reference}, {"p": tensor(actual + 1)}, awkward=True)
    assert not wrong.passed


def test_after_awkward_inputs_nothing_is_compared_where_the_reference_has_no_answer():
    reference = np.array([np.nan, 1.0], np.float32)
    (passed,) = compare("case", {"p": reference}, {"p": tensor(np.array([0, 1], np.float32))}, awkward=True)
    (failed,) = compare(
        "case", {"p": reference}, {"p": tensor(np.array([0, np.nan], np.float32))}, awkward=True
    )
    assert passed.passed
    assert not failed.passed


def test_integers_and_booleans_must_be_exact():
    assert one(np.array([1, 2], np.int64), tensor(np.array([1, 2], np.int32), "int32")).passed
    assert not one(np.array([10**8]), tensor(np.array([10**8 + 1], np.int32), "int32")).passed
    assert not one(np.array([True]), tensor(np.array([False]), "bool")).passed


def test_strings_are_compared():
    reference = np.array(["ja", "nein"], object)
    assert one(reference, tensor(reference, "string")).passed
    difference = one(reference, tensor(np.array(["ja", "no"], object), "string"))
    assert (difference.index, difference.actual, difference.reference) == ((1,), "no", "nein")


def test_an_empty_tensor_passes():
    assert one(np.zeros((0, 4), np.float32), tensor(np.zeros((0, 4), np.float32))).passed


@pytest.mark.parametrize(
    ("actual", "problem"),
    [
        (tensor(np.zeros((3, 2), np.float32)), r"its shape is \[3, 2\] in the browser, \[2, 3\]"),
        (tensor(np.zeros((2, 3), np.int32), "int32"), "its dtype is int32 in the browser, float32"),
        (tensor(np.zeros(5, np.float32), shape=(2, 3)), r"5 values for the shape \[2, 3\]"),
    ],
)
def test_another_shape_or_dtype_is_a_problem_whatever_the_values(actual, problem):
    difference = one(np.zeros((2, 3), np.float32), actual)
    assert not difference.passed
    assert math.isnan(difference.largest)
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(difference.describe())


def test_missing_and_unexpected_outputs_are_problems():
    zero = np.zeros(1, np.float32)
    differences = compare("case", {"a": zero, "b": zero}, {"a": tensor(zero), "c": tensor(zero)})
    assert [(d.output, d.passed) for d in differences] == [("a", True), ("b", False), ("c", False)]
    assert "it gave 'a', 'c'" in differences[1].problem
    assert "the reference does not" in differences[2].problem


def test_complex_numbers_are_compared_by_magnitude():
    reference = np.array([3 + 4j], np.complex64)
    assert compare_values("p", "case", reference, reference + np.complex64(1e-5j)).passed
    assert not compare_values("p", "case", reference, reference + np.complex64(0.1j)).passed
