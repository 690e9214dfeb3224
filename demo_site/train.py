"""Trains the digits example: a small CNN that recognises digits drawn on a pad.

    python demo_site/train.py [-o demo_site/digits.keras]

The data are scikit-learn's 1,797 handwritten digits. They are 8x8 pictures, counts of ink in 4x4
blocks of what once were 32x32 bitmaps, each digit blown up to the full height. A drawing on a pad
is different: sharp, of any size, anywhere, with the width of its brush. So the strokes are
reconstructed from the counts, and every epoch draws each of them anew at 28x28 with another size,
place, slant, rotation, wobble and width of stroke.

Two figures are printed. "Held out" is the accuracy on the last fifth of the pictures, in the file's
order, which keeps most of their writers out of the training. "Drawn" is the share recognised of
the strokes in STROKES, which no training has seen, drawn with a round brush as on the pad and
turned into tensors as the page does it.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.datasets import load_digits

from tfjs_bundle.preprocessing import from_json, image_to_array

CONFIGURATION = Path(__file__).with_name("tfjs-bundle.toml")
SIZE = 28  # pixels, the model's input
ZOOM = 6  # of the 8x8 counts: strokes are reconstructed at 48x48, with a margin of 12
SUPERSAMPLING = 2
SEED = 20
EPOCHS = 50
BATCH = 64

#: Digits as a hand may draw them: lines through points, x to the right and y down, in 0..1.
STROKES: dict[int, list[list[list[tuple[float, float]]]]] = {
    0: [
        [[(0.5, 0), (0.2, 0.1), (0.05, 0.4), (0.1, 0.75), (0.35, 1), (0.65, 0.98), (0.9, 0.7), (0.92, 0.35),
          (0.75, 0.08), (0.5, 0)]],
        [[(0.55, 0.02), (0.3, 0.05), (0.2, 0.5), (0.35, 0.97), (0.6, 0.97), (0.78, 0.5), (0.65, 0.05),
          (0.45, 0.03)]],
    ],
    1: [
        [[(0.5, 0), (0.5, 1)]],
        [[(0.25, 0.25), (0.55, 0), (0.55, 1)]],
        [[(0.3, 0.2), (0.55, 0), (0.52, 1)], [(0.25, 1), (0.8, 1)]],
    ],
    2: [
        [[(0.1, 0.25), (0.25, 0.05), (0.55, 0), (0.8, 0.12), (0.82, 0.35), (0.6, 0.6), (0.1, 1), (0.9, 1)]],
        [[(0.15, 0.2), (0.4, 0), (0.75, 0.1), (0.75, 0.4), (0.45, 0.75), (0.2, 0.95), (0.3, 0.85),
          (0.6, 0.95), (0.9, 0.95)]],
    ],
    3: [
        [[(0.15, 0.1), (0.5, 0), (0.8, 0.12), (0.78, 0.35), (0.45, 0.48), (0.8, 0.6), (0.85, 0.85), (0.5, 1),
          (0.1, 0.9)]],
        [[(0.15, 0), (0.8, 0), (0.45, 0.42), (0.8, 0.55), (0.82, 0.85), (0.5, 1), (0.15, 0.92)]],
    ],
    4: [
        [[(0.6, 0), (0.05, 0.65), (0.95, 0.65)], [(0.65, 0.35), (0.65, 1)]],
        [[(0.2, 0), (0.15, 0.5), (0.85, 0.5)], [(0.8, 0.05), (0.75, 1)]],
        [[(0.7, 1), (0.7, 0), (0.1, 0.7), (0.95, 0.7)]],
    ],
    5: [
        [[(0.85, 0), (0.2, 0), (0.17, 0.42), (0.55, 0.38), (0.85, 0.55), (0.85, 0.82), (0.5, 1), (0.1, 0.9)]],
        [[(0.2, 0.02), (0.2, 0.45), (0.6, 0.42), (0.8, 0.7), (0.55, 0.97), (0.15, 0.95)],
         [(0.2, 0.02), (0.8, 0)]],
    ],
    6: [
        [[(0.7, 0), (0.35, 0.25), (0.15, 0.65), (0.3, 0.97), (0.65, 0.98), (0.85, 0.75), (0.65, 0.55),
          (0.3, 0.6), (0.18, 0.75)]],
        [[(0.6, 0), (0.25, 0.4), (0.15, 0.75), (0.4, 1), (0.75, 0.9), (0.75, 0.65), (0.45, 0.55),
          (0.2, 0.7)]],
    ],
    7: [
        [[(0.1, 0), (0.9, 0), (0.4, 1)]],
        [[(0.1, 0.03), (0.9, 0), (0.4, 1)], [(0.3, 0.5), (0.85, 0.5)]],
        [[(0.12, 0.15), (0.12, 0.02), (0.85, 0), (0.55, 0.5), (0.45, 1)]],
    ],
    8: [
        [[(0.5, 0.48), (0.2, 0.28), (0.3, 0.04), (0.65, 0.02), (0.8, 0.25), (0.5, 0.48), (0.15, 0.75),
          (0.3, 0.98), (0.7, 0.98), (0.85, 0.75), (0.5, 0.48)]],
        [[(0.75, 0.1), (0.4, 0), (0.25, 0.25), (0.7, 0.65), (0.7, 0.95), (0.35, 1), (0.25, 0.75), (0.75, 0.3),
          (0.72, 0.08)]],
    ],
    9: [
        [[(0.8, 0.3), (0.6, 0.52), (0.25, 0.45), (0.18, 0.18), (0.45, 0), (0.78, 0.1), (0.8, 0.3),
          (0.75, 0.7), (0.6, 1)]],
        [[(0.75, 0.15), (0.45, 0), (0.2, 0.2), (0.3, 0.45), (0.6, 0.45), (0.75, 0.15), (0.75, 1)]],
    ],
}  # fmt: skip


def main() -> None:
    """Train, print both figures, and write the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("digits.keras"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    pictures, labels = load_digits(return_X_y=True)
    fields = reconstruct(pictures.reshape(-1, 8, 8) / 16)
    split = len(fields) * 4 // 5
    model = build_model()
    train(model, fields[:split], labels[:split], arguments.epochs)

    # The held-out pictures as they are: upright, in the middle, of one size and width.
    plain = draw_plainly(fields[split:])
    held_out = np.mean(model.predict(plain, verbose=0).argmax(-1) == labels[split:])
    drawings, drawn_labels = draw_strokes(np.random.default_rng(SEED), repeats=20)
    drawn = np.mean(model.predict(drawings, verbose=0).argmax(-1) == drawn_labels)
    print(f"Held out: {held_out:.2%} of {len(plain)} pictures")
    print(f"Drawn: {drawn:.2%} of {len(drawings)} drawings")
    # A model that was never compiled carries no optimizer, whose state is twice the weights.
    bare = build_model()
    bare.set_weights(model.get_weights())
    bare.save(arguments.output)
    print(f"Wrote {arguments.output}: {arguments.output.stat().st_size / 1000:.0f} kB")


def build_model() -> keras.Model:
    """Return the untrained model: ``image`` [batch, 28, 28, 1], ink 1, to ``digit`` [batch, 10]."""
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 1), name="image")
    x = image
    for filters in (16, 32, 48):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Dense(64, activation="relu")(x)
    digit = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(image, digit, name="digits")


