"""What Keras computes wrongly while it is traced, put right for the time of a trace.

Eager predictions, the reference of parity, are right; Keras's own predict() has the same faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras import ops


@contextmanager
def cured() -> Iterator[None]:
    """Trace with right layers; what is wrong with each is measured with Keras 3.15.1.

    ``TimeDistributed`` over an unknown number of steps makes as many as there are rows in the batch: it takes
    the size of the batch's axis for that of the time's, which it has put in its place.

    ``CenterCrop`` of pictures of unknown size takes every picture to be larger than what it cuts out.

    ``UpSampling2D`` of pictures of unknown size asks whether the new size is positive, which a tracer cannot
    say, and ends there unless it repeats pixels.
    """
    with (
        _replaced(keras.layers.UpSampling2D, "_resize_images", _up_sampling),
        _replaced(keras.layers.TimeDistributed, "call", _time_distributed),
        _replaced(keras.layers.CenterCrop, "transform_images", _center_crop),
    ):
        yield


@contextmanager
def _replaced(layer: type, name: str, replacement: Callable[[Any], Any]) -> Iterator[None]:
    original = getattr(layer, name)
    setattr(layer, name, replacement(original))
    try:
        yield
    finally:
        setattr(layer, name, original)


def _time_distributed(original: Any) -> Any:
    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if inputs.shape[1] is not None:
            return original(self, inputs, training=training, mask=mask)
        # every step of every row at once: at inference no layer looks from one row at another
        rows, steps = ops.shape(inputs)[:2]
        arguments = {}
        if self.layer._call_has_mask_arg and mask is not None:
            arguments["mask"] = ops.reshape(mask, (-1, *mask.shape[2:]))
        if self.layer._call_has_training_arg:
            arguments["training"] = training
        outputs = self.layer.call(ops.reshape(inputs, (-1, *inputs.shape[2:])), **arguments)
        return ops.reshape(outputs, (rows, steps, *outputs.shape[1:]))

    return call


def _center_crop(original: Any) -> Any:
    def transform_images(self: Any, images: Any, *arguments: Any, **options: Any) -> Any:
        first = self.data_format == "channels_first"
        height, width = ops.shape(images)[-2:] if first else ops.shape(images)[-3:-1]
        if isinstance(height, int) and isinstance(width, int):
            return original(self, images, *arguments, **options)
        # Keras resizes the largest part of a small picture that is as wide and high in proportion. Of a large
        # one the part is what is cut out, which resizing leaves as it is. Arithmetic chooses between the two,
        # since webgpu chooses on the device, from where it cannot be read in time for a slice.
        height, width = ops.convert_to_tensor(height), ops.convert_to_tensor(width)
        fits = ops.clip(height - self.height + 1, 0, 1) * ops.clip(width - self.width + 1, 0, 1)
        part_height = _part(height, width, self.height, self.width)
        part_height += fits * (self.height - part_height)
        part_width = _part(width, height, self.width, self.height)
        part_width += fits * (self.width - part_width)
        top, left = (height - part_height) // 2, (width - part_width) // 2
        rows, columns = slice(top, top + part_height), slice(left, left + part_width)
        part = ops.cast(images, self.compute_dtype)[
            (..., rows, columns) if first else (..., rows, columns, slice(None))
        ]
        return ops.image.resize(part, (self.height, self.width), data_format=self.data_format)

    return transform_images


def _part(size: Any, other: Any, target: int, other_target: int) -> Any:
    """Return how much of an axis is as long in proportion to the other one as the target's, at most all."""
    wanted = other * target // other_target
    return ops.maximum(ops.minimum(size, wanted), 1)


def _up_sampling(original: Any) -> Any:
    def resize_images(
        self: Any, x: Any, height_factor: int, width_factor: int, data_format: str, interpolation: str
    ) -> Any:
        if interpolation == "nearest" or None not in x.shape[1:]:
            return original(self, x, height_factor, width_factor, data_format, interpolation=interpolation)
        if data_format == "channels_first":
            x = ops.transpose(x, [0, 2, 3, 1])
        height, width = ops.shape(x)[1:3]
        size = ops.stack([height * height_factor, width * width_factor])
        x = ops.cast(tf.image.resize(x, size, method=interpolation), x.dtype)
        return ops.transpose(x, [0, 3, 1, 2]) if data_format == "channels_first" else x

    return resize_images
