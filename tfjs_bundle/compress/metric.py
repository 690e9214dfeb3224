"""How good outputs are, in percent: against labels, or against what the original model gives.

Each output has a metric of its own, chosen by what it gives and by what it is compared with:

- class scores (``[..., classes]``) with class numbers or one-hot rows: accuracy of the highest score
- one value, or several independent ones, with labels of 0 and 1: accuracy of the decision, at 0.5 where all
  of the original's values lie between 0 and 1, else (logits) at 0
- other numbers with numbers: R², the share of the labels' variance that is explained
- whole numbers, truth values and text: the share that is equal

Without labels the original model's outputs stand for them, and the metric is called agreement: rows that sum
to 1 are class scores, and a single value between 0 and 1 is a decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfjs_bundle.errors import UsageError

#: The key of the labels of a model with one output.
LABELS = "y"

ACCURACY, AGREEMENT, R2, R2_ORIGINAL = "accuracy", "agreement", "R²", "R² to the original"
_HIGHEST, _ABOVE, _EQUAL, _VARIANCE = "highest", "above", "equal", "variance"

#: Class scores sum to 1 within this.
_SUM = 1e-3
#: A variance is never taken for smaller than this share of the mean square: of numbers that are all alike,
#: any rounding would be more than there is to explain.
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True)
class Metric:
    """What one output is compared with, and how.

    Attributes:
        output: its name.
        name: ``accuracy``, ``agreement``, ``R²`` or ``R² to the original``.
        rule: how values are compared.
        truth: class numbers, decisions or values, for all rows.
        threshold: above which a value means yes, where decisions are compared.
    """

    output: str
    name: str
    rule: str
    truth: np.ndarray
    threshold: float = 0.5

    def percent(self, values: np.ndarray) -> float:
        """Return the metric of ``values``, the output for all rows; what is not finite is wrong.

        100 is the best there is. R² may be below 0, and is infinitely so where a value is not finite.
        """
        if self.rule == _VARIANCE:
            return self._explained(values)
        if self.rule == _EQUAL:
            return 100 * float(np.mean(_texts(values) == _texts(self.truth)))
        if self.rule == _HIGHEST:
            right = (values.argmax(axis=-1) == self.truth) & np.isfinite(values).all(axis=-1)
        else:
            right = ((values > self.threshold) == self.truth) & np.isfinite(values)
        return 100 * float(np.mean(right))

    def _explained(self, values: np.ndarray) -> float:
        truth = self.truth.astype(np.float64)
        finite = np.isfinite(truth)
        if not np.isfinite(values[finite]).all():
            return -math.inf
        error = float(np.sum((values[finite] - truth[finite]) ** 2, dtype=np.float64))
        means = np.nanmean(np.where(finite, truth, np.nan), axis=0)
        spread = float(np.sum((truth - means)[finite] ** 2))
        spread = max(spread, _LEAST_VARIANCE * float(np.sum(truth[finite] ** 2)))
        if spread == 0:
            return 100.0 if error == 0 else -math.inf
        return 100 * (1 - error / spread)


def metrics(original: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> tuple[Metric, ...]:
    """Return the metric of each output in the original's order; outputs without labels count as they agree.

    With labels for some outputs only, the others are not looked at.

    Args:
        original: what the original model gives for all rows, by output.
        labels: by output, or by :data:`LABELS` where there is one output; may be empty.

    Raises:
        UsageError: labels do not fit the outputs.
    """
    if not labels:
        return tuple(_agreement(name, values) for name, values in original.items())
    named = _by_output(labels, list(original))
    return tuple(_labelled(name, original[name], named[name]) for name in original if name in named)


def lost(before: Sequence[float], after: Sequence[float]) -> float:
    """Return by how many percentage points the output that suffers most is worse than before."""
    return max(0.0 if one == other else one - other for one, other in zip(before, after, strict=True))


def _by_output(labels: Mapping[str, np.ndarray], outputs: list[str]) -> dict[str, np.ndarray]:
    if LABELS in labels and LABELS not in outputs:
        if len(outputs) > 1:
            listed = ", ".join(map(repr, outputs))
            raise UsageError(
                "The model has several outputs, and the labels are called 'y'.",
                f"Name the labels of each output by it: {listed}.",
            )
        return {outputs[0]: labels[LABELS]}
    return dict(labels)


def _labelled(output: str, values: np.ndarray, labels: np.ndarray) -> Metric:
    where = f"the labels of the output {output!r}"
    if labels.dtype.kind not in "biuf" and values.dtype.kind not in "OUS":
        raise UsageError(
            f"The dtype of {where} is {labels.dtype}.",
            "Give class numbers, or a number per value of the output.",
        )
    classes = values.shape[-1] if values.ndim >= 2 and values.dtype.kind == "f" else 1
    numbers = labels[..., 0] if labels.shape == (*values.shape[:-1], 1) and classes > 1 else labels
    if classes > 1 and numbers.shape == values.shape[:-1]:
        low, high = (numbers.min(), numbers.max()) if numbers.size else (0, 0)
        if not np.array_equal(numbers, np.floor(numbers)) or low < 0 or high >= classes:
            raise UsageError(
                f"The values of {where} go from {low:g} to {high:g}; it has {classes} classes.",
                f"Give whole numbers from 0 to {classes - 1}.",
            )
        return Metric(output, ACCURACY, _HIGHEST, numbers.astype(np.int64))
    if labels.size != values.size or _squeezed(labels.shape) != _squeezed(values.shape):
        raise UsageError(
            f"The shape of {where} is {labels.shape}; that of the output is {values.shape}.",
            "Give one class number per row, or a number per value of the output.",
        )
    labels = labels.reshape(values.shape)
    if values.dtype.kind != "f":
        return Metric(output, ACCURACY, _EQUAL, labels)
    if np.isin(labels, (0, 1)).all():
        if classes > 1 and (labels.sum(axis=-1) == 1).all():
            return Metric(output, ACCURACY, _HIGHEST, labels.argmax(axis=-1))
        threshold = 0.5 if _probable(values) else 0.0
        return Metric(output, ACCURACY, _ABOVE, labels == 1, threshold)
    return Metric(output, R2, _VARIANCE, labels)


def _agreement(output: str, values: np.ndarray) -> Metric:
    if values.dtype.kind != "f":
        return Metric(output, AGREEMENT, _EQUAL, values)
    probable = _probable(values)
    if values.ndim >= 2 and values.shape[-1] > 1:
        if probable and (np.abs(values.sum(axis=-1) - 1) < _SUM).all():
            return Metric(output, AGREEMENT, _HIGHEST, values.argmax(axis=-1))
    elif probable and values.ndim <= 2:
        return Metric(output, AGREEMENT, _ABOVE, values > 0.5)
    return Metric(output, R2_ORIGINAL, _VARIANCE, values)


def _probable(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], *(size for size in shape[1:] if size != 1))


def _texts(values: np.ndarray) -> np.ndarray:
    """Return values so that text from everywhere compares."""
    return values.astype(str) if values.dtype.kind in "OUS" else values
