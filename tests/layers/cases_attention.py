"""Attention in all its forms. Flash attention is for GPUs; Keras on the CPU refuses it, so it is no case."""

from __future__ import annotations

from typing import Any

import numpy as np
from case_tools import bools, floats, functional, mixed, padded
from layer_case import Example, LayerCase

QUERY, VALUE = (3, 4), (5, 4)

#: Which steps are real; the last row has none, for which Keras gives an answer of its own.
QUERY_MASK = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 1]], bool)
VALUE_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)


def _pairs(*shapes: tuple[int, ...]) -> tuple[Example, ...]:
    """Examples of batch 3, and of batch 1 with scores far apart."""
    return (
        tuple(floats(3, *shape, seed=i) for i, shape in enumerate(shapes)),
        tuple(floats(1, *shape, seed=10 + i, low=-6, high=6) for i, shape in enumerate(shapes)),
    )


def _scored(
    layer: str, variant: str, *, three: bool = False, sampled: bool = False, **options: Any
) -> LayerCase:
    """``Attention`` or ``AdditiveAttention`` over a query and a value, and a key where there are three."""
    call = {
        name: options.pop(name) for name in ("use_causal_mask", "return_attention_scores") if name in options
    }
    shapes = (QUERY, VALUE, VALUE) if three else (QUERY, VALUE)
    return LayerCase(
        layer,
        variant,
        functional(shapes, lambda k, *inputs: getattr(k.layers, layer)(**options)(list(inputs), **call)),
        examples=_pairs(*shapes),
        sampled=sampled,
    )


def _masked(
    layer: str, variant: str, sampled: bool = False, causal: bool = False, **config: Any
) -> LayerCase:
    """With masks of both, some rows without any step."""

    def apply(k: Any, query: Any, value: Any, query_mask: Any, value_mask: Any) -> Any:
        attention = getattr(k.layers, layer)(**config)
        return attention([query, value], mask=[query_mask, value_mask], use_causal_mask=causal)

    return LayerCase(
        layer,
        variant,
        functional([QUERY, VALUE, (3,), (5,)], apply, dtypes=("float32", "float32", "bool", "bool")),
        examples=(
            (floats(3, *QUERY), floats(3, *VALUE, seed=1), QUERY_MASK, VALUE_MASK),
            (floats(1, *QUERY, low=-6, high=6), floats(1, *VALUE, seed=1), QUERY_MASK[1:2], VALUE_MASK[1:2]),
        ),
        sampled=sampled,
    )


def _implicit_masks(k: Any, x: Any, y: Any, layer: str) -> Any:
    attended = getattr(k.layers, layer)()([k.layers.Masking()(x), k.layers.Masking()(y)])
    return [attended, k.layers.GlobalAveragePooling1D()(attended)]


def _both(layer: str) -> tuple[LayerCase, ...]:
    """What ``Attention`` and ``AdditiveAttention`` share."""
    return (
        _scored(layer, "query and value"),
        _scored(layer, "query, value and key", three=True),
        _scored(layer, "scaled", use_scale=True),
        _scored(layer, "not scaled", use_scale=False),
        _scored(layer, "causal", use_causal_mask=True),
        _scored(layer, "scores returned", return_attention_scores=True, three=True),
        _scored(layer, "dropout off at inference", dropout=0.5),
        _masked(layer, "masks", sampled=True),
        _masked(layer, "masks, causal, scaled", causal=True, use_scale=True),
        LayerCase(
            layer,
            "masks of the layers before",
            functional([(3, 4), (5, 4)], lambda k, x, y: _implicit_masks(k, x, y, layer)),
            examples=((padded(3, 3, 4, lengths=(3, 1, 2)), padded(3, 5, 4, lengths=(5, 2, 1), seed=1)),),
        ),
        LayerCase(
            layer,
            "of itself, unknown length",
            functional([(None, 4)], lambda k, x: getattr(k.layers, layer)()([x, x], use_causal_mask=True)),
            examples=((floats(1, 3, 4),), (floats(3, 6, 4, seed=1),)),
        ),
    )


def _heads(variant: str, *, sampled: bool = False, fewer: bool = False, **options: Any) -> LayerCase:
    """A layer of several heads over one sequence, or over inputs of the shapes in ``cross``."""
    shapes = options.pop("cross", ((4, 6),))
    names = ("use_causal_mask", "return_attention_scores")
    call = {name: options.pop(name) for name in names if name in options}
    layer = "GroupQueryAttention" if fewer else "MultiHeadAttention"
    base = (
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
        if fewer
        else {"num_heads": 2, "key_dim": 3}
    )

    def apply(k: Any, *inputs: Any) -> Any:
        given = (inputs[0], inputs[0]) if len(inputs) == 1 else inputs
        return getattr(k.layers, layer)(**{**base, **options})(*given, **call)

    known = [tuple(size or 5 for size in shape) for shape in shapes]
    return LayerCase(layer, variant, functional(shapes, apply), examples=_pairs(*known), sampled=sampled)


def _heads_masked(
    variant: str, *, sampled: bool = False, fewer: bool = False, causal: bool = False
) -> LayerCase:
    """With every kind of mask: of query, value and key, and of each pair."""

    def apply(k: Any, x: Any, y: Any, query_mask: Any, value_mask: Any, pairs: Any) -> Any:
        attention = k.layers.GroupQueryAttention(3, 4, 2) if fewer else k.layers.MultiHeadAttention(2, 3)
        return attention(
            x,
            y,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=value_mask,
            attention_mask=pairs,
            use_causal_mask=causal,
            return_attention_scores=True,
        )

    return LayerCase(
        "GroupQueryAttention" if fewer else "MultiHeadAttention",
        variant,
        functional(
            [(3, 6), (5, 6), (3,), (5,), (3, 5)], apply, dtypes=("float32", "float32", "bool", "bool", "bool")
        ),
        examples=(
            (floats(3, 3, 6), floats(3, 5, 6, seed=1), QUERY_MASK, VALUE_MASK, bools(3, 3, 5)),
            (
                floats(1, 3, 6),
                floats(1, 5, 6, seed=1),
                QUERY_MASK[:1],
                VALUE_MASK[1:2],
                bools(1, 3, 5, share=1.0),
            ),
        ),
        sampled=sampled,
    )


