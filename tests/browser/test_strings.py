"""Text and keys in Chromium: one model whose outputs are all the layers for them, equal to Keras exactly."""

from __future__ import annotations

import json
import warnings

import models
import numpy as np
import pytest

from tfjs_bundle import pipeline
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.progress import Progress
from tfjs_bundle.verify.samples import AWKWARD

pytestmark = [pytest.mark.tensorflow]

LEARNED = ["the cat sat on the mat", "a dog; a CAT!", "grüße aus köln", "one two three four five"]
VOCABULARY = ["cat", "dog", "Grüße", "😀", "mat.", "the"]
KEYS = [7, -3, 2**40, 0, 12, 2**31]
ROWS = 160

#: Calls `predict` on the model of the page's directory with each of the inputs, one after the other; `{LONE}`
#: stands for half of a surrogate pair, which does not travel.
PREDICT = """async (cases) => {
  const { loadModel } = await import(new URL("loader.js", location.href).href);
  const model = await loadModel({ backend: "cpu" });
  await model.warmUp();
  const results = [];
  for (const given of cases) {
    const inputs = JSON.parse(JSON.stringify(given).replaceAll("{LONE}", "\\ud83d"));
    try {
      const outputs = await model.predict(inputs);
      results.push(Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, [...data]])));
    } catch (error) {
      results.push({ code: error.code, message: error.message });
    }
  }
  return results;
}"""


def everything(keras):
    """Every preprocessing layer of text and keys in its modes, as outputs named after them."""
    layers = keras.layers
    text = keras.Input((), dtype="string", name="text")
    word = keras.Input((2,), dtype="string", name="word")
    key = keras.Input((2,), dtype="int64", name="key")
    one = keras.ops.reshape(word[:, 0], (-1, 1))
    outputs = {}

    for standardize in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"):
        layer = layers.TextVectorization(vocabulary=VOCABULARY, standardize=standardize)
        outputs[f"text {standardize}"] = layer(text)
    for split in (None, "character"):
        layer = layers.TextVectorization(vocabulary=["c", "a", "é", "😀", "cat"], split=split)
        outputs[f"text split {split}"] = layer(text)
    for mode in ("multi_hot", "count", "tf_idf"):
        layer = layers.TextVectorization(output_mode=mode, ngrams=(1, 3), max_tokens=30)
        layer.adapt(np.array(LEARNED))
        outputs[f"text {mode}"] = layer(text)
    layer = layers.TextVectorization(vocabulary=["cat sat", "the cat"], ngrams=2, output_sequence_length=5)
    outputs["text pairs"] = layer(text)

    for oov in (1, 3):
        outputs[f"word {oov}"] = layers.StringLookup(vocabulary=VOCABULARY, num_oov_indices=oov)(word)
        outputs[f"key {oov}"] = layers.IntegerLookup(vocabulary=KEYS, num_oov_indices=oov)(key)
    for mode in ("multi_hot", "count"):
        outputs[f"word {mode}"] = layers.StringLookup(vocabulary=VOCABULARY, output_mode=mode)(word)
        outputs[f"key {mode}"] = layers.IntegerLookup(vocabulary=KEYS, output_mode=mode)(key)
    outputs["word one_hot"] = layers.StringLookup(vocabulary=VOCABULARY, output_mode="one_hot")(one)
    outputs["word mask"] = layers.StringLookup(vocabulary=VOCABULARY, mask_token="")(word)
    back = layers.StringLookup(vocabulary=VOCABULARY, invert=True)
    outputs["word back"] = back(outputs["word 1"])

    outputs["hash"] = layers.Hashing(97)(word)
    outputs["hash salt"] = layers.Hashing(97, salt=[133, 137])(word)
    outputs["hash mask"] = layers.Hashing(97, mask_value="")(word)
    outputs["hash key"] = layers.Hashing(97)(key)
    crossing = layers.HashedCrossing(64)
    outputs["crossing"] = crossing((one, keras.ops.reshape(key[:, 0], (-1, 1))))
    return keras.Model([text, word, key], outputs)


@pytest.fixture(scope="module")
def built(child, tmp_path_factory):
    """The bundle of :func:`everything`, verified on rows of awkward text, and its report."""
    directory = tmp_path_factory.mktemp("strings")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = models.save(everything(models.keras()), directory)
    random = np.random.default_rng(11)
    pieces = [*AWKWARD, *LEARNED, *VOCABULARY]
    texts = [" ".join(random.choice(pieces, random.integers(1, 4))) for _ in range(ROWS - len(pieces))]
    keys = [*KEYS, 1, -1, 2**52, -(2**53) + 1, 99]
    np.savez(
        directory / "rows.npz",
        text=np.array([*pieces, *texts]),
        word=random.choice(pieces, (ROWS, 2)),
        key=random.choice(keys, (ROWS, 2)),
    )
    options = BuildOptions(verify=True, backends=("cpu",), data=directory / "rows.npz")
    return pipeline.build(path, directory / "dist", options, Progress(), child)


def test_every_layer_gives_what_keras_gives_on_awkward_text(built):
    (cpu,) = built.parity.backends
    assert built.parity.passed
    assert len(built.parity.cases) == ROWS // 16
    assert {difference.output for difference in cpu.worst if difference.largest} == set()
    assert len(cpu.worst) == len(built.bundle.outputs)


def test_the_bundle_says_that_it_needs_its_loader_and_where_the_program_is(built):
    bundle = built.bundle
    (file,) = (file for file in bundle.files if file.role == "program")
    assert bundle.requires_loader
    assert bundle.preprocessing["text"] == {"kind": "program", "file": file.path}
    assert file.path == f"model/{file.sha256[:16]}.json"
    assert any(file.part == "program" for file in bundle.files)


def test_a_bundle_of_numbers_has_no_interpreter(tiny_bundle):
    manifest = json.loads((tiny_bundle / "bundle.json").read_bytes())
    assert not any(file.get("part") == "program" for file in manifest["files"])


def test_a_page_passes_strings_and_nothing_else(built, page, static_host):
    host = static_host(built.bundle.directory)
    page.goto(f"{host.url}loader.d.ts")
    rest = {"word": [["cat", "😀"]], "key": [[7, 2**40]]}
    whole, replaced, lone, far, number = page.evaluate(
        PREDICT,
        [
            {"text": "the cat", **rest},
            {"text": ["the \ufffd cat"], **rest},
            {"text": ["the {LONE} cat"], **rest},
            {"text": "x", **rest, "key": [[2**60, 0]]},
            {"text": [3], **rest},
        ],
    )
    assert whole["word back"] == ["cat", "😀"]
    assert whole["text None"] == [7, 2]
    assert lone == replaced
    assert len(lone["text split character"]) == len("the ? cat")
    assert (far["code"], number["code"]) == ("input", "input")
    assert "2^53" in far["message"] or "between" in far["message"]
    assert '"text" takes string' in number["message"]
