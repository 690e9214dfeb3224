"""Writing weights with fewer bits, but for those that the outputs would miss."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tfjs_bundle.compress.weights import Weight
from tfjs_bundle.graph.encodings import Encoding, float16, linear, per_channel

#: What ``--quantize`` takes; ``int8`` is uint8 with a scale per channel.
SCHEMES = ("none", "float16", "uint16", "uint8", "int8")

#: What a tensor that suffers from a scheme is written as instead; after the last it stays float32.
FINER: Mapping[str, tuple[str, ...]] = {
    "float16": ("float16",),
    "uint16": ("uint16",),
    "uint8": ("uint8", "float16"),
    "int8": ("int8", "float16"),
}

#: How far one tensor's rounding may move the outputs, relative to their own spread over the inputs.
OUTPUT_LIMIT = 0.03
#: How far it may move the tensor itself, relative to its size, where the outputs cannot be asked.
WEIGHT_LIMIT = 0.03

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
    if value.ndim < 2:  # a long bias: a few bytes, and each output has its error
        return None
    if scheme == "uint8" or not weight.reduced:
        return linear(value, "uint8")
    encoding = per_channel(value, weight.reduced)
    assert encoding.channels is not None
    # a scale takes four bytes: as many as it saves where a channel has one or two numbers
    return linear(value, "uint8") if encoding.channels.size * 4 > value.size else encoding


def choose(weight: Weight, scheme: str, damage: Damage | None) -> tuple[str, Encoding | None, float]:
    """Return the scheme and encoding of ``weight``, and how far it moves the outputs.

    A weight that suffers from every scheme is ``float32``, without an encoding.

    Args:
        damage: what measures that; without it, and for weights of loops, the weight's own error decides.
    """
    for candidate in FINER[scheme]:
        encoding = encoding_of(weight, candidate)
        if encoding is None:
            continue
        decoded = encoding.decode(encoding.encode(weight.value))
        moved = damage({weight.name: decoded}) if damage and weight.main else float("nan")
        limit = OUTPUT_LIMIT
        if np.isnan(moved):
            moved, limit = relative_error(weight.value, decoded), WEIGHT_LIMIT
        if moved <= limit:
            return candidate, encoding, moved
    return "float32", None, 0.0


def relative_error(values: np.ndarray, decoded: np.ndarray) -> float:
    """Return the root mean square of the error over that of the values."""
    size = float(np.linalg.norm(values.astype(np.float64)))
    error = float(np.linalg.norm(decoded.astype(np.float64) - values))
    return error / size if size else (0.0 if error == 0 else float("inf"))
