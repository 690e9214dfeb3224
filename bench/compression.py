"""Measures what compression makes of trained models, and writes docs/compression.md's tables.

    python bench/compression.py [-o docs/compression.md]

Two models that were trained, since random weights say nothing of accuracy: the digits example, and
MobileNetV2 trained here for a few minutes on the same pictures at 64x64 pixels in colour (kept in build/).
Every recipe is a build of its own; accuracy is that of the weights in its shards, on pictures that neither
the training nor the measuring of weights has seen.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import brotli
import numpy as np

from tfjs_bundle import pipeline
from tfjs_bundle.compress.apply import Recipe
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.graph import serde
from tfjs_bundle.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "compression"
PAGE = ROOT / "docs" / "compression.md"
START, END = "<!-- tables -->", "<!-- end of tables -->"
SEED = 20
EPOCHS = 14
#: Rows of the training pictures that stand for a user's --data.
DATA_ROWS = 64
RECIPES = (
    Recipe(),
    Recipe("float16"),
    Recipe("uint16"),
    Recipe("uint8"),
    Recipe("int8"),
    Recipe("none", 0.5),
    Recipe("int8", 0.5),
    Recipe("int8", 0.7),
)
#: Those that are also run in Chromium.
VERIFIED = (Recipe("int8"), Recipe("int8", 0.5))


@dataclass(frozen=True)
class Subject:
    """A trained model with pictures: ``data`` it was trained on, ``test`` it has never seen."""

    title: str
    path: Path
    input: str
    data: np.ndarray
    test: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Row:
    """What one recipe came to; sizes in bytes, of the weights and model.json, each file compressed alone."""

    recipe: str
    schemes: str
    raw: int
    gzip: int
    brotli: int
    accuracy: float
    agreement: float
    largest: float
    parity: float | None


def main() -> None:
    """Measure, print, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    tables = []
    for subject in (digits(), mobilenet()):
        table = to_markdown(subject, measure(subject))
        print(f"\n{table}", flush=True)
        tables.append(table)
    text = arguments.output.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    arguments.output.write_text("\n\n".join([f"{before}{START}", *tables, f"{END}{after}"]), encoding="utf-8")


def digits() -> Subject:
    """Return the digits example with the pictures that its training held out."""
    fields, labels, train, split = _pictures()
    pictures = train.draw_plainly(fields)
    path = ROOT / "demo_site" / "digits.keras"
    return Subject("The digits example", path, "image", pictures[:split], pictures[split:], labels[split:])


def mobilenet() -> Subject:
    """Return MobileNetV2, trained if it was not yet."""
    fields, labels, train, split = _pictures()
    path = CACHE / f"mobilenet_v2-{EPOCHS}.keras"
    plain = _in_colour(train.draw_plainly(fields))
    if not path.exists():
        random = np.random.default_rng(SEED)

        def epoch() -> np.ndarray:
            return _in_colour(train.draw_anew(fields[:split], random))

        _train(epoch, labels[:split], path)
    title = "MobileNetV2 of keras.applications, 10 classes, at 64x64"
    return Subject(title, path, "picture", plain[:split], plain[split:], labels[split:])


def _pictures():  # type: ignore[no-untyped-def]
    from sklearn.datasets import load_digits

    sys.path.insert(0, str(ROOT / "demo_site"))
    import train

    pictures, labels = load_digits(return_X_y=True)
    fields = train.reconstruct(pictures.reshape(-1, 8, 8) / 16)
    return fields, labels, train, len(fields) * 4 // 5


def _in_colour(pictures: np.ndarray) -> np.ndarray:
    """Return pictures [n, 28, 28, 1] of 0 to 1 as [n, 64, 64, 3] of -1 to 1, on a ground of blue."""
    from scipy import ndimage

    padded = np.pad(pictures[..., 0], ((0, 0), (2, 2), (2, 2)))
    large = ndimage.zoom(padded, (1, 2, 2), order=1, grid_mode=True, mode="nearest")[..., None]
    return (large * np.array([2, 1.6, 1], np.float32) - np.array([1, 0.8, 0.2], np.float32)).astype(
        np.float32
    )


