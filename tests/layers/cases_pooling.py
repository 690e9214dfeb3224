"""Pooling: windows, the whole picture, and adaptive windows, in one to three dimensions.

Adaptive pooling needs sizes that are known when the model is built; other sizes are no case. Nor is adaptive
max pooling into one window: Keras 3.15 tries a window larger than the input too, at which TensorFlow crashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import floats, functional, mixed, padded, single, sizes
from layer_case import LayerCase

FIRST = "channels_first"
SPACE: dict[int, tuple[int, ...]] = {1: (9,), 2: (7, 8), 3: (5, 6, 7)}


def _negative(*shape: int, seed: int = 0) -> np.ndarray:
    """Below zero throughout: a border of zeros would win, or weigh."""
    return floats(*shape, seed=seed, low=-3, high=-1)


def _unknown(dimensions: int) -> dict[str, Any]:
    larger = tuple(size + 2 for size in SPACE[dimensions])
    return {
        "shape": (*(None,) * dimensions, 3),
        "examples": sizes((1, *SPACE[dimensions], 3), (3, *larger, 3)),
    }


def _windows(kind: str, dimensions: int) -> Iterator[LayerCase]:
    layer = f"{kind}Pooling{dimensions}D"
    space = SPACE[dimensions]
    shape, first = (*space, 3), (3, *space)
    below = sizes((3, *shape), (1, *shape), kind=_negative)
    yield single(
        layer,
        "same, overlapping, negative values",
        shape,
        {"pool_size": 3, "strides": 2, "padding": "same"},
        examples=below,
        sampled=True,
    )
    yield single(layer, "pool size 2", shape, {"pool_size": 2})
    yield single(layer, "pool size 3, strides 1", shape, {"pool_size": 3, "strides": 1})
    yield single(layer, "pool size 2, strides 3", shape, {"pool_size": 2, "strides": 3})
    yield single(
        layer, "same, strides 1", shape, {"pool_size": 2, "strides": 1, "padding": "same"}, examples=below
    )
    yield single(
        layer,
        "same, strides larger than the window",
        shape,
        {"pool_size": 2, "strides": 3, "padding": "same"},
    )
    yield single(
        layer,
        "window of 1, strides 2, same, unknown sizes",
        config={"pool_size": 1, "strides": 2, "padding": "same"},
        **_unknown(dimensions),
    )
    if dimensions > 1:
        window, strides = {2: ((3, 2), (1, 2)), 3: ((1, 3, 2), (2, 1, 3))}[dimensions]
        yield single(
            layer, "window and strides that differ", shape, {"pool_size": window, "strides": strides}
        )
        yield single(
            layer,
            "window and strides that differ, same",
            shape,
            {"pool_size": window, "strides": strides, "padding": "same"},
            examples=below,
        )
    yield single(layer, "channels first", first, {"pool_size": 2, "data_format": FIRST})
    yield single(
        layer,
        "channels first, same, strides 2",
        first,
        {"pool_size": 3, "strides": 2, "padding": "same", "data_format": FIRST},
        examples=sizes((3, *first), (1, *first), kind=_negative),
    )
    yield single(layer, "unknown sizes", config={"pool_size": 2}, **_unknown(dimensions))
    yield single(
        layer,
        "unknown sizes, same",
        config={"pool_size": 3, "strides": 2, "padding": "same"},
        **_unknown(dimensions),
    )
    if kind == "Max":
        extreme = mixed(3, *shape)
        extreme[0] = -3e38  # of infinities below TensorFlow makes its lowest float
        extreme[1, 0] = np.inf
        yield single(
            layer,
            "the lowest numbers, same",
            shape,
            {"pool_size": 2, "padding": "same"},
            examples=((extreme,),),
        )


def _global(kind: str, dimensions: int) -> Iterator[LayerCase]:
    layer = f"Global{kind}Pooling{dimensions}D"
    space = SPACE[dimensions]
    shape, first = (*space, 3), (3, *space)
    below = sizes((3, *shape), (1, *shape), kind=_negative)
    yield single(layer, "channels last", shape, examples=below, sampled=True)
    yield single(layer, "keeping dimensions", shape, {"keepdims": True})
    yield single(layer, "channels first", first, {"data_format": FIRST})
    yield single(layer, "channels first, keeping dimensions", first, {"data_format": FIRST, "keepdims": True})
    yield single(layer, "unknown sizes", **_unknown(dimensions))
    yield single(
        layer, "unknown sizes, keeping dimensions", config={"keepdims": True}, **_unknown(dimensions)
    )


def _adaptive(kind: str, dimensions: int) -> Iterator[LayerCase]:
    layer = f"Adaptive{kind}Pooling{dimensions}D"
    space = SPACE[dimensions]
    shape, first = (*space, 3), (3, *space)
    below = sizes((3, *shape), (1, *shape), kind=_negative)
    different = {1: 4, 2: (3, 5), 3: (2, 5, 3)}[dimensions]
    yield single(
        layer,
        "windows of two sizes",
        shape,
        {"output_size": different},
        examples=below,
        sampled=True,
    )
    if kind == "Average":
        yield single(layer, "one window", shape, {"output_size": 1})
    yield single(layer, "equal windows", (*(6,) * dimensions, 2), {"output_size": 3})
    yield single(layer, "its own size", (*(5,) * dimensions, 2), {"output_size": 5})
    yield single(layer, "larger than its input", (*(3,) * dimensions, 2), {"output_size": 5})
    yield single(layer, "channels first", first, {"output_size": different, "data_format": FIRST})
    yield single(layer, "fixed batch", shape, {"output_size": 2}, batch_size=2)


def _masked_average(k: Any, x: Any, **config: Any) -> Any:
    return k.layers.GlobalAveragePooling1D(**config)(k.layers.Masking()(x))


CASES = (
    *(case for kind in ("Max", "Average") for dimensions in (1, 2, 3) for case in _windows(kind, dimensions)),
    *(case for kind in ("Max", "Average") for dimensions in (1, 2, 3) for case in _global(kind, dimensions)),
    LayerCase(
        "GlobalAveragePooling1D",
        "masked steps",
        functional([(5, 3)], _masked_average),
        examples=((padded(3, 5, 3, lengths=(5, 2, 1)),), (padded(1, 5, 3, lengths=(4,), front=True),)),
    ),
    LayerCase(
        "GlobalAveragePooling1D",
        "masked steps, keeping dimensions, unknown length",
        functional([(None, 3)], lambda k, x: _masked_average(k, x, keepdims=True)),
        examples=((padded(3, 5, 3, lengths=(5, 2, 1)),), (padded(1, 8, 3, lengths=(4,), front=True),)),
    ),
    LayerCase(
        "GlobalAveragePooling1D",
        "a row without any step",  # 0 / 0 in Keras
        functional([(4, 3)], _masked_average),
        examples=((padded(2, 4, 3, lengths=(0, 3)),),),
    ),
    LayerCase(
        "GlobalAveragePooling1D",
        "a mask of its own",
        functional(
            [(5, 3), (5,)],
            lambda k, x, mask: k.layers.GlobalAveragePooling1D()(x, mask=mask),
            dtypes=("float32", "bool"),
        ),
        examples=(
            (
                mixed(2, 5, 3),
                np.array([[True, False, True, True, False], [False, False, False, False, True]]),
            ),
        ),
    ),
    *(
        case
        for kind in ("Max", "Average")
        for dimensions in (1, 2, 3)
        for case in _adaptive(kind, dimensions)
    ),
)
