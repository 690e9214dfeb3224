"""Dense, embeddings, einsum, identity, masks: ``keras.layers`` that compute without a neighbourhood."""

from __future__ import annotations

from typing import Any

import numpy as np
from case_tools import floats, functional, ints, mixed, padded, single, sizes
from layer_case import LayerCase

TOKENS = np.array([[0, 1, 19, 7, 0], [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]], np.int32)


def _input_layer(k: Any, x: Any) -> Any:
    return k.layers.Dense(2)(x)


def _tied_embedding(k: Any, tokens: Any, **config: Any) -> Any:
    embedding = k.layers.ReversibleEmbedding(20, 6, **config)
    return embedding(embedding(tokens), reverse=True)


CASES = (
    single("Dense", "one row of features", (5,), {"units": 4}, sampled=True),
    single("Dense", "no bias", (5,), {"units": 4, "use_bias": False}),
    single("Dense", "rank 3", (4, 5), {"units": 3, "activation": "relu"}),
    single("Dense", "rank 4, gelu", (2, 3, 5), {"units": 4, "activation": "gelu"}),
    single("Dense", "rank 5", (2, 2, 3, 4), {"units": 3, "activation": "tanh"}),
    single("Dense", "one unit, sigmoid", (7,), {"units": 1, "activation": "sigmoid"}),
    single(
        "Dense",
        "unknown length, softmax",
        (None, 5),
        {"units": 6, "activation": "softmax"},
        examples=sizes((1, 1, 5), (3, 7, 5)),
    ),
    single("Dense", "more weights than a constant holds", (48,), {"units": 40, "activation": "swish"}),
    single("Dense", "fixed batch", (5,), {"units": 3}, batch_size=2),
    single("Dense", "low-rank adapter", (6,), {"units": 4, "lora_rank": 2}),
    single(
        "Dense", "integer input", (6,), {"units": 4}, dtype="int32", examples=((ints(3, 6, high=9, low=-9),),)
    ),
    single(
        "EinsumDense",
        "bias on the last axis",
        (4, 5),
        {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "d"},
        sampled=True,
    ),
    single(
        "EinsumDense", "matrix product", (5,), {"equation": "ab,bc->ac", "output_shape": 6, "bias_axes": "c"}
    ),
    single("EinsumDense", "no bias", (4, 5), {"equation": "abc,cd->abd", "output_shape": (4, 3)}),
    single(
        "EinsumDense",
        "split into heads",
        (4, 6),
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de", "activation": "relu"},
    ),
    single(
        "EinsumDense",
        "join heads",
        (4, 2, 3),
        {"equation": "abcd,cde->abe", "output_shape": (None, 6), "bias_axes": "e"},
    ),
    single(
        "EinsumDense",
        "ellipsis",
        (3, 4, 5),
        {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"},
    ),
    single(
        "EinsumDense",
        "over the time axis",
        (4, 5),
        {"equation": "abc,bd->adc", "output_shape": (3, 5), "bias_axes": "d"},
    ),
    single(
        "EinsumDense",
        "bias over two axes, output transposed",
        (4, 5),
        {"equation": "abc,cde->aebd", "output_shape": (3, 4, 2), "bias_axes": "ed"},
    ),
    single(
        "EinsumDense",
        "one matrix for each step",
        (4, 5),
        {"equation": "abc,bcd->abd", "output_shape": (4, 3), "bias_axes": "bd"},
    ),
    single(
        "EinsumDense",
        "unknown length",
        (None, 5),
        {"equation": "abc,cd->abd", "output_shape": (None, 4), "bias_axes": "d"},
        examples=sizes((1, 3, 5), (3, 6, 5)),
    ),
    single(
        "Embedding",
        "edges of the vocabulary",
        (5,),
        {"input_dim": 20, "output_dim": 4},
        dtype="int32",
        examples=((TOKENS,), (TOKENS[:1],)),
        sampled=True,
    ),
    single(
        "Embedding",
        "float indices",
        (5,),
        {"input_dim": 20, "output_dim": 4},
        examples=((TOKENS.astype(np.float32),), (np.array([[0.0, 1.9, 19.0, 18.5, 7.0]], np.float32),)),
    ),
    single(
        "Embedding",
        "int64 indices, one for each row",
        (),
        {"input_dim": 20, "output_dim": 4},
        dtype="int64",
        examples=((np.array([0, 19, 4], np.int64),), (np.array([19], np.int64),)),
    ),
    single(
        "Embedding",
        "uint8 indices, unknown length",
        (None,),
        {"input_dim": 256, "output_dim": 3},
        dtype="uint8",
        examples=((np.array([[0, 255, 128]], np.uint8),), (ints(3, 5, high=256, dtype=np.uint8),)),
    ),
    single(
        "Embedding",
        "rank 3 indices",
        (2, 3),
        {"input_dim": 9, "output_dim": 5},
        dtype="int32",
        examples=((ints(3, 2, 3, high=9),), (ints(1, 2, 3, high=9, seed=1),)),
    ),
    LayerCase(
        "Embedding",
        "mask of zeros, averaged",
        functional(
            [(5,)],
            lambda k, x: k.layers.GlobalAveragePooling1D()(k.layers.Embedding(20, 4, mask_zero=True)(x)),
            dtypes="int32",
        ),
        examples=((TOKENS[:2],), (TOKENS[:1],)),
    ),
    single(
        "Embedding",
        "more weights than a constant holds, low-rank adapter",
        (6,),
        {"input_dim": 300, "output_dim": 8, "lora_rank": 2},
        dtype="int32",
        examples=((ints(3, 6, high=300),), (np.array([[0, 299, 1, 298, 0, 150]], np.int32),)),
    ),
    LayerCase(
        "ReversibleEmbedding",
        "tied",
        functional([(5,)], _tied_embedding, dtypes="int32"),
        examples=((TOKENS,), (TOKENS[:1],)),
        sampled=True,
    ),
    LayerCase(
        "ReversibleEmbedding",
        "untied, capped logits",
        functional(
            [(None,)],
            lambda k, x: _tied_embedding(k, x, tie_weights=False, logit_soft_cap=2.0),
            dtypes="int32",
        ),
        examples=((TOKENS,), (TOKENS[:1, :2],)),
    ),
    single("Identity", "floats", (4, 3), sampled=True),
    single("Identity", "integers", (4,), dtype="int32", examples=((ints(3, 4, high=100, low=-100),),)),
    single("Identity", "booleans", (4,), dtype="bool", examples=((np.array([[True, False, True, True]]),),)),
    LayerCase(
        "InputLayer",
        "in front of a layer",
        functional([(4,)], _input_layer),
        sampled=True,
    ),
    LayerCase("InputLayer", "fixed batch", functional([(4,)], _input_layer, batch_size=3)),
    LayerCase(
        "InputLayer",
        "given on to the output beside a result",
        functional([(4,), (2,)], lambda k, x, y: [x, k.layers.Dense(2)(x), y]),
        examples=((floats(3, 4), floats(3, 2, seed=1)), (mixed(1, 4), mixed(1, 2))),
    ),
    LayerCase(
        "Masking",
        "padded rows into an average",
        functional([(5, 3)], lambda k, x: k.layers.GlobalAveragePooling1D()(k.layers.Masking()(x))),
        examples=((padded(3, 5, 3, lengths=(5, 2, 3)),), (padded(1, 5, 3, lengths=(1,), front=True),)),
        sampled=True,
    ),
    single(
        "Masking",
        "its own output, a value of its own",
        (4, 3),
        {"mask_value": -1.0},
        examples=((padded(3, 4, 3, lengths=(4, 2, 0), value=-1.0),), (-np.ones((1, 4, 3), np.float32),)),
    ),
    LayerCase(
        "Masking",
        "unknown length into a recurrent layer",
        functional([(None, 3)], lambda k, x: k.layers.SimpleRNN(4)(k.layers.Masking()(x))),
        examples=((padded(3, 6, 3, lengths=(6, 2, 0)),), (padded(1, 3, 3, lengths=(2,), front=True),)),
    ),
)
