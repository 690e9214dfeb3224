"""Models that are special by how they were made: quantized, half precision, stateful, custom, with loops."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "layers"))

import numpy as np
from case_tools import floats, fresh_keras, functional, ints, seed_weights
from layer_case import Example, LayerCase
from models import CUSTOM_LAYERS


def _case(
    name: str, build: Callable[[], Any], *examples: Example, atol: float = 1e-4, **options: Any
) -> LayerCase:
    return LayerCase("model", name, build, examples=examples or None, atol=atol, options=options)


def _quantized(mode: str) -> Callable[[], Any]:
    def build() -> Any:
        k = fresh_keras()
        words = k.Input((6,), dtype="int32", name="words")
        table = k.Input((5,), name="table")
        x = k.layers.Embedding(40, 16)(words)
        x = k.layers.EinsumDense("abc,cd->abd", output_shape=(None, 24), activation="gelu")(x)
        x = k.layers.GlobalAveragePooling1D()(k.layers.LayerNormalization()(x))
        x = k.layers.Concatenate()([x, k.layers.Dense(8, activation="relu")(table)])
        model = seed_weights(k.Model([words, table], k.layers.Dense(3)(k.layers.Dense(32)(x))))
        model.quantize(mode)
        return model

    return build


def _of_precision(policy: str) -> Callable[[], Any]:
    """Convolutions, attention and a recurrent layer; what Keras computes in half precision."""

    def build() -> Any:
        k = fresh_keras()
        k.mixed_precision.set_global_policy(policy)
        try:
            picture = x = k.Input((12, 10, 3), name="picture")
            x = k.layers.Conv2D(8, 3, padding="same", activation="swish")(x)
            x = k.layers.BatchNormalization()(k.layers.MaxPooling2D()(x))
            x = k.layers.Reshape((30, 8))(x)
            x = k.layers.LayerNormalization()(x + k.layers.MultiHeadAttention(2, 4)(x, x))
            x = k.layers.GRU(8)(x)
            return seed_weights(k.Model(picture, k.layers.Dense(4, dtype="float32")(x)))
        finally:
            k.mixed_precision.set_global_policy("float32")

    return build


def _stateful(k: Any, x: Any) -> Any:
    x = k.layers.LSTM(6, stateful=True, return_sequences=True)(x)
    return k.layers.GRU(4, stateful=True)(x)


def _control_flow(k: Any, x: Any, steps: Any) -> Any:
    import custom_layers  # Keras saves no loop as a layer of its own, for its functions have no names

    return custom_layers.Loops()(x, steps)


def _choices(k: Any, x: Any) -> Any:
    ops = k.ops
    values, indices = ops.top_k(x, 3)
    return [
        ops.argmax(x, axis=-1),
        ops.argmin(x, axis=1, keepdims=True),
        ops.argsort(x, axis=-1),
        ops.sort(x, axis=-1),
        values,
        indices,
        ops.take_along_axis(x, ops.argsort(x, axis=-1), axis=-1),
        ops.cumsum(x, axis=1),
        ops.clip(ops.floor(x * 4), -3, 3),
        ops.logsumexp(x, axis=-1),
        ops.norm(x, axis=-1),
        ops.one_hot(ops.argmax(x, axis=-1), 6),
    ]


def _custom() -> Any:
    """A class with a training step of its own, compiled with a custom loss and metric, trained for a step."""
    import custom_layers

    k = fresh_keras()
    x = k.Input((5,), name="features")
    hidden = k.layers.Dense(
        8, activation=custom_layers.bent, kernel_initializer=custom_layers.Halves(), name="hidden"
    )(x)
    hidden = custom_layers.Doubled()(custom_layers.Pair(6)(hidden))
    model = custom_layers.TrainedItsOwnWay(x, k.layers.Dense(2)(hidden))
    model.compile("adam", loss=custom_layers.lopsided, metrics=[custom_layers.Within()])
    seed_weights(model)
    model.fit(floats(8, 5), floats(8, 2), verbose=0)
    return model


def _lambda(k: Any, x: Any) -> Any:
    return k.layers.Lambda(lambda value: value**2 + 1)(k.layers.Dense(4)(x))


_PICTURES = floats(3, 12, 10, 3)

SPECIAL_MODELS: dict[str, LayerCase] = {
    case.variant: case
    for case in (
        *(
            _case(f"quantized to {mode}", _quantized(mode), (ints(3, 6, high=40), floats(3, 5)))
            for mode in ("int8", "int4")
        ),
        # half precision is computed in float32 here; Keras rounds to 11 or 8 bits after every layer
        _case("mixed float16", _of_precision("mixed_float16"), (_PICTURES,), atol=5e-3),
        _case("mixed bfloat16", _of_precision("mixed_bfloat16"), (_PICTURES,), atol=5e-2),
        _case("float16", _of_precision("float16"), (_PICTURES,), atol=5e-3),
        _case("stateful", functional([(5, 3)], _stateful, batch_size=2), (floats(2, 5, 3),)),
        _case(
            "loops and branches",
            functional([(4,), (1,)], _control_flow, dtypes=("float32", "int32")),
            (floats(3, 4), np.array([[1], [3], [2]], np.int32)),
            (floats(1, 4, seed=1, high=0), np.array([[0]], np.int32)),
            custom_objects=str(CUSTOM_LAYERS),
        ),
        _case("choices and orders", functional([(6,)], _choices), (floats(3, 6),), (floats(1, 6, seed=1),)),
        _case("custom classes and functions", _custom, (floats(3, 5),), custom_objects=str(CUSTOM_LAYERS)),
        _case("a lambda", functional([(3,)], _lambda), (floats(3, 3),), unsafe=True),
    )
}
