"""Small seeded Keras models, saved on demand with inputs and what Keras itself predicts for them.

Each function named in :data:`MODELS` returns the model, inputs by public name in Keras's order, and the
public names of the outputs in Keras's order. Keras is imported only when a model is made.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CUSTOM_LAYERS = Path(__file__).with_name("custom_layers.py")


@dataclass(frozen=True)
class Sample:
    """A saved model with one example.

    Attributes:
        path: the ``.keras`` file.
        inputs: by public name, in Keras's order, in Keras's dtypes; batch 2.
        outputs: what the model gives for them in float32, by public name, in Keras's order.
        weights: the model's own float32 weights.
        custom_objects: for the option of that name, where the model needs it.
    """

    name: str
    path: Path
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    weights: list[np.ndarray]
    custom_objects: str | None = None


Built = tuple[Any, dict[str, np.ndarray], list[str]]


def keras() -> Any:
    """Return the Keras module on TensorFlow, quietly."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import keras

    return keras


def dense_gelu() -> Built:
    """Exact gelu, which is Erfc; softsign on top."""
    k = keras()
    x = k.Input((5,), name="features")
    hidden = k.layers.Dense(40, activation="gelu")(x)
    return (
        k.Model(x, k.layers.Dense(3, activation="softsign", name="scores")(hidden)),
        {"features": _floats(2, 5)},
        ["scores"],
    )


def cnn() -> Built:
    """Convolutions of three kinds, batch normalization with statistics of its own, pooling."""
    k = keras()
    x = y = k.Input((12, 12, 3), name="image")
    y = k.layers.Conv2D(8, 3, padding="same", use_bias=False)(y)
    y = k.layers.BatchNormalization(name="norm")(y)
    y = k.layers.ReLU(max_value=6)(y)
    y = k.layers.DepthwiseConv2D(3, padding="same")(y)
    y = k.layers.Conv2D(8, 3, strides=2, groups=2, activation="swish")(y)
    y = k.layers.GlobalAveragePooling2D()(y)
    model = k.Model(x, k.layers.Dense(4, activation="softmax", name="probabilities")(y))
    model.get_layer("norm").set_weights([_floats(8, seed=i) + 1.5 for i in range(4)])
    return model, {"image": _floats(2, 12, 12, 3)}, ["probabilities"]


def two_in_two_out() -> Built:
    """Two inputs and two outputs by dict, all of one shape: nothing but names tells them apart.

    Keras sorts a dict by its keys.
    """
    k = keras()
    left, right = k.Input((4,), name="left"), k.Input((4,), name="right")
    total = k.layers.Dense(4, name="d1")(left)
    other = k.layers.Dense(4, name="d2")(right)
    model = k.Model(
        {"left": left, "right": right},
        {"sum": k.layers.Add()([total, other]), "difference": k.layers.Subtract()([total, other])},
    )
    return model, {"left": _floats(2, 4), "right": _floats(2, 4, seed=1)}, ["difference", "sum"]


def recurrent() -> Built:
    """A masked embedding of any length under a bidirectional LSTM and a GRU: loops, bool tensors reversed."""
    k = keras()
    x = k.Input((None,), dtype="int32", name="tokens")
    y = k.layers.Embedding(50, 24, mask_zero=True)(x)
    y = k.layers.Bidirectional(k.layers.LSTM(16, return_sequences=True))(y)
    y = k.layers.GRU(9)(y)
    tokens = np.array([[4, 9, 1, 49, 0, 0, 0], [3, 3, 8, 2, 5, 6, 7]], np.int32)
    return k.Model(x, k.layers.Dense(2, name="logits")(y)), {"tokens": tokens}, ["logits"]


def transformer() -> Built:
    """One block: attention (Einsum), layer normalization, exact gelu, residuals; any length."""
    k = keras()
    x = k.Input((None,), dtype="int32", name="tokens")
    y = k.layers.Embedding(40, 32)(x)
    attended = k.layers.MultiHeadAttention(4, 8)(y, y, use_causal_mask=True)
    y = k.layers.LayerNormalization()(y + attended)
    widened = k.layers.Dense(32)(k.layers.Dense(64, activation="gelu")(y))
    y = k.layers.LayerNormalization()(y + widened)
    return (
        k.Model(x, k.layers.Dense(40, name="next")(y)),
        {"tokens": np.random.default_rng(3).integers(0, 40, (2, 6)).astype(np.int32)},
        ["next"],
    )