def _over_embedding(k: Any, tokens: Any) -> Any:
    x = k.layers.Embedding(9, 6, mask_zero=True)(tokens)
    return k.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)


def _over_axes(variant: str, shape: tuple[int, ...], axes: Any, **call: Any) -> LayerCase:
    return LayerCase(
        "MultiHeadAttention",
        variant,
        functional(
            [shape], lambda k, x: k.layers.MultiHeadAttention(2, 3, attention_axes=axes)(x, x, **call)
        ),
        examples=((floats(3, *shape),), (mixed(1, *shape),)),
    )


CASES = (
    *_both("Attention"),
    _scored("Attention", "concatenated scores", score_mode="concat"),
    _scored(
        "Attention",
        "concatenated scores, scaled, causal",
        score_mode="concat",
        use_scale=True,
        use_causal_mask=True,
    ),
    _masked("Attention", "concatenated scores, masks", score_mode="concat"),
    LayerCase(
        "Attention",
        "value wider than the query",
        functional([(3, 4), (5, 7), (5, 4)], lambda k, q, v, key: k.layers.Attention()([q, v, key])),
        examples=_pairs((3, 4), (5, 7), (5, 4)),
    ),
    LayerCase(
        "Attention",
        "rank 4",
        functional([(2, 3, 4), (2, 5, 4)], lambda k, q, v: k.layers.Attention()([q, v])),
        examples=_pairs((2, 3, 4), (2, 5, 4)),
    ),
    *_both("AdditiveAttention"),
    _heads("of itself, causal", use_causal_mask=True, sampled=True),
    _heads("of itself"),
    _heads("of another sequence", cross=((3, 6), (5, 6))),
    _heads("query, value and key", cross=((3, 6), (5, 4), (5, 7))),
    _heads("values of their own size", value_dim=5),
    _heads("an output of its own size", output_shape=7),
    _heads("an output of two axes", output_shape=(2, 3)),
    _heads("no bias", use_bias=False),
    _heads("one head", num_heads=1),
    _heads("scores returned", return_attention_scores=True),
    _heads("scores returned, causal", return_attention_scores=True, use_causal_mask=True),
    _heads("dropout off at inference", dropout=0.5),
    _heads("without flash attention", flash_attention=False, use_causal_mask=True),
    _heads("a sliding window", sliding_window=2),
    _heads("a sliding window, causal", sliding_window=2, use_causal_mask=True),
    _heads("gated", use_gate=True),
    _heads("unknown length, causal", cross=((None, 6),), use_causal_mask=True),
    _heads("unknown lengths of two sequences", cross=((None, 6), (None, 6))),
    _heads("fixed sizes that a constant does not hold", num_heads=4, key_dim=16, cross=((3, 40),)),
    _heads_masked("all masks", sampled=True),
    _heads_masked("all masks, causal", causal=True),
    LayerCase(
        "MultiHeadAttention",
        "a mask of each head",
        functional(
            [(4, 6), (2, 4, 4)],
            lambda k, x, mask: k.layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask),
            dtypes=("float32", "bool"),
        ),
        examples=((floats(3, 4, 6), bools(3, 2, 4, 4)), (mixed(1, 4, 6), bools(1, 2, 4, 4, share=0.0))),
    ),
    LayerCase(
        "MultiHeadAttention",
        "an embedding's mask, causal",
        functional([(None,)], _over_embedding, dtypes="int32"),
        examples=(
            (np.array([[1, 8, 3, 0, 0], [0, 0, 0, 0, 0], [0, 2, 0, 4, 5]], np.int32),),
            (np.array([[7, 7, 0]], np.int32),),
        ),
    ),
    _over_axes("over two axes", (2, 3, 6), (1, 2)),
    _over_axes("over the second of two axes", (2, 3, 6), (2,)),
    _over_axes("over the first of two axes", (3, 2, 6), (1,)),
    _over_axes("over two of three axes, scores returned", (2, 3, 2, 4), (2, 3), return_attention_scores=True),
    _heads("of itself, causal", use_causal_mask=True, fewer=True, sampled=True),
    _heads("of itself", fewer=True),
    _heads("of another sequence", cross=((3, 6), (5, 6)), fewer=True),
    _heads("query, value and key", cross=((3, 6), (5, 6), (5, 6)), fewer=True),
    _heads("one head for keys and values", num_key_value_heads=1, fewer=True),
    _heads("as many heads for keys as for queries", num_key_value_heads=4, fewer=True),
    _heads("no bias", use_bias=False, fewer=True),
    _heads("scores returned", return_attention_scores=True, fewer=True),
    _heads("a sliding window", sliding_window=2, fewer=True),
    _heads("gated", use_gate=True, fewer=True),
    _heads("without flash attention", flash_attention=False, use_causal_mask=True, fewer=True),
    _heads("unknown length, causal", cross=((None, 6),), use_causal_mask=True, fewer=True),
    _heads_masked("all masks", fewer=True),
    _heads_masked("all masks, causal", fewer=True, causal=True),
)
