"""Augmentation and regularization: what random layers do at inference, which is mostly nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import functional, ints, mixed, pictures, single, sizes
from layer_case import LayerCase

FIRST = "channels_first"

#: Each layer with what it must be given.
RANDOM: dict[str, dict[str, Any]] = {
    "AugMix": {},
    "CutMix": {},
    "MixUp": {},
    "RandAugment": {},
    "RandomBrightness": {"factor": 0.5},
    "RandomColorDegeneration": {"factor": 0.5},
    "RandomColorJitter": {
        "brightness_factor": 0.3,
        "contrast_factor": 0.3,
        "saturation_factor": 0.3,
        "hue_factor": 0.3,
    },
    "RandomContrast": {"factor": 0.5},
    "RandomElasticTransform": {},
    "RandomErasing": {},
    "RandomFlip": {},
    "RandomGaussianBlur": {},
    "RandomGrayscale": {"factor": 0.9},
    "RandomHue": {"factor": 0.5},
    "RandomInvert": {},
    "RandomPerspective": {},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.4},
    "RandomSaturation": {"factor": 0.5},
    "RandomSharpness": {"factor": 0.5},
    # Keras 3.15 cannot load one with a single number for a factor: it saves a range from below 0.
    "RandomShear": {"x_factor": (0.1, 0.4), "y_factor": (0.1, 0.3)},
    "RandomTranslation": {"height_factor": 0.4, "width_factor": 0.3},
    "RandomZoom": {"height_factor": 0.4},
    "Solarization": {"threshold_factor": 0.5},
}

#: Those that have no ``data_format``.
LAST_ONLY = ("RandomBrightness", "RandomContrast", "Solarization")


def _random(layer: str) -> Iterator[LayerCase]:
    config = RANDOM[layer]
    shape = (6, 5, 3)
    yield single(
        layer,
        "pictures",
        shape,
        config,
        examples=sizes((3, *shape), (1, *shape), kind=pictures),
        sampled=True,
    )
    yield single(
        layer,
        "bytes",
        shape,
        config,
        dtype="uint8",
        examples=((ints(3, *shape, high=256, dtype=np.uint8),),),
    )
    yield single(
        layer,
        "unknown sizes",
        (None, None, 3),
        config,
        examples=sizes((1, 6, 5, 3), (3, 4, 7, 3), kind=pictures),
    )
    if layer not in LAST_ONLY:
        yield single(
            layer,
            "channels first",
            (3, 6, 5),
            {**config, "data_format": FIRST},
            examples=sizes((3, 3, 6, 5), kind=pictures),
        )


def _ranges() -> Iterator[LayerCase]:
    """Values outside of the range that the layer is told: clipped or not, as Keras does."""
    for layer in RANDOM:
        if layer in (
            "CutMix",
            "MixUp",
            "RandomFlip",
            "RandomGrayscale",
            "RandomPerspective",
            "RandomRotation",
        ):
            continue
        if layer in ("RandomShear", "RandomTranslation", "RandomZoom"):
            continue
        yield single(
            layer,
            "values outside of the range",
            (4, 4, 3),
            {**RANDOM[layer], "value_range": (0, 1)},
            examples=((mixed(3, 4, 4, 3),),),
        )


def _boxes(k: Any, images: Any, boxes: Any, labels: Any, **config: Any) -> Any:
    found = k.layers.MaxNumBoundingBoxes(3, bounding_box_format="xyxy", **config)(
        {"images": images, "bounding_boxes": {"boxes": boxes, "labels": labels}}
    )
    return [found["images"], found["bounding_boxes"]["boxes"], found["bounding_boxes"]["labels"]]


def _box_case(variant: str, count: int, sampled: bool = False) -> LayerCase:
    generator = np.random.default_rng(1)

    def example(batch: int) -> tuple[np.ndarray, ...]:
        boxes = generator.uniform(0, 6, (batch, count, 4)).astype(np.float32)
        labels = generator.integers(0, 5, (batch, count)).astype(np.float32)
        return pictures(batch, 6, 6, 3), boxes, labels

    return LayerCase(
        "MaxNumBoundingBoxes",
        variant,
        functional([(6, 6, 3), (count, 4), (count,)], _boxes),
        examples=(example(3), example(1)),
        sampled=sampled,
    )


CASES = (
    *(case for layer in RANDOM for case in _random(layer)),
    *_ranges(),
    single(
        "RandomPosterization",
        "one bit",
        (4, 4, 3),
        {"factor": 1},
        examples=sizes((3, 4, 4, 3), kind=pictures),
    ),
    single(
        "Solarization",
        "pixels added",
        (4, 4, 3),
        {"addition_factor": 0.4, "threshold_factor": 0.2},
        examples=sizes((3, 4, 4, 3), kind=pictures),
    ),
    _box_case("too few", 2, sampled=True),
    _box_case("too many", 5),
    LayerCase(
        "RandomFlip",
        "several in a row, in front of a convolution",
        functional(
            [(6, 6, 3)],
            lambda k, x: k.layers.Conv2D(2, 3)(
                k.layers.RandomContrast(0.2)(
                    k.layers.RandomZoom(0.2)(k.layers.RandomRotation(0.2)(k.layers.RandomFlip()(x)))
                )
            ),
        ),
        examples=sizes((3, 6, 6, 3), (1, 6, 6, 3), kind=pictures),
    ),
    single("Dropout", "half", (4, 3), {"rate": 0.5}, sampled=True),
    single(
        "Dropout", "a shape of its own, seeded", (4, 3), {"rate": 0.5, "noise_shape": (None, 1, 3), "seed": 3}
    ),
    single("AlphaDropout", "half", (4, 3), {"rate": 0.5}, sampled=True),
    single("GaussianDropout", "half", (4, 3), {"rate": 0.5}, sampled=True),
    single("GaussianNoise", "half", (4, 3), {"stddev": 0.5}, sampled=True),
    single("SpatialDropout1D", "half", (4, 3), {"rate": 0.5}, sampled=True),
    single("SpatialDropout2D", "half", (4, 3, 2), {"rate": 0.5}, sampled=True),
    single("SpatialDropout2D", "channels first", (2, 4, 3), {"rate": 0.5, "data_format": FIRST}),
    single("SpatialDropout3D", "half", (4, 3, 2, 2), {"rate": 0.5}, sampled=True),
    single("SpatialDropout3D", "channels first", (2, 4, 3, 2), {"rate": 0.5, "data_format": FIRST}),
    single("ActivityRegularization", "both", (4, 3), {"l1": 0.1, "l2": 0.2}, sampled=True),
    LayerCase(
        "Dropout",
        "between dense layers",
        functional([(5,)], lambda k, x: k.layers.Dense(3)(k.layers.Dropout(0.5)(k.layers.Dense(4)(x)))),
    ),
)
