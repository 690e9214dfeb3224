"""Normalization over batches, layers, groups, and of weights; the moving statistics are no initial values.

Keras 3.15 cannot compute RMSNormalization over an axis that is not the last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from case_tools import floats, functional, mixed, padded, single, sizes
from layer_case import LayerCase

#: Rows that are all the same, so that only epsilon keeps the quotient finite, and rows far from 0.
ROWS = np.stack([np.zeros(6), np.full(6, 3.0), np.linspace(-4, 4, 6), 100 + np.linspace(-1, 1, 6)]).astype(
    np.float32
)


def _with_rows(*shape: int) -> Any:
    return ((np.broadcast_to(ROWS[:, None], (4, *shape)).copy(),), (mixed(3, *shape),))


def _spectral(k: Any, x: Any, layer: str, *arguments: Any, **config: Any) -> Any:
    return k.layers.SpectralNormalization(getattr(k.layers, layer)(*arguments, **config))(x)


def _masked_batch_norm(k: Any, x: Any) -> Any:
    return k.layers.GlobalAveragePooling1D()(k.layers.BatchNormalization()(k.layers.Masking()(x)))


CASES = (
    single("BatchNormalization", "features", (6,), examples=((ROWS,), (mixed(1, 6),)), sampled=True),
    single("BatchNormalization", "pictures", (4, 3, 5)),
    single("BatchNormalization", "axis 1 of 4", (3, 4, 5), {"axis": 1}),
    single("BatchNormalization", "axis 2 of 4", (3, 4, 5), {"axis": 2}),
    single("BatchNormalization", "rank 5", (2, 3, 2, 4)),
    single("BatchNormalization", "sequences", (4, 5)),
    single("BatchNormalization", "no scale", (6,), {"scale": False}),
    single("BatchNormalization", "no center", (4, 3, 5), {"center": False}),
    single("BatchNormalization", "neither", (6,), {"scale": False, "center": False, "epsilon": 0.1}),
    single(
        "BatchNormalization", "unknown sizes", (None, None, 3), examples=sizes((1, 4, 5, 3), (3, 6, 3, 3))
    ),
    single("BatchNormalization", "renormalized in training", (6,), {"renorm": True}),
    LayerCase(
        "BatchNormalization",
        "masked steps",
        functional([(4, 3)], _masked_batch_norm),
        examples=((padded(3, 4, 3, lengths=(4, 2, 1)),),),
    ),
    LayerCase(
        "BatchNormalization",
        "after a convolution without bias",
        functional(
            [(6, 5, 3)],
            lambda k, x: k.layers.BatchNormalization()(
                k.layers.Conv2D(4, 3, use_bias=False, padding="same")(x)
            ),
        ),
    ),
    LayerCase(
        "BatchNormalization",
        "after a dense layer, activated, used twice",
        functional(
            [(6,)],
            lambda k, x: (lambda norm: [k.layers.ReLU()(norm(k.layers.Dense(6)(x))), norm(x)])(
                k.layers.BatchNormalization()
            ),
        ),
    ),
    single("LayerNormalization", "features", (6,), examples=((ROWS,), (mixed(1, 6),)), sampled=True),
    single("LayerNormalization", "sequences", (4, 6), examples=_with_rows(4, 6)),
    single("LayerNormalization", "axis 1", (4, 6), {"axis": 1}),
    single("LayerNormalization", "two axes", (4, 3, 5), {"axis": [2, 3]}),
    single("LayerNormalization", "axes that do not adjoin", (4, 3, 5), {"axis": [1, 3]}),
    single("LayerNormalization", "all axes", (4, 3, 2), {"axis": [1, 2, 3]}),
    single("LayerNormalization", "no scale", (6,), {"scale": False}),
    single("LayerNormalization", "no center", (4, 6), {"center": False, "epsilon": 1e-5}),
    single("LayerNormalization", "neither", (6,), {"scale": False, "center": False}),
    single("LayerNormalization", "unknown length", (None, 6), examples=sizes((1, 3, 6), (3, 5, 6))),
    single("RMSNormalization", "features", (6,), examples=((ROWS,), (mixed(1, 6),)), sampled=True),
    single("RMSNormalization", "sequences, epsilon", (4, 6), {"epsilon": 0.01}, examples=_with_rows(4, 6)),
    single("RMSNormalization", "two axes", (4, 3, 5), {"axis": [2, 3]}),
    single("RMSNormalization", "unknown length", (None, 6), examples=sizes((1, 3, 6), (3, 5, 6))),
    single("GroupNormalization", "2 groups", (4, 3, 6), {"groups": 2}, sampled=True),
    single("GroupNormalization", "one group", (4, 3, 6), {"groups": 1}),
    single("GroupNormalization", "as many groups as channels", (4, 3, 6), {"groups": -1}),
    single("GroupNormalization", "features", (6,), {"groups": 3}, examples=((ROWS,), (mixed(1, 6),))),
    single("GroupNormalization", "sequences, no scale", (4, 6), {"groups": 3, "scale": False}),
    single(
        "GroupNormalization", "no center, epsilon", (4, 3, 6), {"groups": 3, "center": False, "epsilon": 0.1}
    ),
    single("GroupNormalization", "axis 1", (6, 4, 3), {"groups": 2, "axis": 1}),
    single("GroupNormalization", "rank 5", (2, 3, 2, 4), {"groups": 2}),
    single(
        "GroupNormalization",
        "unknown sizes",
        (None, None, 4),
        {"groups": 2},
        examples=sizes((1, 4, 5, 4), (3, 6, 3, 4)),
    ),
    single("UnitNormalization", "features", (6,), examples=((ROWS,), (mixed(1, 6),)), sampled=True),
    single(
        "UnitNormalization",
        "axis 1",
        (4, 3),
        {"axis": 1},
        examples=((mixed(3, 4, 3),), (np.zeros((1, 4, 3), np.float32),)),
    ),
    single("UnitNormalization", "two axes", (4, 3, 2), {"axis": [1, 2]}),
    single(
        "UnitNormalization",
        "unknown length",
        (None, 3),
        {"axis": [1, 2]},
        examples=sizes((1, 3, 3), (3, 5, 3)),
    ),
    LayerCase(
        "SpectralNormalization",
        "around Dense",
        functional([(5,)], lambda k, x: _spectral(k, x, "Dense", 4)),
        sampled=True,
    ),
    LayerCase(
        "SpectralNormalization",
        "around Conv2D",
        functional(
            [(6, 5, 3)], lambda k, x: _spectral(k, x, "Conv2D", 4, 3, padding="same", activation="relu")
        ),
    ),
    LayerCase(
        "SpectralNormalization",
        "around Embedding",
        functional([(4,)], lambda k, x: _spectral(k, x, "Embedding", 9, 3)),  # casts to its input's dtype
        examples=((np.array([[0, 8, 3, 3], [1, 2, 0, 8]], np.float32),),),
    ),
    LayerCase(
        "SpectralNormalization",
        "around Conv1D, three iterations",
        functional(
            [(7, 3)],
            lambda k, x: k.layers.SpectralNormalization(k.layers.Conv1D(4, 3), power_iterations=3)(x),
        ),
        examples=((floats(3, 7, 3),), (mixed(1, 7, 3),)),
    ),
)
