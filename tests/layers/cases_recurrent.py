"""Recurrent layers, their cells and their wrappers. Stateful layers are tested with whole models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from case_tools import bools, floats, functional, mixed, padded, single, sizes
from layer_case import Example, LayerCase

FIRST = "channels_first"

#: Rows of five steps that are whole, padded at the end, and without any step.
PADDED: tuple[Example, ...] = (
    (padded(3, 5, 3, lengths=(5, 2, 0)),),
    (padded(1, 5, 3, lengths=(3,), seed=1, front=True),),
)
#: Holes among the steps, the first and the last one too.
HOLES = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0]], bool)


def _recurrent(layer: str) -> Iterator[LayerCase]:
    states = 2 if layer == "LSTM" else 1
    shape = (5, 3)

    def make(k: Any, **config: Any) -> Any:
        return getattr(k.layers, layer)(4, **config)

    def masked(**config: Any) -> Callable[[Any, Any], Any]:
        return lambda k, x: make(k, **config)(k.layers.Masking()(x))

    def with_mask(**config: Any) -> Callable[[Any, Any, Any], Any]:
        return lambda k, x, mask: make(k, **config)(x, mask=mask)

    def with_state(k: Any, x: Any, *initial: Any) -> Any:
        return make(k, return_state=True, return_sequences=True)(x, initial_state=list(initial))

    def encoder_decoder(k: Any, x: Any, y: Any) -> Any:
        _, *state = make(k, return_state=True)(x)
        return make(k, return_sequences=True)(y, initial_state=state)

    def explicit(variant: str, **config: Any) -> LayerCase:
        return LayerCase(
            layer,
            variant,
            functional([shape, (5,)], with_mask(**config), dtypes=("float32", "bool")),
            examples=((floats(3, 5, 3), HOLES), (floats(1, 5, 3, seed=1), ~HOLES[:1])),
        )

    base = {"units": 4}
    yield LayerCase(
        layer,
        "masked, sequences",
        functional([shape], masked(return_sequences=True)),
        examples=PADDED,
        sampled=True,
    )
    yield single(layer, "last step", shape, base)
    yield single(layer, "sequences", shape, {**base, "return_sequences": True})
    yield single(layer, "states", shape, {**base, "return_state": True})
    yield single(
        layer, "sequences and states", shape, {**base, "return_state": True, "return_sequences": True}
    )
    yield single(layer, "backwards", shape, {**base, "go_backwards": True})
    yield single(
        layer, "backwards, sequences", shape, {**base, "go_backwards": True, "return_sequences": True}
    )
    yield single(layer, "unrolled", shape, {**base, "unroll": True})
    yield single(
        layer,
        "unrolled, backwards, sequences and states",
        shape,
        {**base, "unroll": True, "go_backwards": True, "return_sequences": True, "return_state": True},
    )
    yield single(layer, "no bias", shape, {**base, "use_bias": False})
    yield single(layer, "relu", shape, {**base, "activation": "relu", "return_sequences": True})
    yield single(layer, "one step", (1, 3), base)
    yield single(layer, "40 steps", (40, 3), base)
    yield single(layer, "128 steps, the most that are written out", (128, 3), base)
    yield single(layer, "129 steps, a loop", (129, 3), base)
    yield single(
        layer,
        "unknown length",
        (None, 3),
        {**base, "return_sequences": True},
        examples=sizes((1, 4, 3), (3, 7, 3)),
        sampled=layer == "GRU",
    )
    yield single(layer, "fixed batch", shape, {**base, "return_sequences": True}, batch_size=2)
    yield single(layer, "dropout off at inference", shape, {**base, "dropout": 0.5, "recurrent_dropout": 0.3})
    yield single(layer, "more weights than a constant holds", (4, 40), {"units": 32})
    yield LayerCase(layer, "masked", functional([shape], masked()), examples=PADDED)
    yield LayerCase(
        layer,
        "masked, zeros where masked",
        functional([shape], masked(return_sequences=True, zero_output_for_mask=True)),
        examples=PADDED,
    )
    yield LayerCase(
        layer,
        "masked, backwards",
        functional([shape], masked(go_backwards=True, return_sequences=True)),
        examples=PADDED,
    )
    yield LayerCase(
        layer,
        "masked, unrolled",
        functional([shape], masked(unroll=True, return_state=True)),
        examples=PADDED,
    )
    yield LayerCase(
        layer,
        "masked, unknown length",
        functional([(None, 3)], masked(return_state=True, return_sequences=True)),
        examples=(*PADDED[1:], (padded(3, 7, 3, lengths=(7, 4, 0)),)),
    )
    yield explicit("a mask with holes")
    yield explicit("a mask with holes, sequences and states", return_sequences=True, return_state=True)
    yield explicit(
        "a mask with holes, unrolled, backwards", unroll=True, go_backwards=True, return_sequences=True
    )
    yield LayerCase(
        layer,
        "states put in",
        functional([shape, *[(4,)] * states], with_state),
        examples=tuple(
            (floats(n, 5, 3), *(floats(n, 4, seed=i, low=-2, high=2) for i in range(1, states + 1)))
            for n in (3, 1)
        ),
    )
    yield LayerCase(
        layer,
        "states of one into another",
        functional([(None, 3), (None, 2)], encoder_decoder),
        examples=((floats(1, 4, 3), floats(1, 2, 2)), (floats(3, 3, 3), floats(3, 6, 2))),
    )
    yield LayerCase(
        layer,
        "two stacked",
        functional([shape], lambda k, x: make(k)(make(k, return_sequences=True)(x))),
    )


def _cell(k: Any, kind: str, units: int = 4, **config: Any) -> Any:
    return getattr(k.layers, f"{kind}Cell")(units, **config)


def _cells(kind: str) -> Iterator[LayerCase]:
    layer = f"{kind}Cell"
    states = 2 if kind == "LSTM" else 1

    def one_step(k: Any, x: Any, *initial: Any) -> Any:
        output, new = _cell(k, kind)(x, list(initial))
        return [output, *(new if isinstance(new, (list, tuple)) else [new])]

    yield LayerCase(
        layer,
        "in RNN",
        functional([(5, 3)], lambda k, x: k.layers.RNN(_cell(k, kind), return_sequences=True)(x)),
        sampled=True,
    )
    yield LayerCase(
        layer,
        "one step",
        functional([(3,), *[(4,)] * states], one_step),
        examples=tuple((mixed(n, 3), *(floats(n, 4, seed=i + 1) for i in range(states))) for n in (3, 1)),
    )
    yield LayerCase(
        layer,
        "in RNN, no bias, sigmoid, backwards, states",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.RNN(
                _cell(k, kind, use_bias=False, activation="sigmoid"), go_backwards=True, return_state=True
            )(x),
        ),
    )


def _stack(k: Any, *kinds: str) -> list[Any]:
    return [_cell(k, kind, 4 - index) for index, kind in enumerate(kinds)]


def _bidirectional(
    variant: str, kind: str, *, sampled: bool = False, mask: bool = False, **config: Any
) -> LayerCase:
    wrapper = {name: config.pop(name) for name in ("merge_mode",) if name in config}

    def apply(k: Any, x: Any) -> Any:
        x = k.layers.Masking()(x) if mask else x
        return k.layers.Bidirectional(getattr(k.layers, kind)(4, **config), **wrapper)(x)

    return LayerCase(
        "Bidirectional",
        variant,
        functional([(5, 3)], apply),
        examples=PADDED if mask else None,
        sampled=sampled,
    )


def _own_backward_layer(k: Any, x: Any) -> Any:
    return k.layers.Bidirectional(
        k.layers.LSTM(4, return_sequences=True),
        backward_layer=k.layers.GRU(2, return_sequences=True, go_backwards=True, activation="relu"),
    )(k.layers.Masking()(x))


def _bidirectional_with_states(k: Any, x: Any, *initial: Any) -> Any:
    return k.layers.Bidirectional(k.layers.GRU(4, return_state=True))(x, initial_state=list(initial))


def _distributed(
    variant: str, shape: tuple[int | None, ...], make: Callable[[Any], Any], **options: Any
) -> LayerCase:
    examples = options.pop("examples", None)
    return LayerCase(
        "TimeDistributed",
        variant,
        functional([shape], lambda k, x: k.layers.TimeDistributed(make(k))(x)),
        examples=examples,
        **options,
    )


def _small_model(k: Any) -> Any:
    inner = k.Input((4, 4, 2))
    y = k.layers.Conv2D(3, 3, activation="relu")(inner)
    return k.Model(inner, k.layers.GlobalAveragePooling2D()(y))


def _convolutional(dimensions: int) -> Iterator[LayerCase]:
    layer = f"ConvLSTM{dimensions}D"
    space = {1: (6,), 2: (5, 4), 3: (3, 4, 3)}[dimensions]
    steps = 3
    shape = (steps, *space, 2)
    base = {"filters": 2, "kernel_size": 2}
    same = {**base, "padding": "same"}
    rows = floats(3, *shape)
    rows[1, 2:] = 0
    rows[2] = 0
    yield single(layer, "same, sequences", shape, {**same, "return_sequences": True}, sampled=True)
    yield single(layer, "valid, last step", shape, {**base, "kernel_size": 3})
    yield single(layer, "strides 2, same", shape, {**same, "strides": 2})
    yield single(layer, "dilation 2", shape, {**base, "dilation_rate": 2})
    yield single(layer, "backwards, states", shape, {**base, "go_backwards": True, "return_state": True})
    yield single(
        layer,
        "no bias, relu, hard sigmoid",
        shape,
        {**same, "use_bias": False, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
    )
    yield single(
        layer,
        "channels first",
        (steps, 2, *space),
        {**base, "data_format": FIRST, "return_sequences": True},
    )
    yield single(
        layer,
        "unknown number of steps",
        (None, *space, 2),
        {**same, "return_sequences": True},
        examples=sizes((1, 2, *space, 2), (3, 4, *space, 2)),
    )
    yield LayerCase(
        layer,
        "a mask with holes",
        functional(
            [shape, (steps,)],
            lambda k, x, mask: getattr(k.layers, layer)(**same, return_sequences=True)(x, mask=mask),
            dtypes=("float32", "bool"),
        ),
        examples=((rows, bools(3, steps)), (rows[:1], np.array([[False, True, False]]))),
    )


CASES = (
    *_recurrent("SimpleRNN"),
    *_recurrent("GRU"),
    *_recurrent("LSTM"),
    single("GRU", "reset before", (5, 3), {"units": 4, "reset_after": False, "return_sequences": True}),
    single(
        "GRU",
        "reset before, no bias, unrolled, hard sigmoid",
        (5, 3),
        {
            "units": 4,
            "reset_after": False,
            "use_bias": False,
            "unroll": True,
            "recurrent_activation": "hard_sigmoid",
        },
    ),
    single(
        "LSTM",
        "hard sigmoid, no forget bias",
        (5, 3),
        {"units": 4, "recurrent_activation": "hard_sigmoid", "unit_forget_bias": False},
    ),
    LayerCase(
        "LSTM",
        "masked embedding",
        functional(
            [(5,)], lambda k, x: k.layers.LSTM(4)(k.layers.Embedding(9, 3, mask_zero=True)(x)), dtypes="int32"
        ),
        examples=((np.array([[1, 8, 0, 0, 0], [0, 0, 0, 0, 0], [3, 0, 4, 5, 6]], np.int32),),),
    ),
    *_cells("SimpleRNN"),
    *_cells("GRU"),
    *_cells("LSTM"),
    LayerCase(
        "RNN",
        "two cells, sequences and states",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.RNN(_stack(k, "GRU", "LSTM"), return_sequences=True, return_state=True)(x),
        ),
        sampled=True,
    ),
    LayerCase(
        "RNN",
        "backwards",
        functional([(5, 3)], lambda k, x: k.layers.RNN(_cell(k, "LSTM"), go_backwards=True)(x)),
    ),
    LayerCase(
        "RNN", "unrolled", functional([(5, 3)], lambda k, x: k.layers.RNN(_cell(k, "GRU"), unroll=True)(x))
    ),
    LayerCase(
        "RNN",
        "masked, zeros where masked",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.RNN(_cell(k, "LSTM"), return_sequences=True, zero_output_for_mask=True)(
                k.layers.Masking()(x)
            ),
        ),
        examples=PADDED,
    ),
    LayerCase(
        "RNN",
        "unknown length",
        functional([(None, 3)], lambda k, x: k.layers.RNN(_cell(k, "SimpleRNN"), return_sequences=True)(x)),
        examples=sizes((1, 4, 3), (3, 7, 3)),
    ),
    LayerCase(
        "StackedRNNCells",
        "in RNN",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.RNN(k.layers.StackedRNNCells(_stack(k, "LSTM", "GRU", "SimpleRNN")))(x),
        ),
        sampled=True,
    ),
    LayerCase(
        "StackedRNNCells",
        "in RNN, masked, states",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.RNN(
                k.layers.StackedRNNCells(_stack(k, "LSTM", "LSTM")), return_sequences=True, return_state=True
            )(k.layers.Masking()(x)),
        ),
        examples=PADDED,
    ),
    LayerCase(
        "StackedRNNCells",
        "one step",
        functional(
            [(3,), (4,), (3,)],
            lambda k, x, first, second: k.tree.flatten(
                k.layers.StackedRNNCells(_stack(k, "GRU", "SimpleRNN"))(x, [first, second])
            ),
        ),
        examples=((floats(3, 3), floats(3, 4, seed=1), floats(3, 3, seed=2)),),
    ),
    _bidirectional("masked LSTM, joined sequences", "LSTM", mask=True, return_sequences=True, sampled=True),
    *(
        _bidirectional(f"LSTM, {mode}", "LSTM", merge_mode=mode)
        for mode in ("concat", "sum", "mul", "ave", None)
    ),
    *(
        _bidirectional(f"GRU, {mode}, sequences", "GRU", merge_mode=mode, return_sequences=True)
        for mode in ("concat", "sum", "mul", "ave", None)
    ),
    _bidirectional("SimpleRNN, last step", "SimpleRNN"),
    _bidirectional("masked SimpleRNN, sum", "SimpleRNN", mask=True, merge_mode="sum"),
    _bidirectional("masked GRU, sequences", "GRU", mask=True, return_sequences=True, merge_mode="ave"),
    _bidirectional("LSTM, sequences and states", "LSTM", return_sequences=True, return_state=True),
    _bidirectional("unrolled GRU", "GRU", unroll=True, return_sequences=True),
    LayerCase(
        "Bidirectional",
        "a backward layer of its own, masked",
        functional([(5, 3)], _own_backward_layer),
        examples=PADDED,
    ),
    LayerCase(
        "Bidirectional",
        "states put in",
        functional([(5, 3), (4,), (4,)], _bidirectional_with_states),
        examples=((floats(3, 5, 3), floats(3, 4, seed=1), floats(3, 4, seed=2)),),
    ),
    LayerCase(
        "Bidirectional",
        "unknown length",
        functional(
            [(None, 3)], lambda k, x: k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(x)
        ),
        examples=sizes((1, 4, 3), (3, 7, 3)),
    ),
    LayerCase(
        "Bidirectional",
        "around RNN",
        functional([(5, 3)], lambda k, x: k.layers.Bidirectional(k.layers.RNN(_cell(k, "GRU")))(x)),
    ),
    LayerCase(
        "Bidirectional",
        "around ConvLSTM1D",
        functional(
            [(3, 5, 2)], lambda k, x: k.layers.Bidirectional(k.layers.ConvLSTM1D(2, 2, padding="same"))(x)
        ),
    ),
    LayerCase(
        "Bidirectional",
        "two stacked",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.Bidirectional(k.layers.GRU(3))(
                k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(x)
            ),
        ),
    ),
    _distributed("Dense", (4, 3), lambda k: k.layers.Dense(5, activation="relu"), sampled=True),
    _distributed("Conv2D", (2, 5, 4, 2), lambda k: k.layers.Conv2D(3, 3, padding="same")),
    _distributed("Flatten", (3, 2, 4), lambda k: k.layers.Flatten()),
    _distributed("BatchNormalization", (4, 3), lambda k: k.layers.BatchNormalization()),
    _distributed("MaxPooling2D", (2, 4, 5, 2), lambda k: k.layers.MaxPooling2D()),
    _distributed(
        "Embedding",
        (3, 4),
        lambda k: k.layers.Embedding(9, 2),
        examples=((np.arange(12, dtype=np.float32).reshape(1, 3, 4) % 9,),),
    ),
    _distributed("a model", (3, 4, 4, 2), _small_model),
    _distributed("LSTM", (2, 4, 3), lambda k: k.layers.LSTM(3)),
    _distributed(
        "Dense, unknown length",
        (None, 3),
        lambda k: k.layers.Dense(5),
        examples=sizes((1, 4, 3), (3, 6, 3)),
    ),
    _distributed(
        "Conv2D, unknown length",
        (None, 4, 5, 2),
        lambda k: k.layers.Conv2D(3, 3),
        examples=sizes((1, 2, 4, 5, 2), (3, 3, 4, 5, 2)),
    ),
    single(
        "ConvLSTM2D",
        "dropout off at inference",
        (3, 4, 4, 1),
        {"filters": 2, "kernel_size": 2, "dropout": 0.4},
    ),
    LayerCase(
        "TimeDistributed",
        "masked, into a recurrent layer",
        functional(
            [(5, 3)],
            lambda k, x: k.layers.GRU(3)(k.layers.TimeDistributed(k.layers.Dense(4))(k.layers.Masking()(x))),
        ),
        examples=PADDED,
    ),
    *_convolutional(1),
    *_convolutional(2),
    *_convolutional(3),
)
