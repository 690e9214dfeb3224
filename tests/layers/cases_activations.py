"""Activations: the functions of ``keras.activations`` and the layers that are activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from case_tools import floats, functional, mixed, single, sizes
from layer_case import LayerCase

#: Where functions bend or run out of range: thresholds, zeros of both signs, and what float32 still tells
#: apart from them; 88.7 is where exp overflows and -103.9 where it underflows to 0.
POINTS = np.array(
    [
        *(0.0, -0.0, 1e-30, -1e-30, 1e-7, -1e-7, 1e-3, -1e-3, 0.25, -0.25, 0.4999, -0.4999, 0.5, -0.5),
        *(0.5001, -0.5001, 0.75, -0.75, 1.0, -1.0, 1.0001, -1.0001, 1.5, -1.5, 2.0, -2.0, 2.5, -2.5),
        *(2.9999, -2.9999, 3.0, -3.0, 3.0001, -3.0001, 4.0, -4.0, 5.0, -5.0, 5.9999, 6.0, -6.0, 6.0001),
        *(7.0, -7.0, 10.0, -10.0, 20.0, -20.0),
    ],
    np.float32,
).reshape(4, -1)
LARGE = np.array(
    [[50, -50, 80, -80, 88, -88, 100, -100, 500, -500, 1e4, -1e4, 1e8, -1e8, 1e15, -1e15]], np.float32
)
INFINITE = np.array([[np.inf, -np.inf, 1.0, -1.0]], np.float32)
NOT_A_NUMBER = np.array([[np.nan, 2.0, -1.0, 0.0]], np.float32)

#: Functions of each element; ``exponential`` is one too, and overflows where the others do not.
ELEMENTWISE = (
    *("celu", "elu", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear"),
    *("log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus"),
    *("softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink"),
)

#: Functions along an axis.
ALONG_AXIS = ("glu", "log_softmax", "softmax", "sparsemax")

#: Ties, and values that exp cannot take.
TIES = np.array([[1, 1, 1, 1], [0, 0, 5, 5], [-1e4, 1e4, 0, 0], [0.1, 0.2, 0.3, 0.4]], np.float32)


def _activation(name: str, **config: Any) -> Callable[[Any, Any], Any]:
    if name == "sparsemax":  # Keras 3.15 does not take a symbolic input for the activation itself
        return lambda k, x: k.ops.sparsemax(x, **config)
    return lambda k, x: getattr(k.activations, name)(x, **config)


def _layer(name: str) -> Callable[[Any, Any], Any]:
    return lambda k, x: k.layers.Activation(name)(x)


def _several(names: tuple[str, ...]) -> Callable[[Any, Any], Any]:
    def apply(k: Any, x: Any) -> Any:
        return [k.layers.Activation(name, name=name)(x) for name in names]

    return apply


def _function(
    name: str, variant: str, shape: tuple[int | None, ...], examples: Any = None, **config: Any
) -> LayerCase:
    return LayerCase(
        f"activations.{name}", variant, functional([shape], _activation(name, **config)), examples=examples
    )


def _elementwise(name: str) -> tuple[LayerCase, ...]:
    label = f"activations.{name}"
    columns = POINTS.shape[1]
    picture = floats(3, 3, 4, 2, low=-6, high=6)
    large = np.clip(LARGE, -80, 80) if name == "exponential" else LARGE
    return (
        LayerCase(
            label,
            "where it bends, large values",
            functional([(columns,)], _layer(name)),
            examples=((POINTS,), (np.resize(large, (1, columns)),)),
        ),
        LayerCase(label, "rank 4", functional([(3, 4, 2)], _layer(name)), examples=((picture,),)),
        LayerCase(label, "infinities", functional([(4,)], _layer(name)), examples=((INFINITE,),)),
        LayerCase(label, "not a number", functional([(4,)], _layer(name)), examples=((NOT_A_NUMBER,),)),
    )


def _along_axis(name: str) -> tuple[LayerCase, ...]:
    label = f"activations.{name}"
    return (
        LayerCase(label, "ties and large values", functional([(4,)], _layer(name)), examples=((TIES,),)),
        LayerCase(
            label,
            "rank 3",
            functional([(3, 6)], _layer(name)),
            examples=((mixed(3, 3, 6),), (floats(1, 3, 6, low=-40, high=40),)),
        ),
        _function(name, "middle axis", (4, 3), ((mixed(3, 4, 3),),), axis=1),
        _function(name, "rank 4, second axis", (4, 3, 2), ((mixed(3, 4, 3, 2),),), axis=1),
        _function(name, "unknown length", (None, 4), sizes((1, 3, 4), (3, 6, 4))),
        _function(name, "rank 5", (2, 2, 3, 4), ((mixed(3, 2, 2, 3, 4),),)),
    )


def _relu_examples() -> Any:
    return ((POINTS,), (np.repeat(LARGE, 3, axis=1)[:, : POINTS.shape[1]],))


WIDTH = POINTS.shape[1]

CASES = (
    # Every activation is here once; the cases of one activation each run with the whole suite.
    LayerCase(
        "Activation",
        "functions that bend, all at once",
        functional(
            [(WIDTH,)],
            _several(
                (
                    *("celu", "elu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu"),
                    *("linear", "relu", "relu6", "selu", "soft_shrink", "sparse_plus", "sparse_sigmoid"),
                )
            ),
        ),
        examples=((POINTS,),),
        sampled=True,
    ),
    LayerCase(
        "Activation",
        "smooth functions, all at once",
        functional(
            [(WIDTH,)],
            _several(
                (
                    *(
                        "exponential",
                        "gelu",
                        "log_sigmoid",
                        "mish",
                        "sigmoid",
                        "silu",
                        "softplus",
                        "softsign",
                    ),
                    *("squareplus", "tanh", "tanh_shrink"),
                )
            ),
        ),
        examples=((POINTS,),),
        sampled=True,
    ),
    LayerCase(
        "Activation",
        "functions along an axis, all at once",
        functional(
            [(3, 4)], lambda k, x: [*_several(ALONG_AXIS)(k, x), k.activations.threshold(x, 0.5, -2.0)]
        ),
        examples=((mixed(3, 3, 4),), (TIES[:, None].repeat(3, axis=1),)),
        sampled=True,
    ),
    LayerCase(
        "Activation",
        "on integers",
        functional([(4,)], _layer("relu"), dtypes="int32"),
        examples=((np.array([[-5, 0, 7, 2**24]], np.int32),),),
    ),
    *(case for name in (*ELEMENTWISE, "exponential") for case in _elementwise(name)),
    *(case for name in ALONG_AXIS for case in _along_axis(name)),
    _function("celu", "alpha 0.3", (WIDTH,), ((POINTS,),), alpha=0.3),
    _function("elu", "alpha 0.5", (WIDTH,), ((POINTS,),), alpha=0.5),
    _function("gelu", "approximate", (WIDTH,), ((POINTS,),), approximate=True),
    _function("hard_shrink", "threshold 2", (WIDTH,), ((POINTS,),), threshold=2.0),
    _function("leaky_relu", "negative slope 0.5", (WIDTH,), ((POINTS,),), negative_slope=0.5),
    _function(
        "relu",
        "slope, maximum and threshold",
        (WIDTH,),
        _relu_examples(),
        negative_slope=0.1,
        max_value=5.0,
        threshold=1.0,
    ),
    _function("relu", "maximum", (WIDTH,), _relu_examples(), max_value=2.5),
    _function("relu", "threshold", (WIDTH,), _relu_examples(), threshold=0.5),
    _function("soft_shrink", "threshold 2", (WIDTH,), ((POINTS,),), threshold=2.0),
    _function("squareplus", "b 1", (WIDTH,), ((POINTS,),), b=1),
    _function("threshold", "0.5, otherwise -2", (WIDTH,), ((POINTS,),), threshold=0.5, default_value=-2.0),
    _function(
        "threshold", "infinities", (4,), ((INFINITE,), (NOT_A_NUMBER,)), threshold=0.0, default_value=1.0
    ),
    single("ReLU", "plain", (WIDTH,), examples=_relu_examples(), sampled=True),
    single("ReLU", "maximum 6", (WIDTH,), {"max_value": 6.0}, examples=_relu_examples()),
    single("ReLU", "maximum 3.5", (4, 3, 2), {"max_value": 3.5}),
    single("ReLU", "maximum 0", (4,), {"max_value": 0.0}),
    single("ReLU", "negative slope", (WIDTH,), {"negative_slope": 0.2}, examples=_relu_examples()),
    single("ReLU", "threshold", (WIDTH,), {"threshold": 1.0}, examples=_relu_examples()),
    single(
        "ReLU",
        "slope, maximum and threshold",
        (WIDTH,),
        {"negative_slope": 0.2, "max_value": 5.0, "threshold": 0.5},
        examples=_relu_examples(),
        sampled=True,
    ),
    single("ELU", "plain", (WIDTH,), examples=_relu_examples(), sampled=True),
    single("ELU", "alpha 0.3", (WIDTH,), {"alpha": 0.3}, examples=_relu_examples()),
    single("ELU", "alpha 2, rank 4", (3, 4, 2), {"alpha": 2.0}),
    single("LeakyReLU", "plain", (WIDTH,), examples=_relu_examples(), sampled=True),
    single("LeakyReLU", "negative slope 0", (WIDTH,), {"negative_slope": 0.0}, examples=_relu_examples()),
    single("LeakyReLU", "negative slope 0.7, rank 4", (3, 4, 2), {"negative_slope": 0.7}),
    single("PReLU", "a slope for each feature", (5,), sampled=True),
    single("PReLU", "a slope for each element, rank 4", (4, 3, 2)),
    single("PReLU", "slopes shared over the picture", (4, 3, 2), {"shared_axes": [1, 2]}),
    single("PReLU", "slopes shared over the time axis", (5, 3), {"shared_axes": [1]}),
    single(
        "PReLU",
        "slopes shared over unknown sizes",
        (None, None, 3),
        {"shared_axes": [1, 2]},
        examples=sizes((1, 4, 5, 3), (3, 6, 3, 3)),
    ),
    single("Softmax", "last axis", (4,), examples=((TIES,), (mixed(1, 4),)), sampled=True),
    single("Softmax", "middle axis", (4, 3), {"axis": 1}),
    single("Softmax", "rank 4, second axis", (4, 3, 2), {"axis": 1}),
    single("Softmax", "two axes", (4, 3, 2), {"axis": (1, 2)}),
    single("Softmax", "first and last axis", (4, 3), {"axis": (1, -1)}),
    single("Softmax", "unknown length", (None, 4), {"axis": 1}, examples=sizes((1, 3, 4), (3, 6, 4))),
    LayerCase(
        "Softmax",
        "a mask",
        functional(
            [(4,), (4,)], lambda k, x, mask: k.layers.Softmax()(x, mask=mask), dtypes=("float32", "bool")
        ),
        examples=(
            (
                TIES,
                np.array([[True] * 4, [True, False, True, True], [False, True, True, True], [False] * 4]),
            ),
        ),
    ),
    LayerCase(
        "Softmax",
        "a mask, two axes",
        functional(
            [(2, 3), (2, 3)],
            lambda k, x, mask: k.layers.Softmax(axis=(1, 2))(x, mask=mask),
            dtypes=("float32", "bool"),
        ),
        examples=(
            (mixed(2, 2, 3), np.array([[[True] * 3, [False] * 3], [[False, True, False], [True] * 3]])),
        ),
    ),
)
