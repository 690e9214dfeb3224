"""Random functional models, seeded: layers and merges put together as nobody would.

A seed gives the same model only as long as this file stays as it is: what found a fault is therefore kept by
its configuration, in ``found/``, and is a case of the layer suite from then on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from case_tools import fresh_keras, seed_weights

#: No tensor of a random model grows beyond so many values per example.
LARGEST = 3000

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "swish", "elu", "softsign", "relu6", "hard_sigmoid", "selu")


def random_model(seed: int) -> Any:
    """Return a functional model of 1 to 3 inputs, some 5 to 15 layers, and outputs at every loose end."""
    k = fresh_keras()
    draw = random.Random(seed)
    inputs = [_input(k, draw, index) for index in range(draw.choice((1, 1, 2, 3)))]
    tensors = [_embedded(k, draw, x) for x in inputs]
    leaves = list(tensors)
    for _ in range(draw.randint(5, 15)):
        x = draw.choice(leaves if draw.random() < 0.8 else tensors)
        merged = _merged(k, draw, x, tensors) if draw.random() < 0.3 else None
        y = _layer(k, draw, x) if merged is None else merged
        if y is None or math.prod(size or 8 for size in y.shape[1:]) > LARGEST:
            continue
        # what was merged with may stay a leaf: outputs in the middle of a model are usual
        leaves = [each for each in leaves if each is not x] + [y]
        tensors.append(y)
    outputs = [y if not any(y is x for x in inputs) else k.layers.Rescaling(2.0)(y) for y in leaves]
    return seed_weights(k.Model(inputs, outputs))


def _input(k: Any, draw: random.Random, index: int) -> Any:
    channels = draw.choice((1, 2, 3, 4))
    shape, dtype = draw.choice(
        (
            ((draw.randint(5, 10), draw.randint(5, 10), channels), "float32"),
            ((None, None, channels), "float32"),
            ((draw.randint(3, 8), draw.randint(2, 6)), "float32"),
            ((None, draw.randint(2, 6)), "float32"),
            ((draw.randint(2, 9),), "float32"),
            ((draw.randint(3, 7),), "int32"),
        )
    )
    return k.Input(shape, dtype=dtype, name=f"input_{index}")


def _embedded(k: Any, draw: random.Random, x: Any) -> Any:
    if x.dtype != "int32":
        return x
    return k.layers.Embedding(5, draw.randint(2, 5), mask_zero=draw.random() < 0.5)(x)


def _layer(k: Any, draw: random.Random, x: Any) -> Any:
    """Return a random layer's output for ``x``, or None where the one drawn does not fit."""
    rank = len(x.shape)
    kinds: dict[int, tuple[Callable[..., Any], ...]] = {
        2: (_dense, _vector_shape),
        3: (_sequence, _sequence, _recurrent, _attention, _dense, _sequence_shape),
        4: (_picture, _picture, _transposed, _pooled, _padded, _picture_shape),
    }
    make = draw.choice((*kinds.get(rank, (_dense,)), _normalized, _activated, _computed))
    return make(k, draw, x)


def _dense(k: Any, draw: random.Random, x: Any) -> Any:
    return k.layers.Dense(draw.randint(1, 6), draw.choice((None, *ACTIVATIONS)))(x)


