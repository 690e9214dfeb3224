"""Preprocessing of texts and of categories that are texts.

Callables as ``standardize`` or ``split`` are Python code and no case. Ragged outputs are none either: no
tensor of TF.js is ragged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import functional, single, strings
from layer_case import Example, LayerCase

VOCABULARY = ["the", "cat", "sat", "mat", "café", "straße", "naïve", "日本", "😀", "it's", "on", "ÉCOLE", "3"]

#: Words in the vocabulary, nearly in it, and nothing like it.
WORDS = strings(
    ["the", "cat", ""],
    ["The", "the ", "café"],
    ["cafe\u0301", "😀", "👩‍👩‍👧"],
    ["日本", "שלום", "\ufeffthe"],
    ["[UNK]", "x" * 300, "\n"],
)

TEXTS = (
    "The cat sat on the mat.",
    "",
    "   \t\n ",
    "THE CAT!! (sat) -- on; 'the' mat?",
    "it's naïve: café, ÉCOLE, STRASSE straße",
    "日本 日本語 😀😀 👩‍👩‍👧 שלום עולם",
    "the\u00a0cat\u2003sat\u200bon",
    "a" * 200 + " the",
    "the the the the the the the the the the",
    '$1,000.50 {x} [y] <z> 3 ~ ^ | \\ / @ # % & * _ = + ` "',
    "\u0130stanbul \u1e9e \ufb01",
    "cat\r\nsat\x0bmat\x0ccat\x1fsat",
)
#: What vocabularies are learned from. Keras writes them line by line, so nothing in here ends a line.
LEARNED = [TEXTS[0], *TEXTS[3:11]]
TEXT_EXAMPLES: tuple[Example, ...] = (
    (np.array(TEXTS, object)[:, None],),
    (np.array(TEXTS[5:6], object)[:, None],),
    (np.array(TEXTS[:3], object)[:, None],),
)
WORD_EXAMPLES: tuple[Example, ...] = ((WORDS,), (WORDS[1:2],))
COLUMN = WORDS.reshape(-1, 1)
COLUMN_EXAMPLES: tuple[Example, ...] = ((COLUMN,), (COLUMN[3:4],))


def _string_lookup() -> Iterator[LayerCase]:
    layer = "StringLookup"
    base = {"vocabulary": VOCABULARY}

    def case(
        variant: str,
        config: dict[str, Any],
        examples: Any = WORD_EXAMPLES,
        shape: Any = (3,),
        sampled: bool = False,
    ) -> LayerCase:
        return single(
            layer, variant, shape, {**base, **config}, dtype="string", examples=examples, sampled=sampled
        )

    known = strings(["the", "cat", "😀"], ["3", "ÉCOLE", "日本"])
    yield case("int", {}, sampled=True)
    yield case("nothing out of vocabulary", {"num_oov_indices": 0}, ((known,), (known[:1],)))
    yield case("three indices out of vocabulary", {"num_oov_indices": 3})
    yield case("three indices out of vocabulary, a salt", {"num_oov_indices": 3, "salt": [133, 137]})
    yield case("a mask", {"mask_token": ""})
    yield case("a mask, two indices out of vocabulary", {"mask_token": "", "num_oov_indices": 2})
    for mode in ("one_hot", "multi_hot", "count"):
        yield case(mode, {"output_mode": mode}, sampled=mode == "multi_hot")
        yield case(f"{mode}, one a row", {"output_mode": mode}, COLUMN_EXAMPLES, (1,))
    yield case("multi hot, a mask", {"output_mode": "multi_hot", "mask_token": ""})
    yield case("count, three indices out of vocabulary", {"output_mode": "count", "num_oov_indices": 3})
    yield case("multi hot, padded", {"output_mode": "multi_hot", "max_tokens": 20, "pad_to_max_tokens": True})
    yield case(
        "tf-idf", {"output_mode": "tf_idf", "idf_weights": [0.5 + i / 4 for i in range(len(VOCABULARY))]}
    )
    yield case("unknown length", {}, WORD_EXAMPLES, (None,))
    yield case("rank 3", {}, ((WORDS[:, None],),), (1, 3))
    yield case("scalars", {}, ((WORDS[:, 0],), (WORDS[:1, 2],)), ())
    yield single(
        layer,
        "back",
        (3,),
        {**base, "invert": True},
        dtype="int64",
        examples=((np.array([[0, 1, 2], [13, 14, -1], [5, 8, 9]], np.int64),),),
    )
    yield single(
        layer,
        "back, a mask",
        (3,),
        {**base, "invert": True, "mask_token": ""},
        dtype="int64",
        examples=((np.array([[0, 1, 2], [13, 14, 15], [5, 8, 9]], np.int64),),),
    )

    def adapted(k: Any, x: Any) -> Any:
        lookup = k.layers.StringLookup(max_tokens=6)
        lookup.adapt(["the", "cat", "the", "😀", "😀", "the", "é", "e\u0301", "é", "mat"])
        return lookup(x)

    yield LayerCase(layer, "adapted", functional([(3,)], adapted, dtypes="string"), examples=WORD_EXAMPLES)
    yield LayerCase(
        layer,
        "into an embedding",
        functional(
            [(3,)],
            lambda k, x: k.layers.Embedding(len(VOCABULARY) + 1, 3)(
                k.layers.StringLookup(vocabulary=VOCABULARY)(x)
            ),
            dtypes="string",
        ),
        examples=WORD_EXAMPLES,
    )
    yield LayerCase(
        layer,
        "back from the best of several classes",
        functional(
            [(4,)],
            lambda k, x: k.layers.StringLookup(
                vocabulary=["low", "häufig", "😀"], num_oov_indices=0, invert=True
            )(k.ops.argmax(k.layers.Dense(3)(x), axis=-1)),
        ),
    )


def _vectorization() -> Iterator[LayerCase]:
    layer = "TextVectorization"
    base = {"vocabulary": [word for word in VOCABULARY if word != "ÉCOLE"]}

    def case(
        variant: str,
        config: dict[str, Any],
        shape: Any = (1,),
        examples: Any = TEXT_EXAMPLES,
        sampled: bool = False,
    ) -> LayerCase:
        return single(
            layer, variant, shape, {**base, **config}, dtype="string", examples=examples, sampled=sampled
        )

    yield case("int", {})
    yield case("int, 6 steps", {"output_sequence_length": 6}, sampled=True)
    yield case(
        "texts without an axis of their own", {}, (), tuple((texts[:, 0],) for (texts,) in TEXT_EXAMPLES)
    )
    for standardize in ("lower", "strip_punctuation", None):
        yield case(f"standardize {standardize}", {"standardize": standardize})
    yield case(
        "split into characters",
        {"split": "character", "vocabulary": ["t", "h", " ", "é", "日", "😀", "\u200d"]},
    )
    yield case("split into characters, 9 steps", {"split": "character", "output_sequence_length": 9})
    yield case(
        "not split",
        {"split": None, "standardize": "lower", "vocabulary": ["the cat sat on the mat.", ""][:1]},
    )
    yield case(
        "not split, nor standardized", {"split": None, "standardize": None, "vocabulary": list(TEXTS[3:6])}
    )
    yield case("pairs of words", {"ngrams": 2, "vocabulary": ["the cat", "the", "cat", "sat on"]})
    yield case(
        "triples and single words", {"ngrams": (1, 3), "vocabulary": ["the cat sat", "cat", "the the the"]}
    )
    yield case(
        "pairs of characters", {"ngrams": (2,), "split": "character", "vocabulary": ["t h", "c a", "😀 😀"]}
    )
    for mode in ("multi_hot", "count"):
        yield case(mode, {"output_mode": mode}, sampled=mode == "multi_hot")
    yield case("multi hot, padded", {"output_mode": "multi_hot", "max_tokens": 20, "pad_to_max_tokens": True})
    yield case(
        "count of pairs", {"output_mode": "count", "ngrams": 2, "vocabulary": ["the cat", "the", "the the"]}
    )
    yield case(
        "tf-idf",
        {"output_mode": "tf_idf", "idf_weights": [0.5 + i / 4 for i in range(len(base["vocabulary"]))]},
    )

    def adapted(**config: Any) -> Any:
        def apply(k: Any, x: Any) -> Any:
            vectorization = k.layers.TextVectorization(**config)
            vectorization.adapt(LEARNED)
            return vectorization(x)

        return functional([(1,)], apply, dtypes="string")

    yield LayerCase(layer, "adapted", adapted(max_tokens=12), examples=TEXT_EXAMPLES)
    yield LayerCase(
        layer,
        "adapted, characters",
        adapted(split="character", output_sequence_length=8),
        examples=TEXT_EXAMPLES,
    )
    yield LayerCase(
        layer, "adapted, tf-idf", adapted(output_mode="tf_idf", max_tokens=9), examples=TEXT_EXAMPLES
    )
    yield LayerCase(
        layer,
        "adapted, pairs of words, multi hot",
        adapted(output_mode="multi_hot", ngrams=2, max_tokens=15),
        examples=TEXT_EXAMPLES,
    )

    def classified(k: Any, x: Any) -> Any:
        tokens = k.layers.TextVectorization(vocabulary=base["vocabulary"])(x)
        embedded = k.layers.Embedding(len(base["vocabulary"]) + 2, 4, mask_zero=True)(tokens)
        return k.layers.Dense(2, activation="softmax")(k.layers.GRU(3)(embedded))

    yield LayerCase(
        layer,
        "a classifier over a masked embedding",
        functional([(1,)], classified, dtypes="string"),
        examples=(TEXT_EXAMPLES[0], (np.array([["the cat"]], object),)),
    )


def _hashing() -> Iterator[LayerCase]:
    for variant, config, sampled in (
        ("texts", {}, True),
        ("texts, a salt", {"salt": 133}, False),
        ("texts, two salts", {"salt": [133, 137]}, False),
        ("texts, a mask", {"mask_value": "the"}, False),
        ("texts, a salt and a mask", {"salt": 133, "mask_value": ""}, False),
        ("texts, one hot", {"output_mode": "one_hot"}, False),
        ("texts, multi hot", {"output_mode": "multi_hot"}, False),
        ("texts, count", {"output_mode": "count"}, False),
        ("texts, many bins", {"num_bins": 1_000_003}, False),
    ):
        yield single(
            "Hashing",
            variant,
            (3,),
            {"num_bins": 7, **config},
            dtype="string",
            examples=WORD_EXAMPLES,
            sampled=sampled,
        )
    yield single(
        "Hashing",
        "texts, one hot, one a row",
        (1,),
        {"num_bins": 7, "output_mode": "one_hot"},
        dtype="string",
        examples=COLUMN_EXAMPLES,
    )


def _crossing() -> Iterator[LayerCase]:
    numbers = np.arange(-5, 10, dtype=np.int64)[:, None] * 7

    def case(variant: str, dtypes: tuple[str, ...], sampled: bool = False, **config: Any) -> LayerCase:
        values = [
            (COLUMN if dtype == "string" else numbers)[:: 1 if i % 2 else -1]
            for i, dtype in enumerate(dtypes)
        ]
        return LayerCase(
            "HashedCrossing",
            variant,
            functional(
                [(1,)] * len(dtypes),
                lambda k, *inputs: k.layers.HashedCrossing(**config)(list(inputs)),
                dtypes=dtypes,
            ),
            examples=(tuple(values), tuple(value[:1] for value in values)),
            sampled=sampled,
        )

    yield case("texts", ("string", "string"), sampled=True, num_bins=7)
    yield case("a text and a number", ("string", "int64"), num_bins=101)
    yield case("texts, one hot", ("string", "string"), num_bins=7, output_mode="one_hot")


CASES = (
    *_string_lookup(),
    *_vectorization(),
    *_hashing(),
    *_crossing(),
)
