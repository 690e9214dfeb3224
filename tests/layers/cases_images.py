"""Pictures: resized, cropped, and corrected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import functional, ints, mixed, pictures, single, sizes
from layer_case import Example, LayerCase

FIRST = "channels_first"
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def _bytes(*shape: int, seed: int = 0) -> np.ndarray:
    return ints(*shape, high=256, seed=seed, dtype=np.uint8)


def _resizing() -> Iterator[LayerCase]:
    layer = "Resizing"

    def case(
        variant: str,
        source: tuple[int, int],
        target: tuple[int, int],
        sampled: bool = False,
        first: bool = False,
        **config: Any,
    ) -> LayerCase:
        shape = (2, *source) if first else (*source, 2)
        config = {"height": target[0], "width": target[1], **config}
        if first:
            config["data_format"] = FIRST
        return single(
            layer,
            variant,
            shape,
            config,
            examples=sizes((3, *shape), (1, *shape), kind=pictures),
            sampled=sampled,
        )

    for mode in INTERPOLATIONS:
        options = {"interpolation": mode}
        yield case(f"{mode}, larger", (4, 5), (9, 7), **options, sampled=mode in ("bilinear", "lanczos3"))
        yield case(f"{mode}, smaller", (9, 8), (4, 3), **options)
        yield case(f"{mode}, taller and narrower", (4, 9), (7, 4), **options)
        yield case(f"{mode}, half", (8, 6), (4, 3), **options)
        yield case(f"{mode}, twice", (3, 4), (6, 8), **options)
        yield case(f"{mode}, its own size", (4, 5), (4, 5), **options)
        yield case(f"{mode}, antialiased, smaller", (9, 8), (4, 3), **options, antialias=True)
        yield case(f"{mode}, antialiased, larger", (4, 5), (9, 7), **options, antialias=True)
        yield case(f"{mode}, from one pixel", (1, 1), (3, 2), **options)
        yield case(f"{mode}, to one pixel", (5, 4), (1, 1), **options)
        yield case(f"{mode}, channels first", (6, 5), (4, 8), first=True, **options)
        yield case(
            f"{mode}, cropped to the ratio, wide", (5, 9), (4, 4), **options, crop_to_aspect_ratio=True
        )
        yield case(
            f"{mode}, cropped to the ratio, tall", (9, 5), (3, 4), **options, crop_to_aspect_ratio=True
        )
        yield case(f"{mode}, padded to the ratio, wide", (5, 9), (4, 4), **options, pad_to_aspect_ratio=True)
        yield case(
            f"{mode}, padded to the ratio, tall",
            (9, 4),
            (6, 6),
            **options,
            pad_to_aspect_ratio=True,
            fill_value=7.0,
        )
        yield single(
            layer,
            f"{mode}, unknown sizes",
            (None, None, 2),
            {"height": 5, "width": 6, **options},
            examples=sizes((1, 7, 4, 2), (3, 3, 8, 2), kind=pictures),
        )
        yield single(
            layer,
            f"{mode}, bytes",
            (6, 5, 3),
            {"height": 4, "width": 8, **options},
            dtype="uint8",
            examples=((_bytes(3, 6, 5, 3),), (_bytes(1, 6, 5, 3, seed=1),)),
        )
    yield case(
        "bilinear, cropped to the ratio, channels first",
        (5, 9),
        (4, 4),
        first=True,
        crop_to_aspect_ratio=True,
    )
    yield case(
        "bilinear, padded to the ratio, channels first", (5, 9), (4, 4), first=True, pad_to_aspect_ratio=True
    )
    yield case(
        "bilinear, padded to the ratio, antialiased",
        (12, 5),
        (4, 4),
        pad_to_aspect_ratio=True,
        antialias=True,
    )
    for ratio in ("crop_to_aspect_ratio", "pad_to_aspect_ratio"):
        yield single(
            layer,
            f"bilinear, unknown sizes, {ratio.split('_')[0]} to the ratio",
            (None, None, 2),
            {"height": 5, "width": 6, ratio: True},
            examples=sizes((1, 7, 4, 2), (3, 3, 8, 2), kind=pictures),
        )


def _cropping() -> Iterator[LayerCase]:
    for layer in ("CenterCrop", "RandomCrop"):  # RandomCrop resizes and crops in the middle at inference

        def case(
            variant: str, shape: tuple[int, ...], layer: str = layer, sampled: bool = False, **config: Any
        ) -> LayerCase:
            return single(
                layer,
                variant,
                shape,
                config,
                examples=sizes((3, *shape), (1, *shape), kind=pictures),
                sampled=sampled,
            )

        yield case("odd margins", (8, 7, 2), height=5, width=4, sampled=True)
        yield case("even margins", (8, 7, 2), height=4, width=3)
        yield case("its own size", (5, 4, 2), height=5, width=4)
        yield case("larger than the picture", (4, 5, 2), height=6, width=7)
        yield case("taller than the picture", (4, 8, 2), height=6, width=5)
        yield case("channels first", (2, 8, 7), height=5, width=4, data_format=FIRST)
        yield single(
            layer,
            "bytes",
            (6, 5, 3),
            {"height": 4, "width": 4},
            dtype="uint8",
            examples=((_bytes(3, 6, 5, 3),),),
        )
        yield single(
            layer,
            "unknown sizes",
            (None, None, 2),
            {"height": 4, "width": 5},
            examples=sizes(
                (1, 7, 6, 2), (3, 9, 5, 2), (1, 3, 9, 2), (2, 6, 3, 2), (1, 2, 2, 2), kind=pictures
            ),
        )
        if layer == "CenterCrop":
            yield single(
                layer,
                "unknown sizes, channels first",
                (2, None, None),
                {"height": 4, "width": 5, "data_format": FIRST},
                examples=sizes((1, 2, 7, 6), (3, 2, 3, 9), kind=pictures),
            )
            yield single(
                layer,
                "unknown width",
                (6, None, 2),
                {"height": 4, "width": 5},
                examples=sizes((1, 6, 7, 2), (3, 6, 3, 2), kind=pictures),
            )


def _equalization(
    variant: str,
    shape: tuple[int, ...],
    examples: tuple[Example, ...],
    dtype: str = "float32",
    sampled: bool = False,
    **config: Any,
) -> LayerCase:
    """In a ``Pipeline``: as a functional model's own layer, Keras 3.15 takes its output for its input."""
    return LayerCase(
        "Equalization",
        variant,
        functional(
            [shape], lambda k, x: k.layers.Pipeline([k.layers.Equalization(**config)])(x), dtypes=dtype
        ),
        examples=examples,
        sampled=sampled,
    )


