"""Compare what the browser predicted with the reference: names, shapes, dtypes, values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfjs_bundle.verify.difference import ATOL, RTOL, Difference


@dataclass(frozen=True)
class Tensor:
    """A tensor as the browser gave it: a flat array, and what the loader says of it."""

    values: np.ndarray
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Expected:
    """What the reference says of an output: all of it, or every ``stride``-th element in C order."""

    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray
    stride: int = 1

    @staticmethod
    def of(value: np.ndarray | Expected) -> Expected:
        """Return what is expected where the reference is a whole array."""
        if isinstance(value, Expected):
            return value
        value = np.asarray(value)
        return Expected(value.shape, tfjs_dtype_of(value), value.reshape(-1))


def tfjs_dtype_of(value: np.ndarray) -> str:
    """Return the dtype that TF.js has for a numpy array's.

    Raises:
        ValueError: it has none.
    """
    kind = value.dtype.kind
    for kinds, dtype in (
        ("f", "float32"),
        ("iu", "int32"),
        ("b", "bool"),
        ("OUS", "string"),
        ("c", "complex64"),
    ):
        if kind in kinds:
            return dtype
    raise ValueError(f"TF.js has no dtype for {value.dtype}")


def compare(
    case: str,
    reference: Mapping[str, np.ndarray | Expected],
    actual: Mapping[str, Tensor],
    *,
    atol: float = ATOL,
    rtol: float = RTOL,
    awkward: bool = False,
) -> list[Difference]:
    """Compare the outputs of one case, in the reference's order; outputs nobody expects come last.

    Args:
        awkward: the inputs are ones that nobody expects. ``atol`` is then relative to the largest value of
            the output (large inputs make large numbers, whose rounding shows in the small ones beside them),
            and where the reference is NaN there is no answer to compare with: TF.js's kernels make something
            else of NaN here and there (relu on wasm and webgl, division on webgl).
    """
    differences = []
    for name, value in reference.items():
        expected = Expected.of(value)
        problem = _problem(expected, actual.get(name), actual)
        if problem:
            differences.append(Difference(name, case, largest=math.nan, problem=problem))
            continue
        given = actual[name].values.reshape(-1)[:: expected.stride]
        tolerance = atol
        if awkward and expected.values.dtype.kind == "f":
            finite = np.abs(expected.values[np.isfinite(expected.values)])
            tolerance = atol * max(1.0, float(finite.max(initial=0.0)))
            given = np.where(np.isnan(expected.values), np.nan, given)
        found = compare_values(name, case, expected.values, given, atol=tolerance, rtol=rtol)
        if found.index:
            place = np.unravel_index(found.index[0] * expected.stride, expected.shape)
            found = replace(found, index=tuple(int(axis) for axis in place))
        differences.append(found)
    differences += [
        Difference(name, case, largest=math.nan, problem="the browser gives it, the reference does not")
        for name in actual
        if name not in reference
    ]
    return differences


def _problem(expected: Expected, tensor: Tensor | None, given: Mapping[str, Tensor]) -> str:
    """Return what keeps a tensor from being compared; empty where nothing does."""
    if tensor is None:
        return f"the browser did not give it; it gave {', '.join(map(repr, given)) or 'none'}"
    if tensor.shape != expected.shape:
        return f"its shape is {list(tensor.shape)} in the browser, {list(expected.shape)} in the reference"
    if tensor.dtype != expected.dtype:
        return f"its dtype is {tensor.dtype} in the browser, {expected.dtype} in the reference"
    if tensor.values.size != math.prod(expected.shape):
        return f"it has {tensor.values.size} values for the shape {list(tensor.shape)}"
    if -(-tensor.values.size // expected.stride) != expected.values.size:
        return f"the reference has {expected.values.size} values, which does not fit the shape"
    return ""


def compare_values(
    output: str,
    case: str,
    reference: np.ndarray,
    actual: np.ndarray,
    *,
    atol: float = ATOL,
    rtol: float = RTOL,
) -> Difference:
    """Compare two arrays of one shape. NaN equals NaN and an infinity its like, nothing else does."""
    if reference.size == 0:
        return Difference(output, case)
    if reference.dtype.kind in "OUS":
        texts = np.vectorize(text_of, otypes=[object])
        reference, actual = texts(reference), texts(actual)
        unequal = reference != actual
        gaps = relative = unequal.astype(np.float64)
        wrong = unequal
    else:
        wide = np.complex128 if "c" in reference.dtype.kind + actual.dtype.kind else np.float64
        left, right = reference.astype(wide), actual.astype(wide)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        with np.errstate(invalid="ignore", over="ignore"):
            gaps = np.where(same, 0.0, np.abs(right - left))
        gaps[np.isnan(gaps) | (~same & ~(np.isfinite(left) & np.isfinite(right)))] = np.inf
        size = np.where(np.isfinite(left), np.abs(left), 0.0)
        exact = reference.dtype.kind in "iub"
        wrong = gaps > (0.0 if exact else atol + rtol * size)
        relative = np.divide(gaps, size, out=np.zeros_like(gaps), where=size > 0)
    # The element to show is one out of tolerance, where there are any.
    worst = int(np.argmax(np.where(wrong, gaps, -1.0) if wrong.any() else gaps))
    index = tuple(int(axis) for axis in np.unravel_index(worst, reference.shape))
    return Difference(
        output,
        case,
        largest=float(gaps.max()),
        relative=float(relative.max()),
        index=index,
        reference=reference[index].item() if hasattr(reference[index], "item") else reference[index],
        actual=actual[index].item() if hasattr(actual[index], "item") else actual[index],
        wrong=int(wrong.sum()),
        elements=int(reference.size),
    )


def text_of(value: object) -> str:
    """Return one string of a tensor as the browser gives it: what is not UTF-8 is replaced."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
