"""Preprocessing of numbers and of categories that are numbers.

No cases, since Keras 3.15 cannot run them: ``HashedCrossing`` of more than two inputs of a functional
model, and a ``Normalization`` with given statistics in a ``Pipeline``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import floats, functional, ints, mixed, single, sizes
from layer_case import Example, LayerCase

FIRST = "channels_first"
ROWS = floats(40, 3, seed=5, low=-4, high=9)
PLANES = floats(12, 4, 3, seed=6, low=-4, high=9)

BOUNDARIES = [-1.5, 0.0, 0.1, 2.0, 100.0]
#: On the boundaries, just beside them, and far from them.
AROUND = np.array(
    [
        [-1.5, 0.0, 0.1, 2.0, 100.0, -0.0],
        [-1.5000001, -1e-7, 0.099999994, 1.9999999, 99.99999, 1e-38],
        [-1.4999999, 1e-7, 0.10000001, 2.0000002, 100.00001, 1e30],
        [-1e30, 50.0, -2.0, 1.0, 0.05, 0.5],
    ],
    np.float32,
)
BINS = len(BOUNDARIES) + 1


def _adapted(layer: str, data: np.ndarray, **config: Any) -> Any:
    def apply(k: Any, x: Any) -> Any:
        made = getattr(k.layers, layer)(**config)
        made.adapt(data)
        return made(x)

    return apply


def _normalization() -> Iterator[LayerCase]:
    layer = "Normalization"
    rows: tuple[Example, ...] = ((ROWS[:3],), (mixed(1, 3),))
    planes: tuple[Example, ...] = ((PLANES[:3],), (mixed(1, 4, 3),))
    constant = np.concatenate([ROWS, np.full((40, 1), 2.5, np.float32)], axis=1)  # of variance 0
    yield LayerCase(layer, "adapted", functional([(3,)], _adapted(layer, ROWS)), examples=rows, sampled=True)
    yield LayerCase(
        layer, "one mean for all", functional([(3,)], _adapted(layer, ROWS, axis=None)), examples=rows
    )
    yield LayerCase(layer, "back", functional([(3,)], _adapted(layer, ROWS, invert=True)), examples=rows)
    yield LayerCase(
        layer,
        "a feature that never changes",
        functional([(4,)], _adapted(layer, constant)),
        examples=((constant[:3],), (mixed(1, 4),)),
    )
    yield LayerCase(
        layer, "axis 1 of 3", functional([(4, 3)], _adapted(layer, PLANES, axis=1)), examples=planes
    )
    yield LayerCase(
        layer, "two axes", functional([(4, 3)], _adapted(layer, PLANES, axis=(1, 2))), examples=planes
    )
    yield LayerCase(
        layer,
        "unknown length",
        functional([(None, 3)], _adapted(layer, PLANES)),
        examples=sizes((1, 2, 3), (3, 5, 3)),
    )
    yield single(
        layer, "given for each feature", (3,), {"mean": [1.0, -2.0, 0.5], "variance": [4.0, 0.25, 9.0]}
    )
    yield single(layer, "given for all, pictures", (3, 4, 2), {"mean": 0.5, "variance": 2.0})
    yield single(
        layer, "given, back", (3,), {"mean": [1.0, -2.0, 0.5], "variance": [4.0, 0.25, 9.0], "invert": True}
    )
    yield single(
        layer,
        "integers",
        (3,),
        {"mean": 3.0, "variance": 4.0},
        dtype="int32",
        examples=((ints(3, 3, low=-99, high=99),),),
    )


def _discretization() -> Iterator[LayerCase]:
    layer = "Discretization"
    columns = AROUND.shape[1]
    given: tuple[Example, ...] = ((AROUND,), (AROUND[1:2],))
    base = {"bin_boundaries": BOUNDARIES}
    yield single(layer, "int, on the boundaries", (columns,), base, examples=given, sampled=True)
    for mode in ("one_hot", "multi_hot", "count"):
        yield single(layer, mode, (columns,), {**base, "output_mode": mode}, examples=given)
        column = AROUND.reshape(-1, 1)
        yield single(
            layer,
            f"{mode}, one value a row",
            (1,),
            {**base, "output_mode": mode},
            examples=((column,), (column[7:8],)),
        )
    yield LayerCase(
        layer,
        "adapted",
        functional([(3,)], _adapted(layer, ROWS, num_bins=5)),
        examples=((ROWS[:3],), (mixed(1, 3),)),
    )
    yield LayerCase(
        layer,
        "adapted, one hot",
        functional([(1,)], _adapted(layer, ROWS, num_bins=4, output_mode="one_hot")),
        examples=((ROWS[:5, :1],), (mixed(1, 1),)),
    )
    yield single(
        layer,
        "infinities and NaN",
        (3,),
        base,
        examples=((np.array([[np.inf, -np.inf, np.nan]], np.float32),),),
    )
    yield single(layer, "rank 3", (2, 3), base, examples=((AROUND.reshape(4, 2, 3),),))
    yield single(
        layer,
        "integers",
        (4,),
        {"bin_boundaries": [0.0, 2.0, 5.0]},
        dtype="int32",
        examples=((ints(3, 4, high=7, low=-1),),),
    )
    yield single(layer, "one boundary", (columns,), {"bin_boundaries": [0.0]}, examples=given)
    yield LayerCase(
        layer,
        "into an embedding",
        functional([(1,)], lambda k, x: k.layers.Embedding(BINS, 3)(k.layers.Discretization(BOUNDARIES)(x))),
        examples=((AROUND[:, :1],), (AROUND[:1, 1:2],)),
    )


def _category_encoding() -> Iterator[LayerCase]:
    layer = "CategoryEncoding"
    tokens = np.array([[0, 4, 4], [1, 1, 1], [3, 2, 0]], np.int32)
    given: tuple[Example, ...] = ((tokens,), (tokens[1:2],))
    column: tuple[Example, ...] = ((np.array([[0], [4], [2]], np.int32),), (np.array([[4]], np.int32),))
    for mode in ("multi_hot", "count", "one_hot"):
        base = {"num_tokens": 5, "output_mode": mode}
        yield single(layer, mode, (3,), base, dtype="int32", examples=given, sampled=True)
        yield single(layer, f"{mode}, one a row", (1,), base, dtype="int32", examples=column)
        yield single(
            layer,
            f"{mode}, int64, unknown length",
            (None,),
            base,
            dtype="int64",
            examples=((tokens.astype(np.int64),), (np.array([[0, 4]], np.int64),)),
        )
    yield single(
        layer,
        "multi hot, rank 3",
        (2, 3),
        {"num_tokens": 5},
        dtype="int32",
        examples=((ints(3, 2, 3, high=5),),),
    )
    yield single(
        layer,
        "count, rank 3",
        (2, 3),
        {"num_tokens": 5, "output_mode": "count"},
        dtype="int32",
        examples=((ints(3, 2, 3, high=5),),),
    )
    yield single(
        layer,
        "one hot, outside the range",  # no token at all
        (3,),
        {"num_tokens": 5, "output_mode": "one_hot"},
        dtype="int32",
        examples=((np.array([[-1, 5, 100], [0, 4, -100]], np.int32),),),
    )
    yield single(
        layer,
        "multi hot, float tokens",
        (3,),
        {"num_tokens": 5},
        examples=((tokens.astype(np.float32),),),
    )
    yield LayerCase(
        layer,
        "count with weights",
        functional(
            [(3,), (3,)],
            lambda k, x, weights: k.layers.CategoryEncoding(5, "count")(x, count_weights=weights),
            dtypes=("int32", "float32"),
        ),
        examples=((tokens, floats(3, 3)), (tokens[:1], mixed(1, 3))),
    )
    yield LayerCase(
        layer,
        "sparse, into a dense layer",
        functional(
            [(3,)],
            lambda k, x: k.layers.Dense(3)(k.layers.CategoryEncoding(5, sparse=True)(x)),
            dtypes="int32",
        ),
        examples=given,
    )


def _integer_lookup() -> Iterator[LayerCase]:
    layer = "IntegerLookup"
    vocabulary = [12, -3, 0, 2147483647, 7]
    known = np.array([[12, -3, 7], [0, 2147483647, 0], [12, 12, 12]], np.int64)
    strange = np.array([[12, 13, -12], [-2147483648, 2147483646, 0], [1, -1, 7]], np.int64)
    given: tuple[Example, ...] = ((strange,), (known[:1],))
    base = {"vocabulary": vocabulary}

    def case(variant: str, config: dict[str, Any], sampled: bool = False, **options: Any) -> LayerCase:
        return single(
            layer,
            variant,
            options.pop("shape", (3,)),
            {**base, **config},
            dtype=options.pop("dtype", "int64"),
            examples=options.pop("examples", given),
            sampled=sampled,
        )

    yield case("int", {}, sampled=True)
    yield case(
        "int32 input",
        {},
        dtype="int32",
        examples=((strange.astype(np.int32),), (known[:1].astype(np.int32),)),
    )
    yield case("nothing out of vocabulary", {"num_oov_indices": 0}, examples=((known,), (known[:1],)))
    yield case("three indices out of vocabulary", {"num_oov_indices": 3})
    yield case("three indices by hash", {"num_oov_indices": 3, "oov_method": "farmhash"})
    yield case("three indices by salted hash", {"num_oov_indices": 3, "oov_method": "farmhash", "salt": 5})
    yield case("a mask", {"vocabulary": [12, -3, 7], "mask_token": 0})
    yield case(
        "back",
        {"invert": True, "vocabulary": [12, -3, 7, 5]},
        examples=((np.array([[0, 1, 2], [3, 4, 5], [-1, 99, 1]], np.int64),),),
    )
    yield case(
        "back, a mask",
        {"invert": True, "vocabulary": [12, -3, 7], "mask_token": 0},
        examples=((np.array([[0, 1, 2], [3, 4, 1]], np.int64),),),
    )
    for mode in ("one_hot", "multi_hot", "count"):
        yield case(mode, {"output_mode": mode}, sampled=mode == "multi_hot")
        yield case(
            f"{mode}, one a row",
            {"output_mode": mode},
            shape=(1,),
            examples=((strange[:, :1],), (strange[1:2, 1:2],)),
        )
    yield case("count, two indices out of vocabulary", {"output_mode": "count", "num_oov_indices": 2})
    yield case("multi hot, padded", {"output_mode": "multi_hot", "max_tokens": 9, "pad_to_max_tokens": True})
    yield case("tf-idf", {"output_mode": "tf_idf", "idf_weights": [0.5, 1.0, 1.5, 0.25, 2.0]})
    yield case("unknown length", {}, shape=(None,), examples=((strange,), (np.array([[7, 8]], np.int64),)))
    yield case("rank 3", {}, shape=(1, 3), examples=((strange[:, None],),))
    yield LayerCase(
        layer,
        "adapted",
        functional([(3,)], _adapted(layer, ints(40, 1, high=6, dtype=np.int64)), dtypes="int64"),
        examples=((ints(3, 3, low=-1, high=8, dtype=np.int64),),),
    )
    yield LayerCase(
        layer,
        "into an embedding",
        functional(
            [(3,)],
            lambda k, x: k.layers.Embedding(6, 3)(k.layers.IntegerLookup(vocabulary=vocabulary)(x)),
            dtypes="int64",
        ),
        examples=given,
    )


def _hashing() -> Iterator[LayerCase]:
    layer = "Hashing"
    numbers = np.array([[0, 1, -1], [99, 2147483647, -2147483648], [7, 7, 8]], np.int64)
    given: tuple[Example, ...] = ((numbers,), (numbers[1:2],))
    for variant, config in (
        ("int", {}),
        ("a salt", {"salt": 133}),
        ("two salts", {"salt": [133, 137]}),
        ("a mask", {"mask_value": 7}),
        ("one hot", {"output_mode": "one_hot"}),
        ("multi hot", {"output_mode": "multi_hot"}),
        ("count", {"output_mode": "count"}),
        ("one bin", {"num_bins": 1}),
        ("many bins", {"num_bins": 1_000_003}),
    ):
        name = f"numbers, {variant}" if variant != "int" else "numbers"
        yield single(layer, name, (3,), {"num_bins": 5, **config}, dtype="int64", examples=given)
    yield single(
        layer,
        "numbers, int32",
        (1,),
        {"num_bins": 5},
        dtype="int32",
        examples=((numbers[:, :1].astype(np.int32),),),
    )


def _hashed_crossing() -> Iterator[LayerCase]:
    layer = "HashedCrossing"
    left = np.array([[0], [1], [2147483647], [-5]], np.int64)
    right = np.array([[3], [3], [-2147483648], [0]], np.int64)

    def case(variant: str, dtype: str = "int64", **config: Any) -> LayerCase:
        values = (left.astype(dtype), right.astype(dtype))
        return LayerCase(
            layer,
            variant,
            functional(
                [(1,)] * 2,
                lambda k, *inputs: k.layers.HashedCrossing(**config)(list(inputs)),
                dtypes=dtype,
            ),
            examples=(values, tuple(value[:1] for value in values)),
        )

    yield case("numbers", num_bins=7)
    yield case("numbers, one hot", num_bins=7, output_mode="one_hot")
    yield case("numbers, int32", dtype="int32", num_bins=7)


CASES = (
    *_normalization(),
    single("Rescaling", "pixels to -1 to 1", (4, 3, 2), {"scale": 1 / 127.5, "offset": -1.0}, sampled=True),
    single("Rescaling", "no offset", (4,), {"scale": -2.0}),
    single("Rescaling", "of each channel", (4, 3, 2), {"scale": [2.0, 0.5], "offset": [1.0, -3.0]}),
    single(
        "Rescaling",
        "bytes",
        (4, 3, 3),
        {"scale": 1 / 255},
        dtype="uint8",
        examples=((ints(3, 4, 3, 3, high=256, dtype=np.uint8),),),
    ),
    single(
        "Rescaling",
        "unknown sizes",
        (None, None, 3),
        {"scale": 0.1, "offset": 2.0},
        examples=sizes((1, 4, 5, 3), (3, 2, 3, 3)),
    ),
    *_discretization(),
    *_category_encoding(),
    *_integer_lookup(),
    *_hashing(),
    *_hashed_crossing(),
    LayerCase(
        "Pipeline",
        "rescaled and put into bins",
        functional(
            [(3,)],
            lambda k, x: k.layers.Pipeline(
                [k.layers.Rescaling(2.0, 1.0), k.layers.Discretization([-1.0, 0.5, 2.0])]
            )(x),
        ),
        sampled=True,
    ),
    LayerCase(
        "Pipeline",
        "pictures",
        functional(
            [(8, 6, 3)],
            lambda k, x: k.layers.Pipeline(
                [
                    k.layers.Resizing(5, 4),
                    k.layers.RandomFlip(),
                    k.layers.CenterCrop(4, 3),
                    k.layers.Rescaling(1 / 255),
                ]
            )(x),
        ),
    ),
    LayerCase(
        "CategoryEncoding",
        "beside numbers into a dense layer",
        functional(
            [(1,), (2,)],
            lambda k, token, numbers: k.layers.Dense(3)(
                k.layers.Concatenate()([k.layers.CategoryEncoding(4, "one_hot")(token), numbers])
            ),
            dtypes=("int32", "float32"),
        ),
        examples=((ints(3, 1, high=4), floats(3, 2)), (ints(1, 1, high=4), floats(1, 2))),
    ),
)
