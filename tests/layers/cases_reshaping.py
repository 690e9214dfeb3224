"""Shapes: flattened, permuted, repeated, reshaped, cropped, padded, and scaled up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import functional, ints, mixed, padded, single, sizes
from layer_case import LayerCase

FIRST = "channels_first"
SPACE: dict[int, tuple[int, ...]] = {1: (7,), 2: (5, 6), 3: (4, 5, 6)}

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def _unknown(dimensions: int, channels: int = 2) -> dict[str, Any]:
    larger = tuple(size + 1 for size in SPACE[dimensions])
    return {
        "shape": (*(None,) * dimensions, channels),
        "examples": sizes((1, *SPACE[dimensions], channels), (3, *larger, channels)),
    }


def _cropping(dimensions: int) -> Iterator[LayerCase]:
    layer = f"Cropping{dimensions}D"
    shape = (*SPACE[dimensions], 2)
    uneven: Any = {1: (1, 2), 2: ((1, 0), (2, 1)), 3: ((1, 0), (0, 2), (2, 1))}[dimensions]
    yield single(layer, "each edge by its own", shape, {"cropping": uneven}, sampled=True)
    yield single(layer, "all edges by one", shape, {"cropping": 1})
    yield single(layer, "unknown sizes", config={"cropping": uneven}, **_unknown(dimensions))
    if dimensions > 1:
        first = (2, *SPACE[dimensions])
        yield single(layer, "each axis by its own", shape, {"cropping": (1, 2, 0)[:dimensions]})
        yield single(layer, "channels first", first, {"cropping": uneven, "data_format": FIRST})


def _padding(dimensions: int) -> Iterator[LayerCase]:
    layer = f"ZeroPadding{dimensions}D"
    shape, first = (*SPACE[dimensions], 2), (2, *SPACE[dimensions])
    uneven: Any = {1: (1, 2), 2: ((1, 0), (2, 1)), 3: ((1, 0), (0, 2), (2, 1))}[dimensions]
    yield single(layer, "each edge by its own", shape, {"padding": uneven}, sampled=True)
    yield single(layer, "all edges by one", shape, {"padding": 2})
    yield single(layer, "channels first", first, {"padding": uneven, "data_format": FIRST})
    yield single(layer, "unknown sizes", config={"padding": uneven}, **_unknown(dimensions))
    if dimensions > 1:
        yield single(layer, "each axis by its own", shape, {"padding": (1, 2, 0)[:dimensions]})
    yield single(
        layer,
        "integers",
        shape,
        {"padding": 1},
        dtype="int32",
        examples=((ints(3, *shape, high=99, low=-99),),),
    )


def _upsampling(dimensions: int) -> Iterator[LayerCase]:
    layer = f"UpSampling{dimensions}D"
    shape = (*SPACE[dimensions], 2)
    uneven: Any = {1: 3, 2: (2, 3), 3: (1, 3, 2)}[dimensions]
    yield single(layer, "factors that differ", shape, {"size": uneven}, sampled=True)
    yield single(layer, "by 2", shape, {"size": 2})
    yield single(layer, "by 1", shape, {"size": 1})
    yield single(layer, "unknown sizes", config={"size": uneven}, **_unknown(dimensions))
    if dimensions > 1:
        first = (2, *SPACE[dimensions])
        yield single(layer, "channels first", first, {"size": uneven, "data_format": FIRST})


def _interpolated(interpolation: str) -> Iterator[LayerCase]:
    layer = "UpSampling2D"
    config = {"interpolation": interpolation}
    yield single(
        layer,
        f"{interpolation}, factors that differ",
        (4, 3, 2),
        {**config, "size": (2, 3)},
        sampled=interpolation == "bilinear",
    )
    yield single(layer, f"{interpolation}, by 2", (5, 4, 3), {**config, "size": 2})
    yield single(
        layer, f"{interpolation}, channels first", (2, 4, 3), {**config, "size": (3, 2), "data_format": FIRST}
    )
    yield single(layer, f"{interpolation}, one pixel", (1, 1, 2), {**config, "size": 4})
    yield single(layer, f"{interpolation}, unknown sizes", config={**config, "size": 2}, **_unknown(2))


def _masked_permutation(k: Any, x: Any) -> Any:
    return k.layers.Permute((2, 1))(k.layers.Masking()(x))


CASES = (
    single("Flatten", "rank 4", (2, 3, 4), sampled=True),
    single("Flatten", "rank 2", (4,)),
    single("Flatten", "scalars", (), examples=sizes((3,), (1,))),
    single("Flatten", "channels first", (3, 2, 4), {"data_format": FIRST}),
    single("Flatten", "rank 5, channels first", (2, 3, 2, 4), {"data_format": FIRST}),
    single("Flatten", "unknown length", (None, 3), examples=sizes((1, 4, 3), (3, 2, 3))),
    single("Flatten", "integers", (2, 3), dtype="int32", examples=((ints(3, 2, 3, high=2**24, low=-9),),)),
    single("Permute", "rank 3", (3, 4), {"dims": (2, 1)}, sampled=True),
    single("Permute", "rank 4", (2, 3, 4), {"dims": (3, 1, 2)}),
    single("Permute", "rank 5", (2, 1, 3, 4), {"dims": (4, 2, 1, 3)}),
    single("Permute", "nothing moves", (3, 4), {"dims": (1, 2)}),
    single("Permute", "unknown length", (None, 4), {"dims": (2, 1)}, examples=sizes((1, 3, 4), (3, 5, 4))),
    LayerCase(
        "Permute",
        "a masked input",
        functional([(3, 4)], _masked_permutation),
        examples=((padded(2, 3, 4, lengths=(3, 1)),),),
    ),
    single("RepeatVector", "3 times", (4,), {"n": 3}, sampled=True),
    single("RepeatVector", "once", (4,), {"n": 1}),
    single("RepeatVector", "unknown features", (None,), {"n": 2}, examples=sizes((1, 3), (3, 5))),
    single("Reshape", "with -1", (3, 4), {"target_shape": (2, -1)}, sampled=True),
    single("Reshape", "known", (12,), {"target_shape": (2, 3, 2)}),
    single("Reshape", "to one axis", (2, 3, 2), {"target_shape": (-1,)}),
    single("Reshape", "a size of 1 added", (4,), {"target_shape": (4, 1)}),
    single("Reshape", "to scalars", (1,), {"target_shape": ()}),
    single("Reshape", "to rank 6", (24,), {"target_shape": (2, 1, 3, 2, 2)}),
    single(
        "Reshape",
        "unknown length",
        (None, 4),
        {"target_shape": (-1, 2)},
        examples=sizes((1, 3, 4), (3, 5, 4)),
    ),
    single(
        "Reshape",
        "unknown sizes to one axis",
        (None, None, 2),
        {"target_shape": (-1,)},
        examples=sizes((1, 3, 4, 2), (3, 5, 2, 2)),
    ),
    single(
        "Reshape",
        "booleans",
        (4,),
        {"target_shape": (2, 2)},
        dtype="bool",
        examples=((np.eye(4, dtype=bool),),),
    ),
    *(case for dimensions in (1, 2, 3) for case in _cropping(dimensions)),
    *(case for dimensions in (1, 2, 3) for case in _padding(dimensions)),
    single(
        "ZeroPadding2D",
        "infinities",
        (2, 2, 1),
        {"padding": 1},
        examples=((np.array([np.inf, -np.inf, 1, 2], np.float32).reshape(1, 2, 2, 1),),),
    ),
    *(case for dimensions in (1, 2, 3) for case in _upsampling(dimensions)),
    *(case for interpolation in INTERPOLATIONS[1:] for case in _interpolated(interpolation)),
    LayerCase(
        "UpSampling2D",
        "under a convolution and concatenated",
        functional(
            [(4, 4, 2)],
            lambda k, x: k.layers.Concatenate()(
                [
                    x,
                    k.layers.UpSampling2D(interpolation="bilinear")(
                        k.layers.Conv2D(2, 3, 2, padding="same")(x)
                    ),
                ]
            ),
        ),
        examples=((mixed(3, 4, 4, 2),), (mixed(1, 4, 4, 2, seed=1),)),
    ),
)