def _train(epoch: Callable[[], np.ndarray], labels: np.ndarray, path: Path) -> None:
    import keras

    keras.utils.set_random_seed(SEED)
    inner = keras.applications.MobileNetV2((64, 64, 3), weights=None, classes=10)
    for layer in inner.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # 0.999 takes thousands of steps
    picture = keras.Input((64, 64, 3), name="picture")
    model = keras.Model(picture, inner(picture), name="mobilenet_v2_digits")
    steps = -(-len(labels) // 64) * EPOCHS
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for number in range(EPOCHS):
        history = model.fit(epoch(), labels, batch_size=64, verbose=0)
        print(f"epoch {number + 1}/{EPOCHS}: {history.history['accuracy'][0]:.3f}", flush=True)
    model.compile()
    model.save(path)


def measure(subject: Subject) -> list[Row]:
    """Build ``subject`` by every recipe."""
    rows: list[Row] = []
    with Child() as child, tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data.npz"
        arrays: dict[str, Any] = {subject.input: subject.data[:DATA_ROWS]}
        np.savez(data, **arrays)
        first: np.ndarray | None = None
        for recipe in RECIPES:
            directory = Path(temporary) / "site"
            options = BuildOptions(
                quantize=recipe.quantize,
                prune=recipe.prune,
                data=data,
                backends=("wasm",),
                verify=recipe in VERIFIED,
            )
            built = pipeline.build(subject.path, directory, options, Progress(), child)
            outputs = _predict(child, directory, subject.test)
            first = outputs if first is None else first
            cost = built.parity.compression
            weights = [file.path for file in built.bundle.files if file.role in ("model", "weights")]
            files = [(directory / path).read_bytes() for path in weights]
            rows.append(
                Row(
                    str(recipe),
                    "; ".join(f"{count} {scheme}" for scheme, count in cost.schemes.items()) if cost else "",
                    raw=sum(map(len, files)),
                    gzip=sum(len(gzip.compress(file, 9)) for file in files),
                    brotli=sum(len(brotli.compress(file)) for file in files),
                    accuracy=float(np.mean(outputs.argmax(1) == subject.labels)),
                    agreement=float(np.mean(outputs.argmax(1) == first.argmax(1))),
                    largest=float(np.abs(outputs - first).max()),
                    parity=built.parity.largest,
                )
            )
            print(f"{subject.title}: {rows[-1]} {built.seconds}", flush=True)
    return rows


def _predict(child: Child, directory: Path, pictures: np.ndarray) -> np.ndarray:
    """Return what the weights in a bundle's shards give, computed by TensorFlow."""
    child.call("prepare_graph", serde.load(directory / "model" / "model.json"), [])
    batches = [pictures[start : start + 64] for start in range(0, len(pictures), 64)]
    outputs = np.concatenate([child.call("run_prepared", [batch], {})[0] for batch in batches])
    child.release()
    return outputs


def to_markdown(subject: Subject, rows: list[Row]) -> str:
    """Return the table of one model."""
    headings = ["weights", "written as", "raw, kB", "gzip, kB", "brotli, kB", "accuracy", "same class"]
    headings += ["largest difference", "parity on wasm"]
    lines = [f"### {subject.title}", "", _line(headings), _line(["---"] * len(headings))]
    for row in rows:
        sizes = [f"{size / 1000:,.1f}" for size in (row.raw, row.gzip, row.brotli)]
        shares = [f"{share:.2%}" for share in (row.accuracy, row.agreement)]
        parity = "" if row.parity is None else f"{row.parity:.1g}"
        lines.append(_line([row.recipe, row.schemes, *sizes, *shares, f"{row.largest:.2g}", parity]))
    lines += ["", f"Accuracy is of {len(subject.test)} pictures."]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