def train(model: keras.Model, fields: np.ndarray, labels: np.ndarray, epochs: int) -> None:
    """Fit ``model``; every epoch sees each of ``fields`` once, drawn anew."""
    random = np.random.default_rng(SEED)
    steps = -(-len(fields) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps * epochs)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(epochs):
        pictures = draw_anew(fields, random)
        history = model.fit(pictures, labels, batch_size=BATCH, verbose=0)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}/{epochs}: accuracy {history.history['accuracy'][0]:.3f}", flush=True)


def reconstruct(pictures: np.ndarray) -> np.ndarray:
    """Turn counts of ink [n, 8, 8] in 0..1 into smooth fields [n, 72, 72]; level lines are strokes."""
    padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2)))
    return ndimage.zoom(padded, (1, ZOOM, ZOOM), order=3, grid_mode=True, mode="grid-constant").astype(
        "float32"
    )


def ink(values: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    """Return how much of a point is ink: above ``level`` of the field, with a soft edge."""
    return 1 / (1 + np.exp(np.clip((level - values) / 0.06, -50, 50)))


def draw_anew(fields: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw each of ``fields`` as another hand might: float32 [n, 28, 28, 1]."""
    n = len(fields)

    def between(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, (n, 1, 1)).astype("float32")

    def normal(deviation: float, shape: tuple[int, ...]) -> np.ndarray:
        return random.normal(0, deviation, shape).astype("float32")

    height, aspect = between(12, 26), between(0.65, 1.2)
    room = np.maximum((SIZE - height) / 2, 0)
    return draw(
        fields,
        height=height,
        width=height * aspect,
        right=between(-1, 1) * room,
        down=between(-1, 1) * room,
        angle=normal(np.radians(9), (n, 1, 1)),
        slant=normal(0.15, (n, 1, 1)),
        wobble=normal(0.25, (2, n, 4, 4)),
        level=between(0.32, 0.68),
        strength=between(0.85, 1),
    )


def draw_plainly(fields: np.ndarray) -> np.ndarray:
    """Draw each of ``fields`` upright and in the middle: float32 [n, 28, 28, 1]."""
    one = np.ones((len(fields), 1, 1), "float32")
    none = np.zeros((2, len(fields), 4, 4), "float32")
    return draw(fields, 20 * one, 20 * one, 0 * one, 0 * one, 0 * one, 0 * one, none, 0.45 * one, one)


def draw(
    fields: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    angle: np.ndarray,
    slant: np.ndarray,
    wobble: np.ndarray,
    level: np.ndarray,
    strength: np.ndarray,
) -> np.ndarray:
    """Sample ``fields`` [n, 72, 72] through an affine map and a wobble; the rest are [n, 1, 1].

    ``height``, ``width``, ``right`` and ``down`` are in pixels of the result, ``angle`` in radians,
    ``wobble`` [2, n, 4, 4] in eighths of the digit.
    """
    n, fine = len(fields), SIZE * SUPERSAMPLING
    axis = (np.arange(fine, dtype="float32") + 0.5) / SUPERSAMPLING - SIZE / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    y, x = y - down, x - right
    y, x = np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x
    x = x + slant * y
    bend = ndimage.zoom(wobble, (1, 1, fine / 4, fine / 4), order=1, grid_mode=True, mode="nearest")
    # In cells of the 8x8 picture from its middle, then in samples of the field.
    row = (y / height * 8 + bend[0]) * ZOOM + fields.shape[1] / 2 - 0.5
    column = (x / width * 8 + bend[1]) * ZOOM + fields.shape[2] / 2 - 0.5
    values = bilinear(fields, row, column)
    drawn = ink(values, level) * strength
    coarse = drawn.reshape(n, SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING).mean((2, 4))
    return coarse[..., None].astype("float32")


def bilinear(fields: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Sample ``fields`` [n, h, w] at ``row`` and ``column`` [n, a, b]; outside there is no ink."""
    n, rows, columns = fields.shape
    inside = (row >= 0) & (row <= rows - 1) & (column >= 0) & (column <= columns - 1)
    row, column = np.clip(row, 0, rows - 1.001), np.clip(column, 0, columns - 1.001)
    top, left = row.astype(int), column.astype(int)
    down, right = row - top, column - left
    flat = fields.reshape(-1)
    i = np.arange(n)[:, None, None] * (rows * columns) + top * columns + left
    above = flat[i] * (1 - right) + flat[i + 1] * right
    below = flat[i + columns] * (1 - right) + flat[i + columns + 1] * right
    return np.where(inside, above * (1 - down) + below * down, 0)


def draw_strokes(random: np.random.Generator, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw every variant in STROKES ``repeats`` times, with the pad's brush and the page's preprocessing.

    Returns:
        Pictures float32 [n, 28, 28, 1] and their digits int64 [n].
    """
    pad, radius = 280, 280 / 13 / 2
    schema = from_json(tomllib.loads(CONFIGURATION.read_text())["preprocessing"]["image"])
    pictures, digits = [], []
    for digit, variants in STROKES.items():
        for variant in variants * repeats:
            image = Image.new("RGB", (pad, pad))
            pen = ImageDraw.Draw(image)
            height = random.uniform(0.4, 0.85) * pad
            width = height * random.uniform(0.5, 0.8)
            left = (pad - width) * random.uniform(0.2, 0.8)
            top = (pad - height) * random.uniform(0.2, 0.8)
            slant = random.normal(0, 0.1)
            for line in variant:
                points = [
                    (left + (x + slant * (0.5 - y)) * width, top + y * height)
                    for x, y in np.array(line) + random.normal(0, 0.025, (len(line), 2))
                ]
                pen.line(points, fill="white", width=round(2 * radius), joint="curve")
                for x, y in points:
                    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
            pictures.append(image_to_array(image, schema)[0])
            digits.append(digit)
    return np.stack(pictures), np.array(digits)


if __name__ == "__main__":
    main()