def nested() -> Built:
    """A model in a model, used twice (shared layers), and a list of outputs."""
    k = keras()
    inner_input = k.Input((4,))
    hidden = k.layers.Dense(40, activation="relu", name="encode")(inner_input)
    inner = k.Model(inner_input, k.layers.Dense(4, name="decode")(hidden), name="tower")
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    first, second = inner(a), inner(b)
    distance = k.layers.Subtract(name="distance")([first, second])
    both = k.layers.Concatenate(name="both")([first, second])
    return (
        k.Model([a, b], [distance, both]),
        {"a": _floats(2, 4), "b": _floats(2, 4, seed=1)},
        ["distance", "both"],
    )


def any_size() -> Built:
    """Unknown height and width, upsampled and pooled."""
    k = keras()
    x = k.Input((None, None, 3), name="picture")
    y = k.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = k.layers.UpSampling2D()(y)
    return (
        k.Model(x, k.layers.Conv2D(1, 1, activation="sigmoid", name="mask")(y)),
        {"picture": _floats(2, 9, 6, 3)},
        ["mask"],
    )


def subclassed() -> Built:
    """A registered subclassed model; needs ``custom_objects``."""
    keras()
    from custom_layers import Rated

    model = Rated(name="rated")
    inputs = {"features": _floats(2, 5)}
    model(inputs)
    return model, inputs, ["code", "rating"]


def unused_input() -> Built:
    """An input that no output depends on."""
    k = keras()
    used, spare = k.Input((3,), name="used"), k.Input((2,), name="spare", dtype="int64")
    return (
        k.Model([used, spare], k.layers.Dense(2, name="result")(used)),
        {"used": _floats(2, 3), "spare": np.ones((2, 2), np.int64)},
        ["result"],
    )


def mixed_float16() -> Built:
    """Mixed precision; the reference is the same weights in float32 (see :func:`make`)."""
    return _precision("mixed_float16")


def random_sampling() -> Built:
    """Draws random numbers at inference, in a custom layer; needs ``custom_objects``."""
    k = keras()
    from custom_layers import Sampling

    x = k.Input((3,), name="x")
    return k.Model(x, k.layers.Dense(2, name="y")(Sampling()(x))), {"x": _floats(2, 3)}, ["y"]


MODELS: dict[str, Callable[[], Built]] = {
    function.__name__: function
    for function in (
        dense_gelu,
        cnn,
        two_in_two_out,
        recurrent,
        transformer,
        nested,
        any_size,
        subclassed,
        unused_input,
        mixed_float16,
        random_sampling,
    )
}


def make(name: str, directory: Path) -> Sample:
    """Make the model ``name`` and save it in ``directory``."""
    k = keras()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        k.utils.clear_session()
        k.utils.set_random_seed(7)
        model, inputs, names = MODELS[name]()
        path = directory / f"{name}.keras"
        model.save(path)
        float32 = model
        if name == "mixed_float16":
            float32 = _precision("float32")[0]
            float32.set_weights(model.get_weights())
        outputs = _predict(float32, inputs)
    return Sample(
        name=name,
        path=path,
        inputs=inputs,
        outputs={
            each: outputs[each] if isinstance(outputs, dict) else outputs[i] for i, each in enumerate(names)
        },
        weights=[np.asarray(weight) for weight in model.get_weights()],
        custom_objects=str(CUSTOM_LAYERS) if name in ("subclassed", "random_sampling") else None,
    )


def save(model: Any, directory: Path, name: str = "model") -> Path:
    """Save a model of a test's own; return the path."""
    path = directory / f"{name}.keras"
    model.save(path)
    return path


def _precision(policy: str) -> Any:
    k = keras()
    x = k.Input((6,), name="x")
    y = k.layers.Dense(40, activation="relu", dtype=policy)(x)
    y = k.layers.LayerNormalization(dtype=policy)(y)
    y = k.layers.Dense(3, activation="softmax", dtype=policy, name="p")(y)
    return k.Model(x, y), {"x": _floats(2, 6)}, ["p"]


def _predict(model: Any, inputs: dict[str, np.ndarray]) -> Any:
    structure = getattr(model, "_inputs_struct", None)
    given = inputs if isinstance(structure, dict) or structure is None else list(inputs.values())
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    outputs = model(given, training=False)
    if isinstance(outputs, dict):
        return {name: np.asarray(value) for name, value in outputs.items()}
    return [np.asarray(value) for value in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def _floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