def _vector_shape(k: Any, draw: random.Random, x: Any) -> Any:
    size = x.shape[-1]
    if size % 4 == 0:
        return k.layers.Reshape((2, 2, size // 4))(x)
    return k.layers.RepeatVector(draw.randint(1, 4))(x)


def _sequence(k: Any, draw: random.Random, x: Any) -> Any:
    steps = x.shape[1] or 8
    size = draw.randint(1, min(3, steps))
    strides, dilation = draw.choice(((1, 1), (1, 2), (2, 1)))
    make = draw.choice((k.layers.Conv1D, k.layers.SeparableConv1D))
    padding = draw.choice(("same", "valid", "causal") if make is k.layers.Conv1D else ("same", "valid"))
    if padding == "valid" and (size - 1) * dilation + 1 > steps:
        return None
    filters = draw.choice((2, 3, 4))
    return make(
        filters, size, strides=strides, padding=padding, dilation_rate=dilation, activation=_any(draw)
    )(x)


def _recurrent(k: Any, draw: random.Random, x: Any) -> Any:
    make = draw.choice((k.layers.LSTM, k.layers.GRU, k.layers.SimpleRNN))
    layer = make(draw.randint(1, 4), return_sequences=draw.random() < 0.6, go_backwards=draw.random() < 0.2)
    if draw.random() < 0.3:
        layer = make(draw.randint(1, 4), return_sequences=draw.random() < 0.6)
        layer = k.layers.Bidirectional(layer, merge_mode=draw.choice(("concat", "sum", "ave", "mul")))
    return layer(x)


def _attention(k: Any, draw: random.Random, x: Any) -> Any:
    heads = draw.choice((1, 2))
    layer = k.layers.MultiHeadAttention(heads, draw.randint(1, 4))
    return layer(x, x, use_causal_mask=draw.random() < 0.4)


def _sequence_shape(k: Any, draw: random.Random, x: Any) -> Any:
    choices = [k.layers.GlobalAveragePooling1D(), k.layers.GlobalMaxPooling1D(), k.layers.UpSampling1D(2)]
    if x.shape[1]:
        choices += [
            k.layers.Flatten(),
            k.layers.Permute((2, 1)),
            k.layers.Reshape((x.shape[1], x.shape[2], 1)),
        ]
        if x.shape[1] > 2:
            choices += [k.layers.MaxPooling1D(2, padding="same"), k.layers.Cropping1D((1, 1))]
    return draw.choice(choices)(x)


def _picture(k: Any, draw: random.Random, x: Any) -> Any:
    channels = x.shape[-1]
    smallest = min(size or 16 for size in x.shape[1:3])
    size = draw.randint(1, min(3, smallest))
    strides, dilation = draw.choice(((1, 1), (2, 1), (1, 2)))
    padding = draw.choice(("same", "valid"))
    if padding == "valid" and (size - 1) * dilation + 1 > smallest:
        return None
    common = {"padding": padding, "activation": _any(draw), "use_bias": draw.random() < 0.8}
    kind = draw.choice(("conv", "conv", "depthwise", "separable"))
    if kind == "depthwise":
        return k.layers.DepthwiseConv2D(size, strides, dilation_rate=dilation, **common)(x)
    if kind == "separable":
        return k.layers.SeparableConv2D(draw.choice((2, 4)), size, strides, dilation_rate=dilation, **common)(
            x
        )
    groups = draw.choice([each for each in (1, 1, 2, 3, 4) if channels % each == 0])
    filters = groups * draw.randint(1, 3)
    return k.layers.Conv2D(filters, size, strides, dilation_rate=dilation, groups=groups, **common)(x)


def _transposed(k: Any, draw: random.Random, x: Any) -> Any:
    strides = draw.choice((1, 2))
    padding = draw.choice(("same", "valid"))
    return k.layers.Conv2DTranspose(draw.choice((1, 3)), draw.choice((2, 3)), strides, padding=padding)(x)


def _pooled(k: Any, draw: random.Random, x: Any) -> Any:
    if min(size or 16 for size in x.shape[1:3]) < 3:
        return None
    make = draw.choice((k.layers.MaxPooling2D, k.layers.AveragePooling2D))
    return make(draw.choice((2, 3)), draw.choice((1, 2)), padding=draw.choice(("same", "valid")))(x)


def _padded(k: Any, draw: random.Random, x: Any) -> Any:
    if draw.random() < 0.5 and min(size or 16 for size in x.shape[1:3]) > 3:
        return k.layers.Cropping2D(((1, 0), (0, 2)))(x)
    return k.layers.ZeroPadding2D(((0, 1), (2, 0)))(x)


def _picture_shape(k: Any, draw: random.Random, x: Any) -> Any:
    choices = [
        k.layers.GlobalAveragePooling2D(),
        k.layers.GlobalMaxPooling2D(),
        k.layers.UpSampling2D(2),
    ]
    if all(x.shape[1:3]):
        choices += [k.layers.UpSampling2D(2, interpolation="bilinear")]  # cannot be traced for unknown sizes
        choices += [k.layers.Flatten(), k.layers.Reshape((-1, x.shape[-1])), k.layers.Permute((2, 1, 3))]
    return draw.choice(choices)(x)


def _normalized(k: Any, draw: random.Random, x: Any) -> Any:
    return draw.choice(
        (k.layers.BatchNormalization(), k.layers.LayerNormalization(), k.layers.UnitNormalization())
    )(x)


def _activated(k: Any, draw: random.Random, x: Any) -> Any:
    layer = draw.choice(
        (
            k.layers.Activation(draw.choice(ACTIVATIONS)),
            k.layers.ReLU(max_value=2.0, negative_slope=0.1),
            k.layers.LeakyReLU(0.2),
            k.layers.ELU(0.7),
            k.layers.Softmax(),
            k.layers.Dropout(0.4),
            k.layers.SpatialDropout1D(0.3) if len(x.shape) == 3 else k.layers.GaussianNoise(0.1),
        )
    )
    return layer(x)


def _computed(k: Any, draw: random.Random, x: Any) -> Any:
    function = draw.choice(
        (
            lambda x: k.ops.clip(x, -0.5, 1.5),
            lambda x: k.ops.sin(x) + k.ops.square(k.ops.tanh(x)),
            lambda x: k.ops.where(x > 0.1, x, -2.0 * x),
            lambda x: k.ops.log(1.0 + k.ops.abs(x)),
            lambda x: x - k.ops.mean(x, axis=-1, keepdims=True),
            lambda x: k.ops.maximum(x, k.ops.max(x, axis=1, keepdims=True) - 0.5),
            lambda x: k.ops.flip(x, axis=1),
            lambda x: k.ops.cumsum(x, axis=1) * 0.2,
            lambda x: k.ops.sqrt(k.ops.abs(x) + 0.01),
        )
    )
    return function(x)


def _merged(k: Any, draw: random.Random, x: Any, tensors: list[Any]) -> Any:
    # sizes that are unknown need not be the same ones
    alike = [y for y in tensors if y is not x and y.shape == x.shape]
    if not alike or None in x.shape[1:]:
        return None
    y = draw.choice(alike)
    names = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    return getattr(k.layers, draw.choice(names))()([x, y])


def _any(draw: random.Random) -> str | None:
    return draw.choice((None, *ACTIVATIONS))