def _corrections() -> Iterator[LayerCase]:
    shape = (8, 8, 3)
    flat = np.full((1, *shape), 37.0, np.float32)
    dark = pictures(3, *shape) // 4 + 10
    ends = np.zeros((1, *shape), np.float32)
    ends[:, :4] = 255
    examples: tuple[Example, ...] = ((dark,), (flat,), (ends,))
    fractions = tuple((values / 255,) for (values,) in examples)
    bytes_ = tuple((values.astype(np.uint8),) for (values,) in examples)
    turned = tuple((np.moveaxis(values, -1, 1).copy(),) for (values,) in examples)
    layer = "AutoContrast"
    yield single(layer, "pixels of 0 to 255", shape, examples=examples, sampled=True)
    yield single(layer, "pixels of 0 to 1", shape, {"value_range": (0, 1)}, examples=fractions)
    yield single(layer, "bytes", shape, dtype="uint8", examples=bytes_)
    yield _equalization("pixels of 0 to 255", shape, examples, sampled=True)
    yield _equalization("pixels of 0 to 1", shape, fractions, value_range=(0, 1))
    yield _equalization("bytes", shape, bytes_, dtype="uint8")
    yield _equalization("16 bins", shape, examples, bins=16)
    yield _equalization("channels first", (3, 8, 8), turned, data_format=FIRST)
    layer = "ContrastLimitedAdaptiveHistogramEqualization"
    tiles = {"tile_grid_size": (2, 2)}
    yield single(layer, "4 tiles", shape, tiles, examples=examples, sampled=True)
    yield single(
        layer,
        "6 tiles, clipped early",
        (8, 9, 3),
        {"tile_grid_size": (2, 3), "clip_limit": 1.5},
        examples=((pictures(2, 8, 9, 3),),),
    )
    yield single(
        layer, "sizes that tiles do not divide", (7, 9, 3), tiles, examples=((pictures(2, 7, 9, 3),),)
    )
    yield single(layer, "pixels of 0 to 1", shape, {**tiles, "value_range": (0, 1)}, examples=fractions)
    yield single(layer, "gray", (8, 8, 1), tiles, examples=((pictures(2, 8, 8, 1),),))


CASES = (
    *_resizing(),
    *_cropping(),
    *_corrections(),
    LayerCase(
        "Resizing",
        "in front of a convolution",
        functional(
            [(9, 7, 3)],
            lambda k, x: k.layers.Conv2D(2, 3)(
                k.layers.Rescaling(1 / 255)(k.layers.Resizing(6, 6, "bicubic")(x))
            ),
        ),
        examples=sizes((3, 9, 7, 3), (1, 9, 7, 3), kind=pictures),
    ),
    LayerCase(
        "Resizing",
        "negative values, larger than the picture",
        functional([(3, 4, 1)], lambda k, x: k.layers.Resizing(7, 9, "bicubic", antialias=True)(x)),
        examples=((mixed(3, 3, 4, 1) * 1000,),),
    ),
)
