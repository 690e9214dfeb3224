"""Convolutions: plain, depthwise, separable, transposed, in one to three dimensions.

Keras on TensorFlow computes ``channels_first`` and groups on the CPU too. What it refuses everywhere, strides
together with a dilation rate for all but depthwise and separable convolutions, is no case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import floats, functional, single, sizes
from layer_case import LayerCase

FIRST = "channels_first"

#: Spatial sizes by number of dimensions: all different, none a multiple of the strides.
SPACE: dict[int, tuple[int, ...]] = {1: (9,), 2: (8, 7), 3: (6, 5, 7)}


def _shape(dimensions: int, channels: int, first: bool = False) -> tuple[int, ...]:
    space = SPACE[dimensions]
    return (channels, *space) if first else (*space, channels)


def _unknown(dimensions: int, channels: int) -> dict[str, Any]:
    """The shape of pictures of any size, and examples of two sizes."""
    small = tuple(size - 2 for size in SPACE[dimensions])
    return {
        "shape": (*(None,) * dimensions, channels),
        "examples": sizes((1, *SPACE[dimensions], channels), (3, *small, channels)),
    }


def _plain(dimensions: int) -> Iterator[LayerCase]:
    layer = f"Conv{dimensions}D"
    base = {"filters": 4, "kernel_size": 3}
    uneven = {1: 2, 2: (2, 1), 3: (2, 1, 2)}[dimensions]
    dilated = {1: 2, 2: (2, 1), 3: (1, 2, 2)}[dimensions]
    kernel = {1: 2, 2: (1, 3), 3: (1, 3, 2)}[dimensions]
    shape = _shape(dimensions, 3)
    yield single(layer, "same, relu", shape, {**base, "padding": "same", "activation": "relu"}, sampled=True)
    yield single(layer, "valid", shape, base)
    yield single(layer, "no bias", shape, {**base, "use_bias": False})
    yield single(layer, "one filter, kernel of 1", shape, {"filters": 1, "kernel_size": 1})
    yield single(layer, "even kernel, same", shape, {"filters": 3, "kernel_size": 2, "padding": "same"})
    yield single(layer, "strides 2", shape, {**base, "strides": 2})
    yield single(layer, "strides 3, same", shape, {**base, "strides": 3, "padding": "same"})
    yield single(
        layer,
        "kernel of 1, strides 2, same, unknown sizes",
        config={**base, "kernel_size": 1, "strides": 2, "padding": "same"},
        **_unknown(dimensions, 3),
    )
    yield single(
        layer,
        "kernel of 2, strides 4, same, unknown sizes",
        config={**base, "kernel_size": 2, "strides": 4, "padding": "same"},
        **_unknown(dimensions, 3),
    )
    yield single(layer, "dilation 2", shape, {**base, "kernel_size": 2, "dilation_rate": 2})
    yield single(layer, "dilation 2, same", shape, {**base, "dilation_rate": 2, "padding": "same"})
    yield single(
        layer,
        "dilation 3, even kernel, same",
        shape,
        {**base, "kernel_size": 2, "dilation_rate": 3, "padding": "same"},
    )
    if dimensions > 1:
        yield single(
            layer, "kernel and strides that differ", shape, {**base, "kernel_size": kernel, "strides": uneven}
        )
        yield single(
            layer,
            "kernel and strides that differ, same",
            shape,
            {**base, "kernel_size": kernel, "strides": uneven, "padding": "same"},
            sampled=True,
        )
        yield single(
            layer, "dilations that differ", shape, {**base, "kernel_size": 2, "dilation_rate": dilated}
        )
    grouped = _shape(dimensions, 4)
    yield single(layer, "2 groups", grouped, {**base, "filters": 6, "groups": 2}, sampled=dimensions == 2)
    yield single(
        layer,
        "2 groups, strides 2, same, swish",
        grouped,
        {**base, "groups": 2, "strides": 2, "padding": "same", "activation": "swish"},
    )
    yield single(
        layer, "2 groups, dilation 2", grouped, {**base, "kernel_size": 2, "groups": 2, "dilation_rate": 2}
    )
    yield single(
        layer, "as many groups as channels", grouped, {**base, "filters": 8, "groups": 4, "use_bias": False}
    )
    first = _shape(dimensions, 4, first=True)
    yield single(layer, "channels first", first, {**base, "data_format": FIRST})
    yield single(
        layer,
        "channels first, strides 2, same, relu",
        first,
        {**base, "strides": 2, "padding": "same", "data_format": FIRST, "activation": "relu"},
    )
    yield single(
        layer,
        "channels first, dilation 2",
        first,
        {**base, "kernel_size": 2, "dilation_rate": 2, "data_format": FIRST},
    )
    yield single(layer, "channels first, 2 groups", first, {**base, "groups": 2, "data_format": FIRST})
    yield single(layer, "unknown sizes, same", config={**base, "padding": "same"}, **_unknown(dimensions, 3))
    yield single(
        layer,
        "unknown sizes, 2 groups, strides 2",
        config={**base, "groups": 2, "strides": 2},
        **_unknown(dimensions, 4),
    )
    yield single(
        layer,
        "unknown sizes, dilation 2, same",
        config={**base, "dilation_rate": 2, "padding": "same"},
        **_unknown(dimensions, 2),
    )
    if dimensions == 1:
        causal = {**base, "padding": "causal"}
        yield single(layer, "causal", shape, causal)
        yield single(
            layer, "causal, dilation 2, tanh", shape, {**causal, "dilation_rate": 2, "activation": "tanh"}
        )
        yield single(layer, "causal, strides 2", shape, {**causal, "strides": 2})
        yield single(layer, "causal, 2 groups", grouped, {**causal, "groups": 2})
        yield single(layer, "causal, channels first", first, {**causal, "data_format": FIRST})
        yield single(layer, "causal, unknown sizes", config=causal, **_unknown(1, 3))


def _depthwise(dimensions: int) -> Iterator[LayerCase]:
    yield from _spread(f"DepthwiseConv{dimensions}D", dimensions, {"kernel_size": 3})


def _separable(dimensions: int) -> Iterator[LayerCase]:
    yield from _spread(f"SeparableConv{dimensions}D", dimensions, {"filters": 5, "kernel_size": 3})


def _spread(layer: str, dimensions: int, base: dict[str, Any]) -> Iterator[LayerCase]:
    """The configurations that depthwise and separable convolutions share."""
    shape, first = _shape(dimensions, 3), _shape(dimensions, 3, first=True)
    same = {**base, "padding": "same"}
    yield single(
        layer,
        "depth multiplier 2, same, relu",
        shape,
        {**same, "depth_multiplier": 2, "activation": "relu"},
        sampled=True,
    )
    yield single(layer, "valid", shape, base)
    yield single(layer, "no bias", shape, {**base, "use_bias": False})
    yield single(layer, "even kernel, same", shape, {**same, "kernel_size": 2})
    yield single(layer, "one channel", _shape(dimensions, 1), {**same, "depth_multiplier": 3})
    yield single(layer, "strides 2", shape, {**base, "strides": 2})
    yield single(layer, "strides 2, same", shape, {**same, "strides": 2, "depth_multiplier": 2})
    yield single(
        layer,
        "kernel of 1, strides 2, same, unknown sizes",
        config={**same, "kernel_size": 1, "strides": 2},
        **_unknown(dimensions, 3),
    )
    yield single(layer, "dilation 2", shape, {**base, "kernel_size": 2, "dilation_rate": 2})
    yield single(
        layer, "dilation 2, same, multiplier 2", shape, {**same, "dilation_rate": 2, "depth_multiplier": 2}
    )
    yield single(layer, "strides 2, dilation 2, same", shape, {**same, "strides": 2, "dilation_rate": 2})
    yield single(
        layer, "strides 2, dilation 2", shape, {**base, "kernel_size": 2, "strides": 2, "dilation_rate": 2}
    )
    if dimensions == 2:
        yield single(layer, "kernel that differs", shape, {**base, "kernel_size": (1, 3)})
        yield single(layer, "dilations that differ", shape, {**same, "dilation_rate": (1, 2)})
    yield single(layer, "channels first", first, {**base, "data_format": FIRST})
    yield single(
        layer, "channels first, strides 2, same", first, {**same, "strides": 2, "data_format": FIRST}
    )
    yield single(
        layer,
        "channels first, dilation 2, multiplier 2",
        first,
        {**base, "kernel_size": 2, "dilation_rate": 2, "depth_multiplier": 2, "data_format": FIRST},
    )
    yield single(layer, "unknown sizes, same", config=same, **_unknown(dimensions, 3))
    yield single(
        layer,
        "unknown sizes, dilation 2, same",
        config={**same, "dilation_rate": 2},
        **_unknown(dimensions, 3),
    )
    yield single(
        layer,
        "unknown sizes, strides 2, dilation 2, same",
        config={**same, "strides": 2, "dilation_rate": 2},
        **_unknown(dimensions, 3),
    )


def _transposed(dimensions: int) -> Iterator[LayerCase]:
    layer = f"Conv{dimensions}DTranspose"
    base = {"filters": 4, "kernel_size": 3}
    uneven = {1: 3, 2: (2, 1), 3: (1, 2, 3)}[dimensions]
    small = {1: (5,), 2: (4, 3), 3: (3, 2, 4)}[dimensions]
    shape, first = (*small, 3), (3, *small)
    same = {**base, "padding": "same"}
    yield single(
        layer, "strides 2, same, relu", shape, {**same, "strides": 2, "activation": "relu"}, sampled=True
    )
    yield single(layer, "valid", shape, base)
    yield single(layer, "no bias", shape, {**base, "use_bias": False})
    yield single(layer, "kernel of 1, same", shape, {**same, "kernel_size": 1})
    yield single(layer, "strides 2", shape, {**base, "strides": 2})
    yield single(layer, "strides larger than the kernel", shape, {**base, "kernel_size": 2, "strides": 3})
    yield single(
        layer, "strides larger than the kernel, same", shape, {**same, "kernel_size": 2, "strides": 3}
    )
    yield single(layer, "even kernel, strides 2, same", shape, {**same, "kernel_size": 4, "strides": 2})
    yield single(layer, "output padding", shape, {**same, "strides": 2, "output_padding": 1})
    yield single(layer, "output padding 0", shape, {**same, "strides": 2, "output_padding": 0})
    yield single(layer, "output padding, valid", shape, {**base, "strides": 3, "output_padding": 2})
    yield single(layer, "dilation 2", shape, {**base, "dilation_rate": 2})
    yield single(layer, "dilation 2, same", shape, {**same, "dilation_rate": 2})
    if dimensions > 1:
        yield single(layer, "strides that differ", shape, {**base, "strides": uneven})
        yield single(layer, "dilations that differ", shape, {**base, "dilation_rate": (1, 2, 2)[:dimensions]})
    yield single(
        layer, "channels first, strides 2, same", first, {**same, "strides": 2, "data_format": FIRST}
    )
    yield single(
        layer, "channels first, dilation 2", first, {**base, "dilation_rate": 2, "data_format": FIRST}
    )
    unknown: dict[str, Any] = {
        "shape": (*(None,) * dimensions, 3),
        "examples": sizes((1, *small, 3), (3, *(size + 1 for size in small), 3)),
    }
    yield single(layer, "unknown sizes, strides 2, same", config={**same, "strides": 2}, **unknown)
    yield single(layer, "unknown sizes, dilation 2", config={**base, "dilation_rate": 2}, **unknown)


def _two_in_a_row(k: Any, x: Any) -> Any:
    shared = k.layers.Conv2D(3, 3, padding="same", activation="relu")
    return shared(shared(x))


def _residual(k: Any, x: Any) -> Any:
    y = k.layers.Conv2D(3, 3, padding="same", use_bias=False)(x)
    y = k.layers.BatchNormalization()(y)
    y = k.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(k.layers.ReLU(6.0)(y))
    return k.layers.Add()([x, k.layers.BatchNormalization(scale=False)(y)])


def _normalized(k: Any, x: Any) -> Any:
    y = k.layers.BatchNormalization()(k.layers.Conv2D(8, 3, strides=2)(k.layers.ZeroPadding2D(1)(x)))
    y = k.layers.PReLU(shared_axes=(1, 2), alpha_initializer="glorot_uniform")(y)
    y = k.layers.BatchNormalization()(k.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(y))
    y = k.layers.BatchNormalization()(k.layers.MaxPooling2D(2)(k.layers.Activation("elu")(y)))
    y = k.layers.BatchNormalization()(k.layers.Conv1D(5, 2)(k.layers.Reshape((-1, 4))(y)))
    y = k.layers.BatchNormalization()(k.layers.Flatten()(k.layers.Activation("leaky_relu")(y)))
    return k.layers.Dense(3, activation="sigmoid")(y)


def _activated(k: Any, x: Any) -> list[Any]:
    activations = [
        k.layers.PReLU(shared_axes=(1, 2), alpha_initializer="ones"),
        k.layers.ReLU(),
        k.layers.ELU(),
    ]
    return [activation(k.layers.DepthwiseConv2D(1)(x)) for activation in activations]


INFINITE = np.array([np.inf, -np.inf, 1, -1], np.float32)

CASES = (
    *_plain(1),
    *_plain(2),
    *_plain(3),
    LayerCase("Conv2D", "shared, twice in a row", functional([(6, 5, 3)], _two_in_a_row)),
    LayerCase(
        "Conv2D",
        "residual with batch normalization",
        functional([(6, 5, 3)], _residual),
        examples=((floats(3, 6, 5, 3),), (floats(1, 6, 5, 3, seed=1, low=-30, high=30),)),
    ),
    LayerCase(
        "Conv2D",
        "batch normalization before, behind and through everything",
        functional([(13, 14, 3)], _normalized),
        examples=((floats(3, 13, 14, 3),), (floats(1, 13, 14, 3, seed=1, low=-30, high=30),)),
    ),
    LayerCase(
        "DepthwiseConv2D",
        "activations of infinities",
        functional([(6, 6, 4)], _activated),
        examples=((np.broadcast_to(INFINITE, (2, 6, 6, 4)),),),
    ),
    single("Conv2D", "low-rank adapter", (6, 5, 3), {"filters": 4, "kernel_size": 3, "lora_rank": 2}),
    single(
        "Conv2D",
        "fixed batch, same",
        (6, 5, 3),
        {"filters": 4, "kernel_size": 3, "padding": "same"},
        batch_size=2,
    ),
    *_depthwise(1),
    *_depthwise(2),
    *_separable(1),
    *_separable(2),
    *_transposed(1),
    *_transposed(2),
    *_transposed(3),
)
