"""How a weight of 32-bit floats is written with fewer bits: TF.js's ``quantization``, and scales per channel.

A constant of the IR always holds the numbers that the page will compute with; its encoding says by which
codes they are written. Decoding is done in the loaders' own arithmetic: double precision, rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: What a tensor's codes per channel are: uint8 in the file, which a loader reads as -128 to 127.
CHANNEL_MIN = -128.0
_CHANNEL_LIMIT = 127


@dataclass(frozen=True)
class Encoding:
    """The codes of one weight.

    Attributes:
        dtype: of the codes: ``uint8``, ``uint16`` or ``float16``.
        scale, min: the value is ``code * scale + min``; unused for float16.
        channels: float32, of a shape that broadcasts to the weight's; the value is multiplied by it. In
            ``model.json`` it is a constant of its own, and a ``Mul``.
    """

    dtype: str
    scale: float = 1.0
    min: float = 0.0
    channels: np.ndarray | None = None

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the float32 numbers of ``codes``."""
        if self.dtype == "float16":
            return codes.view(np.float16).astype(np.float32)
        values = (codes.astype(np.float64) * self.scale + self.min).astype(np.float32)
        return values if self.channels is None else values * self.channels

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the nearest codes of ``values``, float32, as uint8 or uint16 in their shape."""
        if self.dtype == "float16":
            with np.errstate(over="ignore"):
                return values.astype(np.float16).view(np.uint16)
        wide = values.astype(np.float64)
        if self.channels is not None:
            wide = np.divide(
                wide,
                self.channels,
                out=np.zeros_like(wide),
                where=np.broadcast_to(self.channels, wide.shape) != 0,
            )
        limits = np.iinfo(self.dtype)
        codes = np.rint((wide - self.min) / self.scale)
        return np.clip(codes, limits.min, limits.max).astype(self.dtype)

    def exact(self, values: np.ndarray) -> np.ndarray | None:
        """Return the codes that decode to ``values`` bit for bit, ``None`` where there are none."""
        if values.dtype != np.float32:
            return None
        codes = self.encode(values)
        # a zero's sign is not worth four bytes
        return codes if np.array_equal(self.decode(codes), values) else None

    def to_json(self) -> dict[str, Any]:
        """Return the weight spec's member ``quantization``."""
        document: dict[str, Any] = {"dtype": self.dtype, "original_dtype": "float32"}
        return document if self.dtype == "float16" else {**document, "scale": self.scale, "min": self.min}


def float16() -> Encoding:
    """Return the encoding of half precision: 11 significant bits, up to 65504."""
    return Encoding("float16")


def linear(values: np.ndarray, dtype: str) -> Encoding:
    """Return the encoding that spreads the codes of ``dtype`` over the values' range; 0 is exact.

    Args:
        values: finite.
        dtype: ``uint8`` or ``uint16``.
    """
    low, high = float(values.min(initial=0)), float(values.max(initial=0))  # so that 0 lies between them
    steps = int(np.iinfo(dtype).max)
    scale = (high - low) / steps
    if scale == 0:
        return Encoding(dtype)
    return Encoding(dtype, scale, -(round(-low / scale) * scale) + 0.0)


def per_channel(values: np.ndarray, axes: tuple[int, ...]) -> Encoding:
    """Return the encoding with a scale for each index along the axes that are not ``axes``; 0 is exact."""
    largest = np.abs(values).max(axis=axes, keepdims=True)
    return Encoding("uint8", 1.0, CHANNEL_MIN, (largest / np.float32(_CHANNEL_LIMIT)).astype(np.float32))
