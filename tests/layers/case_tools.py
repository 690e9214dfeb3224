"""Short ways to say a case: one layer over one input, or a functional model with seeded weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from layer_case import Example, LayerCase
from models import keras

Shape = tuple[int | None, ...]

#: Names of a model's inputs, in order.
INPUT_NAMES = ("x", "y", "z", "u", "v", "w", "r", "s")


def single(
    layer: str,
    variant: str,
    shape: Shape,
    config: Mapping[str, Any] | None = None,
    *,
    dtype: str = "float32",
    batch_size: int | None = None,
    examples: tuple[Example, ...] | None = None,
    sampled: bool = False,
    atol: float = 1e-4,
) -> LayerCase:
    """Return the case of one layer, made with ``config``, over one input of ``shape`` (without batch)."""
    arguments = dict(config or {})

    def apply(k: Any, x: Any) -> Any:
        return getattr(k.layers, layer)(**arguments)(x)

    build = functional([shape], apply, dtypes=dtype, batch_size=batch_size)
    return LayerCase(layer, variant, build, examples=examples, sampled=sampled, atol=atol)


def functional(
    shapes: Sequence[Shape],
    apply: Callable[..., Any],
    *,
    dtypes: str | Sequence[str] = "float32",
    batch_size: int | None = None,
) -> Callable[[], Any]:
    """Return a function that makes a functional model.

    Args:
        shapes: of the inputs, without batch; they are named by :data:`INPUT_NAMES`.
        apply: gets the Keras module and the inputs, returns the outputs.
        dtypes: of all inputs, or of each.
        batch_size: fixed where given.
    """
    kinds = [dtypes] * len(shapes) if isinstance(dtypes, str) else dtypes

    def build() -> Any:
        k = fresh_keras()
        inputs = [
            k.Input(shape, batch_size=batch_size, dtype=dtype, name=name)
            for shape, dtype, name in zip(shapes, kinds, INPUT_NAMES, strict=False)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = apply(k, *inputs)
        return seed_weights(k.Model(inputs if len(inputs) > 1 else inputs[0], outputs))

    return build


def fresh_keras() -> Any:
    """Return Keras with its names counted from the start, so that a model is the same wherever it is made."""
    k = keras()
    k.utils.clear_session()
    k.utils.set_random_seed(7)
    return k


def seed_weights(model: Any) -> Any:
    """Give every weight values of its own: what stayed 0 or 1 would hide that it is never used.

    What preprocessing layers learned (means, variances, document frequencies) stays.
    """
    generator = np.random.default_rng(11)
    learned = {
        id(weight)
        for layer in model._flatten_layers()
        if ".preprocessing." in type(layer).__module__
        for weight in layer.weights
    }
    for weight in model.weights:
        if id(weight) not in learned and "float" in weight.dtype:
            weight.assign(_values(generator, weight.path, tuple(weight.shape)))
    return model


def _values(generator: np.random.Generator, path: str, shape: tuple[int, ...]) -> np.ndarray:
    name = path.rsplit("/", 1)[-1]
    if "variance" in name or "stddev" in name:
        values = generator.uniform(0.3, 2, shape)
    elif "gamma" in name or "scale" in name:
        values = generator.uniform(0.5, 1.5, shape)
    elif len(shape) < 2 or "bias" in name or "alpha" in name:
        values = generator.uniform(-0.5, 0.5, shape)
    else:
        values = generator.uniform(-1, 1, shape) * math.sqrt(3 / math.prod(shape[:-1]))
    return values.astype(np.float32)


def floats(*shape: int, seed: int = 0, low: float = -1, high: float = 1) -> np.ndarray:
    """Draw float32 values of ``shape`` (batch included)."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def mixed(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw float32 values of several sizes, zeros of both signs among them."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=shape) * generator.choice([1e-3, 0.3, 1, 10], shape)
    values = np.where(generator.random(shape) < 0.1, 0.0, values)
    return np.where(generator.random(shape) < 0.05, -0.0, values).astype(np.float32)


def ints(*shape: int, high: int, low: int = 0, seed: int = 0, dtype: Any = np.int32) -> np.ndarray:
    """Draw integers from ``low`` to ``high - 1``."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def bools(*shape: int, seed: int = 0, share: float = 0.6) -> np.ndarray:
    """Draw booleans, ``share`` of them true."""
    return np.random.default_rng(seed).random(shape) < share


def pictures(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw float32 pixels of 0 to 255, both ends among them."""
    values = np.random.default_rng(seed).uniform(-40, 295, shape)
    return np.clip(values, 0, 255).round().astype(np.float32)


def strings(*rows: Any) -> np.ndarray:
    """Return texts as an array of objects, nested lists as rows."""
    return np.array(rows, object)


def sizes(*shapes: Sequence[int], kind: Callable[..., np.ndarray] = mixed) -> tuple[Example, ...]:
    """Return an example of one input for each of ``shapes`` (batch included)."""
    return tuple((kind(*shape, seed=seed),) for seed, shape in enumerate(shapes))


def padded(
    *shape: int, lengths: Sequence[int], seed: int = 0, value: float = 0.0, front: bool = False
) -> np.ndarray:
    """Return rows of steps of which only ``lengths`` are real; the others are ``value``.

    Args:
        shape: batch, steps, and the rest.
        front: whether the padding comes first.
    """
    values = floats(*shape, seed=seed)
    for row, length in zip(values, lengths, strict=True):
        if front:
            row[: shape[1] - length] = value
        else:
            row[length:] = value
    return values
