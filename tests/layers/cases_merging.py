"""Merges of two and more inputs: elementwise, joined, multiplied, with broadcasting and with masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import floats, functional, ints, mixed, padded
from layer_case import Example, LayerCase

ELEMENTWISE = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")

TOKENS = np.array([[4, 1, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0]], np.int32)


def _merge(layer: str, variant: str, *shapes: Any, sampled: bool = False, **config: Any) -> LayerCase:
    def apply(k: Any, *inputs: Any) -> Any:
        return getattr(k.layers, layer)(**config)(list(inputs))

    examples = tuple(
        tuple(
            mixed(batch, *(size or 5 + batch for size in shape), seed=batch + i)
            for i, shape in enumerate(shapes)
        )
        for batch in (3, 1)
    )
    return LayerCase(layer, variant, functional(shapes, apply), examples=examples, sampled=sampled)


def _elementwise(layer: str) -> Iterator[LayerCase]:
    yield _merge(layer, "two", (4, 3), (4, 3), sampled=True)
    if layer != "Subtract":  # takes two
        yield _merge(layer, "four", (3,), (3,), (3,), (3,))
    yield _merge(layer, "broadcast over the last axis", (4, 3), (4, 1))
    yield _merge(layer, "broadcast over the first axes", (2, 4, 3), (1, 1, 3))
    yield _merge(layer, "both broadcast", (4, 1), (1, 3))
    yield _merge(layer, "of different rank", (4, 3), (3,))
    yield _merge(layer, "of different rank, the smaller first", (4,), (2, 3, 4))
    yield _merge(layer, "unknown sizes", (None, None, 2), (None, None, 2))
    yield _merge(layer, "unknown length, broadcast", (None, 3), (1, 3))
    integers = ((ints(3, 4, low=-99, high=99), ints(3, 4, low=-9, high=9, seed=1)),)
    yield LayerCase(
        layer,
        "integers",
        functional([(4,), (4,)], lambda k, x, y: getattr(k.layers, layer)()([x, y]), dtypes="int32"),
        examples=integers,
    )
    bad = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    yield LayerCase(
        layer,
        "infinities and NaN",
        functional([(4,), (4,)], lambda k, x, y: getattr(k.layers, layer)()([x, y])),
        examples=((bad, np.ones((1, 4), np.float32)), (np.full((1, 4), 2.0, np.float32), bad)),
    )


def _masked(layer: str, *, axis: int | None = None) -> LayerCase:
    """Two masked sequences merged; what comes of the masks decides an average over the steps."""

    def apply(k: Any, x: Any, y: Any) -> Any:
        config = {} if axis is None else {"axis": axis}
        merged = getattr(k.layers, layer)(**config)([k.layers.Masking()(x), k.layers.Masking()(y)])
        return [k.layers.GlobalAveragePooling1D()(merged), merged]

    examples: tuple[Example, ...] = (
        (padded(3, 4, 2, lengths=(4, 2, 1)), padded(3, 4, 2, lengths=(3, 4, 2), seed=1)),
        (padded(1, 4, 2, lengths=(2,), front=True), padded(1, 4, 2, lengths=(3,), seed=1)),
    )
    variant = "masks" if axis is None else f"masks, axis {axis}"
    return LayerCase(layer, variant, functional([(4, 2), (4, 2)], apply), examples=examples)


def _masked_beside_unmasked(k: Any, x: Any, y: Any) -> Any:
    merged = k.layers.Concatenate()([k.layers.Embedding(9, 3, mask_zero=True)(x), y])
    return k.layers.LSTM(3)(merged)


def _dot(
    variant: str,
    left: tuple[int | None, ...],
    right: tuple[int | None, ...],
    sampled: bool = False,
    **config: Any,
) -> LayerCase:
    return _merge("Dot", variant, left, right, sampled=sampled, **config)


CASES = (
    *(case for layer in ELEMENTWISE for case in _elementwise(layer)),
    *(_masked(layer) for layer in ELEMENTWISE),
    _merge("Concatenate", "last axis", (4, 3), (4, 2), sampled=True),
    _merge("Concatenate", "three, axis 1", (4, 2), (1, 2), (3, 2), axis=1),
    _merge("Concatenate", "rank 4, axis 2", (2, 3, 2), (2, 1, 2), axis=2),
    _merge("Concatenate", "rank 5, last axis", (2, 1, 3, 2), (2, 1, 3, 4)),
    _merge("Concatenate", "over the batch", (3,), (3,), axis=0),
    _merge("Concatenate", "unknown lengths, axis 1", (None, 3), (None, 3), axis=1),
    _merge("Concatenate", "unknown sizes, last axis", (None, None, 3), (None, None, 1)),
    _masked("Concatenate", axis=-1),
    _masked("Concatenate", axis=1),
    LayerCase(
        "Concatenate",
        "a mask beside none",
        functional([(4,), (4, 2)], _masked_beside_unmasked, dtypes=("int32", "float32")),
        examples=((TOKENS, floats(3, 4, 2)), (TOKENS[:1], floats(1, 4, 2, seed=1))),
    ),
    LayerCase(
        "Concatenate",
        "integers",
        functional([(2,), (3,)], lambda k, x, y: k.layers.Concatenate()([x, y]), dtypes="int32"),
        examples=((ints(3, 2, high=9), ints(3, 3, high=2**24)),),
    ),
    _dot("vectors", (4,), (4,), sampled=True, axes=1),
    _dot("vectors, cosine", (4,), (4,), axes=1, normalize=True),
    _dot("sequences over features", (4, 3), (5, 3), axes=2, sampled=True),
    _dot("sequences over features, cosine", (4, 3), (5, 3), axes=-1, normalize=True),
    _dot("sequences over steps", (4, 3), (4, 2), axes=1),
    _dot("axes that differ", (4, 3), (5, 4), axes=(1, 2)),
    _dot("a sequence and a vector", (4, 3), (3,), axes=(2, 1)),
    _dot("rank 4", (2, 4, 3), (2, 5, 3), axes=3),
    _dot("unknown lengths", (None, 3), (None, 3), axes=2),
)
