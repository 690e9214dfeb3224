"""Writing weights with fewer bits, but for those that the outputs would miss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfjs_bundle.compress.weights import Weight
from tfjs_bundle.graph.encodings import Encoding, float16, linear, per_channel

#: What a tensor that suffers from a scheme is written as instead; after the last it stays float32.
FINER: Mapping[str, tuple[str, ...]] = {
    "float16": ("float16",),
    "uint16": ("uint16",),
    "uint8": ("uint8", "float16"),
    "int8": ("int8", "float16"),
}

_COARSE = ("uint8", "int8")

#: What a recipe may name; ``int8`` is uint8 with a scale per channel.
SCHEMES = ("none", *FINER)

#: How far rounding may move the outputs in all, relative to their spread.
LIMIT = 0.1

FLOAT16_MAX = 65504.0

#: Returns how far the outputs move, relative to their spread, when weights get other numbers; NaN where that
#: cannot be said.
Damage = Callable[[Mapping[str, np.ndarray]], float]


def encoding_of(weight: Weight, scheme: str) -> Encoding | None:
    """Return the encoding of ``weight`` by ``scheme``; ``None`` where it is not worth it or cannot be."""
    value = weight.value
    if scheme == "float16":
        return float16() if np.abs(value).max() <= FLOAT16_MAX else None
    if scheme == "uint16":
        return linear(value, scheme)
    if scheme == "uint8" or not weight.main:  # in a loop, a Mul more would be one in every step
        return linear(value, "uint8")
    encoding = per_channel(value, weight.reduced)
    assert encoding.channels is not None
    # a scale takes four bytes: as many as it saves where a channel has one or two numbers
    return linear(value, "uint8") if encoding.channels.size * 4 > value.size else encoding


@dataclass(frozen=True)
class Choice:
    """What one weight is written as.

    Attributes:
        scheme: one of :data:`SCHEMES`, or ``float32``.
        encoding: ``None`` for float32.
        moved: how far that moves the outputs, relative to their spread.
    """

    scheme: str = "float32"
    encoding: Encoding | None = None
    moved: float = 0.0


def choose(weights: Sequence[Weight], scheme: str, damage: Damage | None) -> dict[str, Choice]:
    """Return by name what each of ``weights`` is written as.

    Each is rounded alone, and the outputs say how far that moves them. Errors of single weights add up as
    squares where they are independent; while their sum is beyond :data:`LIMIT`, the weight that moves them
    most is written by the next finer scheme.

    Args:
        damage: asks the outputs; where it cannot be asked, the weight's own error stands for theirs.
    """
    ladders = {weight.name: _ladder(weight, scheme) for weight in weights}
    by_name = {weight.name: weight for weight in weights}
    chosen = {name: _measured(by_name[name], *ladder.pop(0), damage) for name, ladder in ladders.items()}
    while math.sqrt(sum(choice.moved**2 for choice in chosen.values())) > LIMIT:
        worst = max(chosen, key=lambda name: (chosen[name].moved, -by_name[name].value.size))
        chosen[worst] = _measured(by_name[worst], *ladders[worst].pop(0), damage)
    return chosen


def _ladder(weight: Weight, scheme: str) -> list[tuple[str, Encoding | None]]:
    """Return the schemes that a weight can be written by, from the smallest to float32."""
    if weight.value.ndim < 2 and scheme in _COARSE:  # a bias: few bytes, and each output has its error
        return [("float32", None)]
    made = [(candidate, encoding_of(weight, candidate)) for candidate in FINER[scheme]]
    return [*((candidate, each) for candidate, each in made if each), ("float32", None)]


def _measured(weight: Weight, scheme: str, encoding: Encoding | None, damage: Damage | None) -> Choice:
    if encoding is None:
        return Choice()
    decoded = encoding.decode(encoding.encode(weight.value))
    return Choice(scheme, encoding, moved_by(weight, decoded, damage))


def moved_by(weight: Weight, values: np.ndarray, damage: Damage | None) -> float:
    """Return how far the outputs move if ``weight`` becomes ``values``.

    Where they cannot be asked: how far the weight itself moves.
    """
    moved = damage({weight.name: values}) if damage and weight.main else math.nan
    return relative_error(weight.value, values) if math.isnan(moved) else moved


def relative_error(values: np.ndarray, decoded: np.ndarray) -> float:
    """Return the root mean square of the error over the mean size of the values, which few large ones hardly
    change."""
    size = float(np.abs(values).mean(dtype=np.float64))
    error = math.sqrt(np.mean((decoded.astype(np.float64) - values) ** 2))
    return error / size if size else (0.0 if error == 0 else math.inf)
