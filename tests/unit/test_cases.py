"""Cases: drawn from a signature, read from a file, written as golden.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.errors import UsageError
from tfjs_bundle.verify.cases import (
    GOLDEN_VALUES,
    Draw,
    awkward_cases,
    draw_cases,
    golden_json,
    mulberry32,
    read_data,
    read_golden,
)

#: Written by an independent mulberry32; the TypeScript generator is tested with the same file.
VECTORS = json.loads((Path(__file__).parent / "mulberry32.json").read_text())


def info(name="x", shape=(None, 4), dtype="float32", source_dtype=None):
    return TensorInfo(name, shape, dtype, source_dtype or dtype)


@pytest.mark.parametrize("vector", VECTORS["draws"], ids=lambda vector: str(vector["seed"]))
def test_mulberry32_gives_the_draws_of_the_shared_vectors(vector):
    assert mulberry32(vector["seed"], len(vector["draws"])).tolist() == vector["draws"]


@pytest.mark.parametrize(
    "vector", VECTORS["tensors"], ids=lambda vector: f"{vector['dtype']}-{vector['seed']}"
)
def test_drawn_tensors_are_those_of_the_shared_vectors_bit_for_bit(vector):
    draw = Draw(vector["seed"], vector["low"], vector["high"], vector["dtype"], tuple(vector["shape"]))
    values = draw.values()
    assert values.dtype == np.dtype(vector["dtype"])
    assert values.tolist() == np.array(vector["values"], values.dtype).reshape(vector["shape"]).tolist()


def test_cases_have_batches_of_one_and_three_and_are_the_same_every_time():
    first, again = (draw_cases([info("a"), info("b", (None, 2))]) for _ in range(2))
    assert [case.inputs["a"].shape for case in first] == [(1, 4), (3, 4)]
    assert [case.inputs["b"].shape for case in first] == [(1, 2), (3, 2)]
    for left, right in zip(first, again, strict=True):
        assert all(np.array_equal(left.inputs[name], right.inputs[name]) for name in ("a", "b"))
    assert not np.array_equal(first[0].inputs["a"][0], first[1].inputs["a"][0])
    assert not np.array_equal(first[0].inputs["a"][0, :2], first[0].inputs["b"][0])


def test_open_sizes_are_more_than_one_agree_between_inputs_and_differ_between_cases():
    tokens = info("tokens", (None, None), "int32")
    features = info("features", (None, None, 5))
    picture = info("picture", (None, None, None, 3))
    one, two = draw_cases([tokens, features, picture])
    assert one.inputs["tokens"].shape[1] == one.inputs["features"].shape[1] > 1
    assert two.inputs["tokens"].shape[1] != one.inputs["tokens"].shape[1]
    assert one.inputs["picture"].shape == (1, 64, 64, 3)
    assert two.inputs["picture"].shape == (3, 96, 96, 3)


def test_open_sizes_are_scaled_and_those_of_pictures_not_beyond_reason():
    wave, picture = info("wave", (None, None)), info("picture", (None, None, None, 3))
    (large,) = draw_cases([wave, picture], batches=(2,), scale=128)
    assert large.inputs["wave"].shape == (2, 2048)
    assert large.inputs["picture"].shape == (2, 256, 256, 3)
    (small,) = draw_cases([wave, picture], batches=(2,), scale=1 / 4)
    assert small.inputs["wave"].shape == (2, 4)


def test_awkward_cases_are_zeros_and_extremes_in_batches_of_two():
    spec = TensorInfo("x", (None, 8), "float32", "float32")
    zeros, extremes = awkward_cases([spec])
    assert (zeros.name, extremes.name) == ("zeros, batch 2", "extremes, batch 2")
    assert (zeros.inputs["x"] == 0).all()
    assert extremes.inputs["x"].min() < -50
    assert extremes.inputs["x"].max() > 50
    assert zeros.awkward
    assert extremes.awkward


def test_extremes_of_known_values_are_the_lowest_and_the_highest_that_the_model_takes():
    tokens = TensorInfo("tokens", (None, 4), "int32", "int32")
    pixels = TensorInfo("pixels", (None, 4), "float32", "float32")
    _, extremes = awkward_cases([tokens, pixels], ranges={"tokens": (1, 20), "pixels": (0, 255)})
    assert set(extremes.inputs["tokens"].reshape(-1).tolist()) == {1, 19}
    assert set(extremes.inputs["pixels"].reshape(-1).tolist()) == {0, 255}


def test_zeros_lie_within_known_values():
    tokens = TensorInfo("tokens", (None, 4), "int32", "int32")
    zeros, _ = awkward_cases([tokens], ranges={"tokens": (1, 20)})
    assert set(zeros.inputs["tokens"].reshape(-1).tolist()) == {1}


def test_a_model_that_looks_for_nan_gets_a_case_with_some():
    spec = TensorInfo("x", (None, 8), "float32", "float32")
    found = np.isnan(awkward_cases([spec], nan=True)[2].inputs["x"])
    assert found.any()
    assert not found.all()


def test_a_fixed_batch_is_kept():
    assert [case.inputs["x"].shape for case in draw_cases([info(shape=(2, 4))])] == [(2, 4), (2, 4)]


def test_values_stay_within_the_range_given():
    ranges = {"words": (0, 7), "picture": (0, 255)}
    specs = [
        info("words", (None, 200), "int32"),
        info("picture", (None, 8, 8, 3)),
        info("plain", (None, 500)),
    ]
    (case,) = draw_cases(specs, ranges=ranges, batches=(4,))
    assert sorted(set(case.inputs["words"].ravel().tolist())) == list(range(7))
    assert case.inputs["picture"].max() > 200
    assert case.inputs["picture"].min() >= 0
    assert -1 <= case.inputs["plain"].min() < -0.9
    assert 0.9 < case.inputs["plain"].max() < 1


def test_each_dtype_is_drawn_as_tfjs_has_it():
    specs = [
        info("flag", (None, 64), "bool"),
        info("byte", (None, 8, 8, 3), "int32", "uint8"),
        info("text", (None, 40), "string"),
    ]
    (case,) = draw_cases(specs, batches=(1,))
    assert case.inputs["flag"].dtype == np.bool_
    assert {True, False} == set(case.inputs["flag"].ravel().tolist())
    assert case.inputs["byte"].dtype == np.int32
    assert case.inputs["byte"].max() > 200
    assert all(isinstance(text, str) for text in case.inputs["text"].ravel())


def test_an_input_that_cannot_be_drawn_is_named():
    with pytest.raises(UsageError, match="'wave': its dtype is complex64"):
        draw_cases([info("wave", dtype="complex64")])


# --data


def test_rows_of_a_data_file_become_cases_in_the_models_dtypes(tmp_path):
    path = tmp_path / "data.npz"
    pictures = np.arange(40 * 4).reshape(40, 4).astype(np.float64)
    np.savez(path, x=pictures, ids=np.arange(40, dtype=np.int64)[:, None], y=np.arange(40))
    data = read_data(path, [info("x"), info("ids", (None, 1), "int32", "int64")])
    assert [len(case.inputs["x"]) for case in data.cases] == [16, 16, 8]
    assert data.cases[2].name == "data rows 32 to 39"
    assert (data.cases[0].inputs["x"].dtype, data.cases[0].inputs["ids"].dtype) == (np.float32, np.int32)
    assert np.array_equal(np.concatenate([case.inputs["x"] for case in data.cases]), pictures)
    assert data.labels["y"].tolist() == list(range(40))
    assert (data.rows, data.used) == (40, 40)


def test_a_long_data_file_is_cut_and_a_fixed_batch_is_filled(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.zeros((1000, 4)))
    data = read_data(tmp_path / "data.npz", [info(shape=(24, 4))], limit=100)
    assert [len(case.inputs["x"]) for case in data.cases] == [24] * 4
    assert (data.rows, data.used, data.labels) == (1000, 96, {})


@pytest.mark.parametrize(
    ("arrays", "spec", "message"),
    [
        ({"z": np.zeros((2, 4))}, info(), "no array for the input 'x'; it has 'z'"),
        ({"x": np.zeros((2, 4)), "z": np.zeros(2)}, info(), "no input for: 'z'"),
        ({"x": np.zeros((2, 5))}, info(), r"is \(2, 5\); the input takes \(any, 4\)"),
        ({"x": np.zeros((2, 4, 1))}, info(), r"is \(2, 4, 1\)"),
        ({"x": np.float32(1)}, info(), "single value"),
        ({"x": np.array([["a"] * 4])}, info(), "is <U1; the input takes float32"),
        ({"x": np.full((2, 4), 0.5)}, info(dtype="int32"), "with fractions; the input takes int32"),
        ({"x": np.full((2, 4), np.nan)}, info(dtype="int32"), "with fractions"),
        ({"x": np.full((2, 4), 256)}, info(dtype="int32", source_dtype="uint8"), "takes 0 to 255"),
        ({"x": np.full((2, 4), 2)}, info(dtype="bool"), "the input takes bool"),
        ({"x": np.zeros((2, 4)), "y": np.zeros(3)}, info(), "'x': 2, 'y': 3"),
        ({"x": np.zeros((0, 4))}, info(), "at least 1"),
        ({"x": np.zeros((2, 4))}, info(shape=(3, 4)), "takes 3 rows at a time"),
        ({"x": np.array([None])}, info(), "cannot be read"),
    ],
)
def test_data_that_does_not_fit_is_a_usage_error_that_says_how(tmp_path, arrays, spec, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(UsageError, match=message):
        read_data(tmp_path / "data.npz", [spec])


def test_a_file_that_is_not_an_npz_file_is_a_usage_error(tmp_path):
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    np.save(tmp_path / "single.npy", np.zeros(3))
    np.savez(tmp_path / "cut.npz", x=np.zeros((100, 4)))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:500])
    for name, message in (
        ("none.npz", "There is no file"),
        ("text.npz", "cannot be read"),
        ("cut.npz", "cannot be read"),
        ("single.npy", "one array without a name"),
    ):
        with pytest.raises(UsageError, match=message):
            read_data(tmp_path / name, [info()])


# golden.json


def test_golden_json_is_small_and_gives_the_same_cases_back():
    cases = draw_cases([info("x"), info("ids", (None, 3), "int32")], ranges={"ids": (0, 9)})
    outputs = [
        {
            "p": np.linspace(0, 1, 3000, dtype=np.float32).reshape(3, 10, 100),
            "top": np.arange(3, dtype=np.int64),
        }
        for _ in cases
    ]
    text = golden_json(cases, outputs)
    assert len(text) < 4000
    assert text == golden_json(cases, outputs)
    again, expected = read_golden(text)
    for case, other in zip(cases, again, strict=True):
        for name in ("x", "ids"):
            assert np.array_equal(case.inputs[name], other.inputs[name])
            assert case.inputs[name].dtype == other.inputs[name].dtype
    output = expected[0]["p"]
    assert len(output.values) <= GOLDEN_VALUES
    assert output.values == pytest.approx(outputs[0]["p"].reshape(-1)[:: output.stride], rel=1e-5)
    assert (expected[0]["top"].dtype, expected[0]["top"].values.tolist()) == ("int32", [0, 1, 2])


def test_a_golden_stride_looks_at_every_column():
    (case,) = draw_cases([info()], batches=(1,))
    _, ((expected),) = read_golden(golden_json([case], [{"p": np.zeros((64, 64), np.float32)}]))
    columns = {index * expected["p"].stride % 64 for index in range(len(expected["p"].values))}
    assert len(columns) > 32


def test_golden_json_keeps_what_json_has_no_numbers_for():
    (case,) = draw_cases([info()], batches=(1,))
    value = np.array([math.nan, math.inf, -math.inf, -0.0, 0.1], np.float32)
    text = golden_json([case], [{"p": value}])
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    _, ((expected),) = read_golden(text)
    assert np.array_equal(expected["p"].values, value, equal_nan=True)
