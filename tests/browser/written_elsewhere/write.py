"""Writes ``torch.keras`` and ``torch.npz`` beside this file: ``KERAS_BACKEND=torch python write.py``.

It needs an environment with Keras and that backend, which the tests do not: they read what it wrote. The
archive holds the inputs ``picture`` and ``words``, and the outputs ``kind`` that the backend computed.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np

HERE = Path(__file__).parent


def main() -> None:
    """Train a small model a little on this process's backend and save it with a prediction."""
    keras.utils.set_random_seed(3)
    random = np.random.default_rng(0)
    values = {
        "picture": random.normal(size=(3, 8, 6, 2)).astype(np.float32),
        "words": random.integers(0, 9, (3, 5)).astype(np.int32),
    }
    model = trained(values)
    name = keras.backend.backend()
    model.save(HERE / f"{name}.keras")
    compress(HERE / f"{name}.keras")
    outputs = keras.ops.convert_to_numpy(model(list(values.values())))
    np.savez(HERE / f"{name}.npz", kind=outputs, **values)


def trained(values: dict[str, np.ndarray]) -> keras.Model:
    """Return a model of convolutions, attention and recurrent layers, trained for three steps."""
    picture = x = keras.Input((8, 6, 2), name="picture")
    x = keras.layers.Conv2D(4, 3, padding="same", strides=2, activation="gelu")(x)
    x = keras.layers.Reshape((12, 4))(keras.layers.BatchNormalization()(x))
    x = keras.layers.LayerNormalization()(x + keras.layers.MultiHeadAttention(2, 2)(x, x))
    x = keras.layers.Bidirectional(keras.layers.LSTM(3))(x)
    words = keras.Input((5,), dtype="int32", name="words")
    y = keras.layers.GRU(3)(keras.layers.Embedding(9, 3, mask_zero=True)(words))
    merged = keras.layers.Concatenate()([x, y])
    model = keras.Model([picture, words], keras.layers.Dense(3, activation="softmax", name="kind")(merged))
    model.compile("sgd", "mse")
    model.fit(list(values.values()), np.eye(3), epochs=3, verbose=0)
    return model


def compress(path: Path) -> None:
    """Deflate the members of a ``.keras`` file, most of which is zeros."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
