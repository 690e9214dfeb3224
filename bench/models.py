"""The models that are measured: built anew from fixed seeds, with inputs and what Keras predicts for them.

Run as ``python -m bench.models DIRECTORY NAME ...`` in a process of its own, since it imports TensorFlow.
For each name it writes ``NAME.keras`` and ``NAME.npz``: inputs ``x0, x1, ...`` and outputs ``y0, y1, ...``.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import ROOT

#: Inputs are drawn from these, in Python and in the page alike; the first is the one that is timed.
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Input:
    """A model's one input: drawn between ``low`` and ``high``; ``shape`` has a batch of one."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float


@dataclass(frozen=True)
class BenchModel:
    """A model to measure.

    Attributes:
        title: how the document calls it.
        about: what it is, for whoever reads the table.
        input: its one input.
        output: the name of its one output.
    """

    name: str
    title: str
    about: str
    input: Input
    output: str

    def options(self) -> dict[str, Any]:
        """Return what a contender's page is told of the model."""
        return {"input": asdict(self.input), "output": self.output, "seeds": list(SEEDS)}


_TOKENS = 5000
_LENGTH = 64

MODELS = {
    model.name: model
    for model in (
        BenchModel(
            "digits",
            "Digits",
            "the example's convolutional network, 28 × 28 gray pixels to 10 classes, 47 thousand parameters",
            # Fainter than a drawing: of full noise the model is so sure that nothing is left to differ.
            Input("image", (1, 28, 28, 1), "float32", 0.0, 0.15),
            "digit",
        ),
        BenchModel(
            "mobilenet",
            "MobileNetV2",
            "keras.applications.MobileNetV2 at 224 × 224, 1,000 classes, 3.5 million parameters",
            Input("image", (1, 224, 224, 3), "float32", -1.0, 1.0),
            "class",
        ),
        BenchModel(
            "lstm",
            "LSTM",
            "a text classifier: 64 of 5,000 tokens, Embedding(64), LSTM(64), Dense",
            Input("tokens", (1, _LENGTH), "int32", 1, _TOKENS),
            "topic",
        ),
        BenchModel(
            "transformer",
            "Transformer",
            "a text classifier: 64 of 5,000 tokens, 3 encoder blocks of 4 heads, width 128, mean, Dense",
            Input("tokens", (1, _LENGTH), "int32", 1, _TOKENS),
            "topic",
        ),
    )
}


def draw(model: BenchModel, seed: int) -> Any:
    """Return the input that ``seed`` gives, of the model's shape and dtype."""
    from tfjs_bundle.verify.cases import Draw

    asked = model.input
    return Draw(seed, asked.low, asked.high, asked.dtype, asked.shape).values()


def write(model: BenchModel, directory: Path) -> None:
    """Write the model, its inputs and Keras's outputs for them (float32) into ``directory``."""
    import keras
    import numpy as np

    file = directory / f"{model.name}.keras"
    if model.name == "digits":
        shutil.copyfile(ROOT / "demo_site" / "digits.keras", file)
    else:
        keras.utils.set_random_seed(7)
        _BUILD[model.name](model).save(file)
    read = keras.models.load_model(file)
    arrays = {}
    for index, seed in enumerate(SEEDS):
        arrays[f"x{index}"] = draw(model, seed)
        arrays[f"y{index}"] = np.asarray(read(arrays[f"x{index}"], training=False))
    np.savez(directory / f"{model.name}.npz", **arrays)


def _mobilenet(model: BenchModel) -> Any:
    """MobileNetV2 as if trained: random scales, and batch statistics that are those of pictures it has seen.

    With the statistics of a new model (mean 0, variance 1) activations shrink from layer to layer, and every
    input gives the same output.
    """
    import keras
    import numpy as np

    backbone = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    image = keras.Input(model.input.shape[1:], name=model.input.name)
    outputs = keras.layers.Softmax(name=model.output)(backbone(image))
    random = np.random.default_rng(7)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.gamma.assign(random.uniform(0.6, 1.4, size))
            layer.beta.assign(random.normal(0.0, 0.3, size))
            layer.momentum = 0.0
    backbone(random.uniform(-1, 1, (8, *model.input.shape[1:])).astype("float32"), training=True)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.999
    return keras.Model(image, outputs)


def _lstm(model: BenchModel) -> Any:
    import keras

    tokens = keras.Input((_LENGTH,), dtype="int32", name=model.input.name)
    x = keras.layers.Embedding(_TOKENS, 64, embeddings_initializer="glorot_normal")(tokens)
    x = keras.layers.LSTM(64)(x * 16.0)
    return keras.Model(tokens, keras.layers.Dense(4, activation="softmax", name=model.output)(x))


def _transformer(model: BenchModel) -> Any:
    import keras
    import numpy as np
    from keras import layers

    # gelu by tanh: the stock converter and tf2onnx both refuse the exact one (its Erfc).
    width, heads = 128, 4
    tokens = keras.Input((_LENGTH,), dtype="int32", name=model.input.name)
    x = layers.Embedding(_TOKENS, width, embeddings_initializer="random_normal")(tokens)
    # A numpy constant: tf2onnx makes an input of every tensor that a model holds without a layer.
    positions = keras.ops.zeros_like(tokens) + np.arange(_LENGTH, dtype="int32")
    x = x + layers.Embedding(_LENGTH, width, embeddings_initializer="random_normal")(positions)
    for _ in range(3):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(heads, width // heads)(y, y)
        y = layers.LayerNormalization()(x)
        x = x + layers.Dense(width)(keras.activations.gelu(layers.Dense(4 * width)(y), approximate=True))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(tokens, layers.Dense(4, activation="softmax", name=model.output)(x))


_BUILD = {"mobilenet": _mobilenet, "lstm": _lstm, "transformer": _transformer}


def main() -> None:
    """Write the models named on the command line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    directory, *names = sys.argv[1:]
    Path(directory).mkdir(parents=True, exist_ok=True)
    for name in names:
        write(MODELS[name], Path(directory))


if __name__ == "__main__":
    main()
