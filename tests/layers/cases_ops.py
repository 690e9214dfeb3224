"""Functions of ``keras.ops`` between the layers of a functional model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from case_tools import bools, floats, functional, ints, mixed, pictures
from cases_activations import INFINITE, NOT_A_NUMBER, POINTS
from layer_case import LayerCase
from models import keras

#: Gets ``keras.ops`` and the inputs; returns an output, or several in any structure.
Apply = Callable[..., Any]

#: What most cases are called: arguments as in most models, in one configuration or several.
_TYPICAL = "typical arguments"

#: What Keras 3.15.1 runs eagerly and cannot trace.
_UNTRACED = "cannot be traced"

#: What TF.js has no executor for, and no pass rewrites.
_LACKING = r"TensorFlow.js does not have \w+ \(in"

#: Functions that run with every test run: the quickest that show the most.
_SAMPLED = frozenset(
    f"ops.{name}"
    for name in (
        *("arctan2", "floor_divide", "logaddexp", "median", "roll", "take_along_axis", "top_k", "einsum"),
        *("segment_sum", "searchsorted", "stft", "image.affine_transform"),
    )
)


def _case(
    name: str,
    apply: Apply,
    *values: np.ndarray,
    variant: str = _TYPICAL,
    fixed: bool = False,
    refusal: str | None = None,
    atol: float = 1e-4,
) -> LayerCase:
    """Return the case of a function of inputs such as ``values``.

    Args:
        name: of the function within ``keras.ops``, with its module where it is only there.
        apply: calls it, in one configuration or several.
        values: the first example, batch included; the second is its first row. They say the shapes and the
            dtypes of the inputs.
        fixed: whether the batch size is fixed, for functions that Keras refuses otherwise; there is one
            example then.
    """

    def outputs(k: Any, *inputs: Any) -> Any:
        flat = k.tree.flatten(apply(k.ops, *inputs))
        return flat if len(flat) > 1 else flat[0]

    build = functional(
        [value.shape[1:] for value in values],
        outputs,
        dtypes=[value.dtype.name for value in values],
        batch_size=len(values[0]) if fixed else None,
    )
    return LayerCase(
        f"ops.{name}",
        variant,
        build,
        examples=(values,) if fixed else (values, tuple(value[:1] for value in values)),
        refusal=refusal,
        sampled=f"ops.{name}" in _SAMPLED and variant == _TYPICAL,
        atol=atol,
    )


def _function(ops: Any, name: str) -> Callable[..., Any]:
    for part in name.split("."):
        ops = getattr(ops, part)
    return ops  # type: ignore[no-any-return]


def _plain(names: str, *values: np.ndarray, variant: str = _TYPICAL, **options: Any) -> Iterable[LayerCase]:
    """Yield a case of each function of ``names`` (separated by spaces), called with the inputs alone."""
    for name in names.split():

        def apply(ops: Any, *inputs: Any, name: str = name) -> Any:
            return _function(ops, name)(*inputs)

        yield _case(name, apply, *values, variant=variant, **options)


def _reductions(names: str, x: np.ndarray, *, axis: Any = 1, several: bool = True) -> Iterable[LayerCase]:
    """Yield a case of each function of ``names``, over all axes, over ``axis``, over the last, and, where it
    takes ``several``, over two.
    """
    for name in names.split():

        def apply(ops: Any, x: Any, name: str = name) -> Any:
            function = _function(ops, name)
            results = [function(x), function(x, axis=axis), function(x, axis=-1, keepdims=True)]
            return [*results, function(x, axis=(1, 2))] if several else results

        yield _case(name, apply, x, variant=_TYPICAL if x.dtype == np.float32 else x.dtype.name)


def _columns(*rows: Iterable[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def _with_gaps(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw values of which some, but none of a whole row, are NaN."""
    values = floats(*shape, seed=seed)
    values[..., 1] = np.where(np.random.default_rng(seed).random(shape[:-1]) < 0.7, np.nan, values[..., 1])
    return values


def _positive_definite(*shape: int, seed: int = 0) -> np.ndarray:
    root = np.random.default_rng(seed).uniform(-1, 1, (*shape, shape[-1]))
    return (root @ np.swapaxes(root, -1, -2) + 0.5 * np.eye(shape[-1])).astype(np.float32)


def _pairs(*values: float) -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of ``values``, a row for each first."""
    x, y = np.meshgrid(np.array(values, np.float32), np.array(values, np.float32), indexing="ij")
    return x, y


#: Where the inverse functions are defined, their ends included.
_UNIT = np.resize(_columns([0, -0.0, 1, -1, 0.5, -0.5, 1e-3, -1e-3, 0.999, -0.999, 1e-7, 0.75]), (3, 12))
_POSITIVE = _columns(
    [1e-30, 1e-7, 1e-3, 0.1, 0.5, 0.999], [1, 1.001, 2, 2.5, 10, 100], [1e3, 1e8, 1e30, 3, 7, 8]
)
_NOT_NEGATIVE = np.concatenate([_POSITIVE, np.zeros((1, 6), np.float32)])
_NOT_ZERO = np.where(POINTS == 0, np.float32(0.1), POINTS)
_HALVES = _columns(
    [0, -0.0, 0.5, -0.5, 1.5, -1.5], [2.5, -2.5, 0.49, -0.49, 0.51, -0.51], [7.5, -7.5, 1e6, -1e6, 3, -3]
)
_MODERATE = np.clip(POINTS, -10, 10)
_ODD = np.concatenate([INFINITE, NOT_A_NUMBER])
_NUMBERS = _pairs(0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.0, 1e-3, -10.0)
#: No multiples of what is no binary fraction: the smallest error makes their remainders whole divisors.
_NOT_ZERO_PAIRS = _pairs(1.0, -1.0, 0.5, -2.5, 3.0, 7.0, 100.0, -10.0)
_ANGLES = _pairs(0.0, 1.0, -1.0, 0.5, -2.5, 3.0)
_INTEGERS = np.array([[0, 1, -1, 2], [-3, 7, -100, 4000]], np.int32)
_COUNTS = ints(3, 5, high=12, low=1), ints(3, 5, high=12, low=1, seed=1)
_TRUTHS = np.array([[True, False], [True, False]]), np.array([[True, True], [False, False]])
_MATRIX = floats(3, 4, 5)
_SQUARE = _positive_definite(3, 4)

_ELEMENTWISE = (
    *_plain("abs absolute fabs negative square sign relu relu6", POINTS),
    *_plain("elu celu selu gelu silu sigmoid log_sigmoid softplus softsign squareplus tanh", POINTS),
    *_plain("hard_sigmoid hard_silu hard_tanh hard_shrink soft_shrink leaky_relu", POINTS),
    *_plain("sparse_plus sparse_sigmoid tanh_shrink sinc cbrt deg2rad rad2deg erf erfc", POINTS),
    *_plain("exp exp2 expm1 sinh cosh", _MODERATE),
    *_plain("i0", _MODERATE, refusal=_LACKING),
    *_plain("sin cos arctan arcsinh", POINTS),
    *_plain("tan", floats(3, 6, low=-1.5, high=1.5)),
    *_plain("arcsin arccos", _UNIT),
    *_plain("arctanh", _UNIT * np.float32(0.999)),
    *_plain("erfinv", _UNIT * np.float32(0.999), refusal=_LACKING),
    *_plain("arccosh", 1 + np.minimum(_NOT_NEGATIVE, 1e15)),
    *_plain("log log2 log10 rsqrt", _POSITIVE),
    *_plain("log1p sqrt", _NOT_NEGATIVE),
    *_plain("reciprocal", _NOT_ZERO),
    *_plain("floor ceil trunc round", _HALVES),
    _case(
        "round",
        lambda o, x: [o.round(x, 1), o.round(x, -1)],
        _columns([0.26, -3.34, 11.1, -27, 4.9]),
        variant="decimals",
    ),
    *_plain("isfinite isinf isnan isneginf isposinf isreal", _ODD),
    *_plain("signbit", POINTS),
    _case("nan_to_num", lambda o, x: [o.nan_to_num(x), o.nan_to_num(x, 1.0, posinf=2.0, neginf=-2.0)], _ODD),
    _case("clip", lambda o, x: [o.clip(x, -1, 2.5), o.clip(x, -0.5, 0.5)], POINTS),
    _case("threshold", lambda o, x: o.threshold(x, 0.5, -2.0), POINTS),
    *_plain("abs absolute negative square sign", _INTEGERS, variant="integers"),
    *_plain("angle real imag conj conjugate", POINTS),
    *_plain("stop_gradient copy array convert_to_tensor", POINTS),
    _case("cast", lambda o, x: [o.cast(x, dtype) for dtype in ("int32", "bool", "float32")], POINTS),
    _case(
        "cast",
        lambda o, x: [o.cast(x, dtype) for dtype in ("int32", "bool", "float32")],
        _INTEGERS,
        variant="integers",
    ),
    _case(
        "saturate_cast", lambda o, x: o.saturate_cast(x, "uint8"), _columns([-3, 0, 254.6, 255, 300, 12.5])
    ),
    _case("view", lambda o, x: o.view(x, "int32"), POINTS, refusal=_LACKING),
    *_plain("zeros_like ones_like empty_like", POINTS),
    _case("full_like", lambda o, x: o.full_like(x, 2.5), POINTS),
)

_OF_TWO = (
    *_plain("add subtract multiply maximum minimum fmax fmin", *_NUMBERS),
    *_plain("divide true_divide floor_divide mod fmod", *_NOT_ZERO_PAIRS),
    *_plain("divide_no_nan equal not_equal greater greater_equal less less_equal", *_NUMBERS),
    *_plain("hypot logaddexp logaddexp2 heaviside isclose allclose", *_NUMBERS),
    *_plain("arctan2", *_ANGLES),
    *_plain("power", *(each.reshape(3, -1) for each in np.meshgrid(_POSITIVE[1], [0, 1, 2, -1, 0.5, 3.5]))),
    *_plain("nextafter", *_NUMBERS, refusal=_LACKING),
    _case("ldexp", lambda o, x, n: o.ldexp(x, n), floats(3, 4), ints(3, 4, low=-3, high=5)),
    *_plain(
        "add subtract multiply maximum minimum floor_divide mod equal less", *_COUNTS, variant="integers"
    ),
    # float32 has integers up to 2^24, and so have the powers
    *_plain("power", _COUNTS[0], ints(3, 5, high=7, seed=1), variant="integers"),
    *_plain("gcd lcm", *_COUNTS, fixed=True),
    *_plain("bitwise_and", *_COUNTS, refusal="no backend has BitwiseAnd"),
    *_plain("bitwise_or bitwise_xor", *_COUNTS, refusal=_LACKING),
    *_plain("bitwise_left_shift bitwise_right_shift left_shift right_shift", *_COUNTS, refusal=_LACKING),
    *_plain("bitwise_not bitwise_invert", _INTEGERS, refusal=_LACKING),
    *_plain("logical_and logical_or logical_xor", *_TRUTHS),
    *_plain("logical_not", _TRUTHS[0]),
    *_plain("logical_and logical_or logical_xor", mixed(3, 8), mixed(3, 8, seed=1), variant="numbers"),
    _case("add", lambda o, x, y: o.add(x[:, None], y), floats(3, 4), floats(3, 5, 4), variant="broadcast"),
    _case(
        "where",
        lambda o, x, y: [o.where(x > y, x, y), o.where(x > 0, 1.0, y)],
        mixed(3, 5),
        mixed(3, 5, seed=1),
    ),
    _case(
        "select",
        lambda o, x: o.select([x > 5, x < 0], [x - 5, -x], default=1.0),
        mixed(3, 5),
    ),
    _case(
        "polar",
        lambda o, r, a: [o.real(o.polar(r, a)), o.imag(o.polar(r, a))],
        floats(3, 4, low=0),
        floats(3, 4, low=-3, high=3),
    ),
    _case(
        "view_as_complex",
        lambda o, x: [f(o.view_as_complex(x)) for f in (o.real, o.imag)],
        floats(3, 4, 2),
        refusal=_UNTRACED,
    ),
    _case(
        "view_as_real", lambda o, x: o.view_as_real(o.view_as_complex(x)), floats(3, 4, 2), refusal=_UNTRACED
    ),
    _case(
        "angle",
        lambda o, x: o.angle(o.view_as_complex(x)),
        floats(3, 4, 2),
        variant="complex",
        refusal=_UNTRACED,
    ),
)

_REDUCED = (
    *_reductions("sum mean max min amax amin prod std var ptp logsumexp median", _MATRIX),
    *_reductions("norm", _MATRIX[0], several=False),
    *_reductions("sum max min prod mean", ints(3, 4, 5, low=-3, high=4)),
    *_reductions("all any", bools(3, 4, 5, share=0.8)),
    *_reductions("argmax argmin", _MATRIX, several=False),
    *_reductions("nansum nanmean nanmax nanmin nanprod nanstd nanvar", _with_gaps(3, 4, 5)),
    *_plain("nanmedian", _with_gaps(3, 4, 5)),
    _case(
        "nanmedian",
        lambda o, x: o.nanmedian(x, axis=1),
        _with_gaps(3, 4, 5),
        variant="axes",
        refusal=_UNTRACED,
    ),
    *_reductions("nanargmax nanargmin", _with_gaps(3, 4, 5), several=False),
    _case("max", lambda o, x: [o.max(x, axis=1, initial=0.5)], _MATRIX, variant="initial"),
    _case("min", lambda o, x: [o.min(x, axis=1, initial=-0.5)], _MATRIX, variant="initial"),
    _case("count_nonzero", lambda o, x: [o.count_nonzero(x), o.count_nonzero(x, axis=1)], mixed(3, 4, 5)),
    _case(
        "average",
        lambda o, x: [o.average(x), o.average(x, axis=1), o.average(x, axis=1, weights=np.arange(1.0, 5.0))],
        _MATRIX,
    ),
    _case("moments", lambda o, x: [o.moments(x, [1]), o.moments(x, [0, 2], keepdims=True)], _MATRIX),
    *(
        _case(
            name,
            lambda o, x, name=name, scale=scale: [
                _function(o, name)(x, 0.3 * scale, axis=1),
                _function(o, name)(x, [0.25 * scale, 0.5 * scale], axis=-1, method="nearest"),
            ],
            values,
        )
        for name, scale, values in (
            ("quantile", 1, _MATRIX),
            ("percentile", 100, _MATRIX),
        )
    ),
    *(
        _case(name, lambda o, x, name=name, q=q: _function(o, name)(x, q), _with_gaps(3, 4, 5))
        for name, q in (("nanquantile", 0.3), ("nanpercentile", 30))
    ),
    *(
        _case(
            name,
            lambda o, x, name=name, q=q: _function(o, name)(x, q, axis=1),
            _with_gaps(3, 4, 5),
            variant="axes",
            refusal=_UNTRACED,
        )
        for name, q in (("nanquantile", 0.3), ("nanpercentile", 30))
    ),
    *(
        _case(
            name,
            lambda o, x, name=name: [_function(o, name)(x, axis=1), _function(o, name)(x, axis=-1)],
            values,
        )
        for name, values in (
            ("cumsum", _MATRIX),
            ("cumprod", _MATRIX),
            ("nancumsum", _with_gaps(3, 4, 5)),
            ("nancumprod", _with_gaps(3, 4, 5)),
        )
    ),
    _case("diff", lambda o, x: [o.diff(x), o.diff(x, n=2, axis=1)], _MATRIX),
    _case("trapezoid", lambda o, x: [o.trapezoid(x), o.trapezoid(x, dx=0.5, axis=1)], _MATRIX),
    _case("bincount", lambda o, x: o.bincount(x, minlength=6), ints(3, 7, high=6)),
    _case(
        "histogram", lambda o, x: o.histogram(o.reshape(x, (-1,)), bins=4), floats(3, 8), refusal=_UNTRACED
    ),
    _case("corrcoef", lambda o, x: o.corrcoef(x), floats(3, 6), refusal=_UNTRACED),
)

_SORTED = (
    _case("sort", lambda o, x: [o.sort(x), o.sort(x, axis=1)], _MATRIX),
    _case("argsort", lambda o, x: [o.argsort(x), o.argsort(x, axis=1)], _MATRIX),
    # Keras makes integers of the numbers, and takes vectors only
    _case(
        "argpartition", lambda o, x: o.argpartition(o.reshape(x, (-1,)), 2), floats(3, 5, low=-99, high=99)
    ),
    _case("top_k", lambda o, x: o.top_k(x, 3), _MATRIX),
    _case(
        "in_top_k",
        lambda o, t, x: o.in_top_k(o.reshape(t, (-1,)), x, 2),
        ints(3, 1, high=5),
        floats(3, 5),
        refusal=_LACKING,
    ),
    _case(
        "searchsorted",
        lambda o, x: [
            o.searchsorted(np.array([-0.5, 0.0, 0.5], np.float32), o.reshape(x, (-1,)), side=side)
            for side in ("left", "right")
        ],
        floats(3, 4),
    ),
    _case("digitize", lambda o, x: o.digitize(x, np.array([-0.5, 0.0, 0.5])), POINTS),
    _case("unique", lambda o, x: o.unique(o.reshape(x, (-1,))), ints(3, 4, high=5)),
    _case(
        "unique",
        lambda o, x: o.unique(o.reshape(x, (-1,)), size=4, fill_value=9),
        ints(3, 4, high=3),
        variant="of a size",
    ),
    _case("nonzero", lambda o, x: o.nonzero(x), mixed(3, 4)),
    _case(
        "isin",
        lambda o, x: [
            o.isin(x, np.array([1, 3], np.int32)),
            o.isin(x, np.array([1, 3], np.int32), invert=True),
        ],
        ints(3, 4, high=5),
        refusal=_UNTRACED,
    ),
)

_SHAPED = (
    _case("reshape", lambda o, x: [o.reshape(x, (-1, 10)), o.reshape(x, (-1, 5, 2, 2))], _MATRIX),
    _case("transpose", lambda o, x: [o.transpose(x), o.transpose(x, (0, 2, 1))], _MATRIX),
    _case("swapaxes", lambda o, x: o.swapaxes(x, 1, 2), _MATRIX),
    _case("moveaxis", lambda o, x: o.moveaxis(x, 1, -1), floats(3, 2, 4, 5)),
    _case(
        "rearrange",
        lambda o, x: [o.rearrange(x, "b h w -> b w h"), o.rearrange(x, "b (h s) w -> b h (s w)", s=2)],
        _MATRIX,
        fixed=True,
    ),
    _case("squeeze", lambda o, x: [o.squeeze(x, axis=1), o.squeeze(x, axis=(1, 3))], floats(3, 1, 4, 1)),
    _case("expand_dims", lambda o, x: [o.expand_dims(x, 1), o.expand_dims(x, (1, -1))], _MATRIX),
    _case("ravel", lambda o, x: o.ravel(x), _MATRIX),
    _case("flip", lambda o, x: [o.flip(x), o.flip(x, axis=1)], _MATRIX),
    *_plain("fliplr flipud", _MATRIX),
    _case(
        "rot90",
        lambda o, x: [o.rot90(x), o.rot90(x, k=2, axes=(1, 2)), o.rot90(x, k=-1, axes=(1, 2))],
        _MATRIX,
    ),
    _case(
        "roll",
        lambda o, x: [o.roll(x, 2, axis=1), o.roll(x, (-3, 1), axis=(1, 2)), o.roll(x, -1, axis=-1)],
        _MATRIX,
    ),
    _case(
        "roll", lambda o, x: [o.roll(x, 1), o.roll(x, 2, axis=0)], _MATRIX, variant="sizes that are not known"
    ),
    _case("tile", lambda o, x: [o.tile(x, (1, 2, 3)), o.tile(x, 2)], _MATRIX),
    _case("repeat", lambda o, x: [o.repeat(x, 2, axis=1), o.repeat(x, 3)], _MATRIX),
    _case("repeat", lambda o, x: o.repeat(x, [1, 0, 2, 3], axis=1), _MATRIX, variant="each so often"),
    _case(
        "pad",
        lambda o, x: [
            o.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=2.0),
            o.pad(x, ((0, 0), (2, 1), (3, 1)), mode="reflect"),
            o.pad(x, ((0, 0), (2, 1), (0, 1)), mode="symmetric"),
        ],
        _MATRIX,
    ),
    _case("broadcast_to", lambda o, x: o.broadcast_to(x, (2, 3, 4)), floats(3, 4), fixed=True),
    _case(
        "concatenate",
        lambda o, x, y: [o.concatenate([x, y]), o.concatenate([x, y], axis=-1)],
        _MATRIX,
        floats(3, 4, 5, seed=1),
    ),
    _case(
        "append", lambda o, x, y: [o.append(x, y), o.append(x, y, axis=-1)], _MATRIX, floats(3, 4, 5, seed=1)
    ),
    _case(
        "stack", lambda o, x, y: [o.stack([x, y]), o.stack([x, y], axis=-1)], _MATRIX, floats(3, 4, 5, seed=1)
    ),
    *(
        _case(name, lambda o, x, y, name=name: _function(o, name)([x, y]), _MATRIX, floats(3, 4, 5, seed=1))
        for name in ("hstack", "vstack", "dstack")
    ),
    _case("split", lambda o, x: [o.split(x, 2, axis=1), o.split(x, [1, 3], axis=-1)], _MATRIX),
    _case("array_split", lambda o, x: o.array_split(x, 3, axis=1), _MATRIX),
    _case("hsplit", lambda o, x: o.hsplit(x, 2), _MATRIX),
    _case("vsplit", lambda o, x: o.vsplit(x, 2), floats(4, 3), fixed=True),
    _case("dsplit", lambda o, x: o.dsplit(x, [2]), _MATRIX),
    _case("unstack", lambda o, x: o.unstack(x, axis=1), _MATRIX),
    _case(
        "meshgrid",
        lambda o, x, y: [o.meshgrid(x[0], y[0]), o.meshgrid(x[0], y[0], indexing="ij")],
        floats(3, 4),
        floats(3, 5),
    ),
    *_plain("size", _MATRIX),
    *_plain("ndim", _MATRIX, refusal="is a int"),
    _case("slice", lambda o, x: o.slice(x, (0, 1, 2), (2, 2, 3)), floats(3, 4, 5), fixed=True),
    _case(
        "slice_update",
        lambda o, x, y: o.slice_update(x, (0, 1, 2), y),
        floats(3, 4, 5),
        floats(3, 2, 3, seed=1),
    ),
    _case("get_item", lambda o, x: [x[:, 1], x[..., ::2], x[:, -1:, None, 1:3], x[:, ::-1]], _MATRIX),
    _case("take", lambda o, x: [o.take(x, [0, -1, 2], axis=1), o.take(x, [3, 0])], _MATRIX),
    _case(
        "take",
        lambda o, x, i: o.take(x, i, axis=1),
        floats(2, 4, 5),
        ints(2, 3, high=4),
        variant="indices from an input",
    ),
    _case(
        "take_along_axis",
        lambda o, x, i: [
            o.take_along_axis(x, i, axis=1),
            o.take_along_axis(x, o.argsort(x, axis=-1), axis=-1),
        ],
        _MATRIX,
        ints(3, 2, 5, high=4),
    ),
    _case(
        "diagonal",
        lambda o, x: [o.diagonal(x, axis1=1, axis2=2), o.diagonal(x, 1, axis1=1, axis2=2)],
        _MATRIX,
    ),
    _case("trace", lambda o, x: o.trace(x, axis1=1, axis2=2), _MATRIX),
    _case("diag", lambda o, x: [o.diag(x), o.diag(x, k=1)], floats(3, 4), fixed=True),
    _case("diagflat", lambda o, x: o.diagflat(x), floats(3, 4), fixed=True),
    _case("tril", lambda o, x: [o.tril(x), o.tril(x, k=-1)], _MATRIX),
    _case("triu", lambda o, x: [o.triu(x), o.triu(x, k=1)], _MATRIX),
    _case("vander", lambda o, x: o.vander(o.reshape(x, (-1,)), N=3), floats(3, 1)),
    _case("linspace", lambda o, x, y: o.linspace(x, y, num=5, axis=-1), floats(3, 2), floats(3, 2, seed=1)),
    _case("logspace", lambda o, x, y: o.logspace(x, y, num=5, axis=-1), floats(3, 2), floats(3, 2, seed=1)),
    _case(
        "geomspace",
        lambda o, x, y: o.geomspace(x, y, num=5),
        floats(3, 2, low=0.5),
        floats(3, 2, seed=1, low=1, high=3),
    ),
    _case("depth_to_space", lambda o, x: o.depth_to_space(x, 2), floats(3, 2, 3, 8)),
    _case("space_to_depth", lambda o, x: o.space_to_depth(x, 2), floats(3, 4, 6, 2)),
    _case("one_hot", lambda o, x: [o.one_hot(x, 5), o.one_hot(x, 4, axis=1)], ints(3, 4, high=5)),
    _case("multi_hot", lambda o, x: o.multi_hot(x, 5), ints(3, 4, high=5)),
    _case("unravel_index", lambda o, x: o.unravel_index(x, (3, 4)), ints(3, 4, high=12), fixed=True),
    _case("extract_sequences", lambda o, x: o.extract_sequences(x, 4, 2), floats(3, 11)),
    _case("scatter", lambda o, i, v: o.scatter(i, v, (6, 2)), ints(4, 1, high=6), floats(4, 2)),
    _case(
        "scatter_update",
        lambda o, x, v: o.scatter_update(x, [[0, 1], [2, 3]], v[0]),
        floats(3, 4),
        floats(3, 2),
        fixed=True,
    ),
    *(
        _case(
            f"segment_{kind}",
            lambda o, x, ids, kind=kind: _function(o, f"segment_{kind}")(
                x, o.reshape(ids, (-1,)), num_segments=4
            ),
            floats(5, 3),
            np.array([[2], [0], [3], [2], [1]], np.int32),
            fixed=True,
            refusal=None if kind == "sum" else _LACKING,
        )
        for kind in ("sum", "max", "min", "prod")
    ),
)

_PRODUCTS = (
    _case("matmul", lambda o, x, y: [o.matmul(x, y), x @ y], _MATRIX, floats(3, 5, 2)),
    _case(
        "matmul",
        lambda o, x, y: o.matmul(x, y),
        ints(3, 4, 5, low=-5, high=6),
        ints(3, 5, 2, low=-5, high=6),
        variant="integers",
    ),
    _case("dot", lambda o, x: o.dot(x, floats(5, 2)), _MATRIX),
    _case("tensordot", lambda o, x: o.tensordot(x, floats(4, 5, 2), axes=2), _MATRIX),
    _case(
        "einsum",
        lambda o, x, y: [
            o.einsum("bij,bkj->bik", x, y),
            o.einsum("bij->bj", x),
            o.einsum("...j,jk->...k", x, floats(5, 2)),
        ],
        _MATRIX,
        floats(3, 2, 5, seed=1),
    ),
    _case("inner", lambda o, x, y: o.inner(x, y), _MATRIX, floats(3, 4, 5, seed=1)),
    _case("outer", lambda o, x: o.outer(x, floats(5)), floats(3, 4)),
    _case("vdot", lambda o, x, y: o.vdot(x, y), floats(3, 4), floats(3, 4, seed=1)),
    _case("kron", lambda o, x: o.kron(x, floats(2, 3)), floats(3, 4), refusal=_UNTRACED),
    _case("cross", lambda o, x, y: o.cross(x, y), floats(3, 4, 3), floats(3, 4, 3, seed=1)),
    _case(
        "cross", lambda o, x, y: o.cross(x, y), floats(3, 4, 2), floats(3, 4, 2, seed=1), variant="in a plane"
    ),
    _case("cdist", lambda o, x, y: o.cdist(x, y), _MATRIX, floats(3, 2, 5, seed=1)),
    _case(
        "correlate",
        lambda o, x: [
            o.correlate(o.reshape(x, (-1,)), floats(3), mode=mode) for mode in ("valid", "same", "full")
        ],
        floats(2, 5),
        fixed=True,
    ),
    _case(
        "norm",
        lambda o, x: [
            o.norm(x, ord=1, axis=-1),
            o.norm(x, ord=np.inf, axis=1),
            o.norm(x, ord="fro", axis=(1, 2)),
            o.norm(x, ord=3, axis=-1),
        ],
        _MATRIX,
        variant="orders",
    ),
    _case("normalize", lambda o, x: [o.normalize(x), o.normalize(x, axis=1, order=1)], _MATRIX),
)

_LINEAR = (
    *_plain("cholesky", _SQUARE, refusal=_LACKING),
    _case("cholesky_inverse", lambda o, x: o.cholesky_inverse(x), _SQUARE, refusal=_LACKING),
    *_plain("det slogdet logdet inv eig eigh qr pinv matrix_rank", _SQUARE, refusal=_LACKING),
    *_plain("lu_factor", _SQUARE, refusal=_UNTRACED),
    _case("svd", lambda o, x: o.svd(x), _SQUARE, refusal=_LACKING),
    _case("solve", lambda o, a, b: o.solve(a, b), _SQUARE, floats(3, 4, 2), refusal=_LACKING),
    _case(
        "solve_triangular",
        lambda o, a, b: o.solve_triangular(a, b, lower=True),
        _SQUARE,
        floats(3, 4, 2),
        refusal=_LACKING,
    ),
    _case("lstsq", lambda o, a, b: o.lstsq(a, b), _SQUARE[0], floats(4, 2), refusal=_LACKING, fixed=True),
)

_TRANSFORMED = (
    _case("fft", lambda o, x, y: o.fft((x, y)), floats(3, 8), floats(3, 8, seed=1)),
    _case("fft2", lambda o, x, y: o.fft2((x, y)), floats(3, 4, 8), floats(3, 4, 8, seed=1)),
    _case("ifft2", lambda o, x, y: o.ifft2((x, y)), floats(3, 4, 8), floats(3, 4, 8, seed=1)),
    _case("rfft", lambda o, x: [o.rfft(x), o.rfft(x, fft_length=6)], floats(3, 8)),
    _case("irfft", lambda o, x, y: o.irfft((x, y)), floats(3, 5), floats(3, 5, seed=1)),
    _case("stft", lambda o, x: o.stft(x, 8, 4, 8), floats(3, 24)),
    _case("istft", lambda o, x, y: o.istft((x, y), 8, 4, 8), floats(3, 6, 5), floats(3, 6, 5, seed=1)),
)

_PICTURE = pictures(3, 8, 8, 3)
_COLORS = (_PICTURE / 255).astype(np.float32)
_CORNERS = np.array([[[0, 0], [0, 7], [7, 0], [7, 7]]] * 3, np.float32)
_MOVED = _CORNERS + floats(3, 4, 2, seed=3)

_IMAGES = (
    _case(
        "image.affine_transform",
        lambda o, x, t: [
            o.image.affine_transform(x, t),
            o.image.affine_transform(x, t, interpolation="nearest", fill_mode="reflect"),
        ],
        _PICTURE,
        (
            np.array([1.1, 0.1, -1, -0.2, 0.9, 0.7, 0, 0]) + floats(3, 8) * [0.1, 0.1, 1, 0.1, 0.1, 1, 0, 0]
        ).astype(np.float32),
    ),
    _case(
        "image.crop_images",
        lambda o, x: o.image.crop_images(x, 1, 2, target_height=5, target_width=4),
        _PICTURE,
    ),
    _case(
        "image.pad_images",
        lambda o, x: o.image.pad_images(x, 1, 2, target_height=12, target_width=11),
        _PICTURE,
    ),
    _case(
        "image.elastic_transform",
        lambda o, x: o.image.elastic_transform(x, seed=1),
        _PICTURE,
        fixed=True,  # traced, Keras makes one picture of any number of them
    ),
    _case(
        "image.extract_patches",
        lambda o, x: [
            o.image.extract_patches(x, 3),
            o.image.extract_patches(x, (2, 3), strides=(1, 2), padding="same"),
        ],
        _PICTURE,
    ),
    _case(
        "image.extract_patches_3d",
        lambda o, x: [
            o.image.extract_patches_3d(x, 2),
            o.image.extract_patches_3d(x, (2, 3, 2), strides=(1, 2, 1), padding="same"),
        ],
        floats(3, 4, 5, 6, 2),
    ),
    _case(
        "image.gaussian_blur",
        lambda o, x: [o.image.gaussian_blur(x), o.image.gaussian_blur(x, (5, 3), (2.0, 0.5))],
        _PICTURE,
    ),
    _case("image.hsv_to_rgb", lambda o, x: o.image.hsv_to_rgb(x), _COLORS),
    _case("image.rgb_to_hsv", lambda o, x: o.image.rgb_to_hsv(x), _COLORS),
    _case("image.rgb_to_grayscale", lambda o, x: o.image.rgb_to_grayscale(x), _PICTURE),
    _case(
        "image.map_coordinates",
        lambda o, x, c: o.image.map_coordinates(x, c, 1),
        floats(3, 8, 8),
        floats(3, 8, 8, low=0, high=3),
        fixed=True,
    ),
    _case(
        "image.perspective_transform",
        lambda o, x, s, e: [
            o.image.perspective_transform(x, s, e),
            o.image.perspective_transform(x, s, e, interpolation="nearest"),
        ],
        _PICTURE,
        _CORNERS,
        _MOVED,
        refusal=_LACKING,
    ),
    _case(
        "image.resize",
        lambda o, x: [
            o.image.resize(x, (5, 11)),
            o.image.resize(x, (16, 4), interpolation="nearest"),
            o.image.resize(x, (5, 11), interpolation="bicubic", antialias=True),
        ],
        _PICTURE,
    ),
    _case(
        "image.resize",
        lambda o, x: [
            o.image.resize(x, (4, 6), crop_to_aspect_ratio=True),
            o.image.resize(x, (4, 6), pad_to_aspect_ratio=True),
        ],
        _PICTURE,
        variant="aspect ratios",
    ),
    _case(
        "image.scale_and_translate",
        lambda o, x: o.image.scale_and_translate(
            x,
            (3, 6, 5, 3),
            np.array([0.8, 0.6], np.float32),
            np.array([0.3, -0.2], np.float32),
            (1, 2),
            "linear",
        ),
        _PICTURE,
        fixed=True,
    ),
    _case("image.sobel_edges", lambda o, x: o.image.sobel_edges(x), _PICTURE),
    _case(
        "image.ssim",
        lambda o, x, y: o.image.ssim(x, y),
        pictures(3, 16, 16, 3) / np.float32(255),
        pictures(3, 16, 16, 3, seed=1) / np.float32(255),
    ),
    _case("psnr", lambda o, x, y: o.psnr(x, y, 1.0), _COLORS, _COLORS[:, ::-1].copy()),
)


def _crossentropies(name: str, labels: np.ndarray) -> Iterable[LayerCase]:
    def loss(ops: Any, t: Any, x: Any, logits: bool) -> Any:
        t = ops.squeeze(t, 1) if name.startswith("sparse") else t
        return _function(ops, name)(t, x, from_logits=logits)

    shares = floats(3, 4, low=0)
    shares[0, 1] = 0
    refusal = _LACKING if name.startswith("sparse") else None
    yield _case(name, lambda o, t, x: loss(o, t, x, False), labels, shares, refusal=refusal)
    yield _case(
        name, lambda o, t, x: loss(o, t, x, True), labels, mixed(3, 4), variant="logits", refusal=_LACKING
    )


_SERIES = floats(3, 9, 4)
_LABELS = ints(3, 4, high=5, low=1)

_NETWORKS = (
    _case("softmax", lambda o, x: [o.softmax(x), o.softmax(x, axis=1)], _MATRIX),
    _case("log_softmax", lambda o, x: [o.log_softmax(x), o.log_softmax(x, axis=1)], _MATRIX),
    _case("sparsemax", lambda o, x: o.sparsemax(x), _MATRIX),
    _case("glu", lambda o, x: [o.glu(x, axis=1)], _MATRIX),
    _case(
        "conv",
        lambda o, x: [
            o.conv(x, floats(3, 4, 5), padding="same"),
            o.conv(x, floats(3, 4, 5), strides=2),
            o.conv(x, floats(3, 4, 5), dilation_rate=2),
        ],
        _SERIES,
    ),
    _case(
        "conv",
        lambda o, x: o.conv(x, floats(3, 3, 3, 5), strides=(2, 1), padding="same"),
        _COLORS,
        variant="pictures",
    ),
    _case("depthwise_conv", lambda o, x: o.depthwise_conv(x, floats(3, 3, 3, 2), padding="same"), _COLORS),
    _case(
        "separable_conv", lambda o, x: o.separable_conv(x, floats(3, 3, 3, 2), floats(1, 1, 6, 4)), _COLORS
    ),
    _case(
        "conv_transpose",
        lambda o, x: o.conv_transpose(x, floats(3, 3, 2, 3), 2, "same", data_format="channels_last"),
        _COLORS,
        refusal=_UNTRACED,
    ),
    _case(
        "max_pool", lambda o, x: [o.max_pool(x, 2), o.max_pool(x, (3, 2), strides=1, padding="same")], _COLORS
    ),
    _case(
        "average_pool",
        lambda o, x: [o.average_pool(x, 2), o.average_pool(x, (3, 2), strides=1, padding="same")],
        _COLORS,
    ),
    _case("fold", lambda o, x: o.fold(x, (4, 6), 2, stride=2), floats(3, 8, 6)),
    _case("unfold", lambda o, x: o.unfold(x, 2, stride=2), floats(3, 2, 4, 6), fixed=True),
    _case(
        "batch_normalization",
        lambda o, x: o.batch_normalization(
            x, floats(5), floats(5, low=0.5), -1, floats(5, seed=1), floats(5, seed=2)
        ),
        _MATRIX,
    ),
    _case(
        "layer_normalization",
        lambda o, x: [
            o.layer_normalization(x),
            o.layer_normalization(x, floats(5), floats(5, seed=1), axis=-1),
        ],
        _MATRIX,
    ),
    _case(
        "rms_normalization", lambda o, x: [o.rms_normalization(x), o.rms_normalization(x, floats(5))], _MATRIX
    ),
    _case(
        "dot_product_attention",
        lambda o, q, k: [
            o.dot_product_attention(q, k, k),
            o.dot_product_attention(q, k, k, is_causal=True, scale=0.3),
        ],
        floats(3, 4, 2, 3),
        floats(3, 4, 2, 3, seed=1),
    ),
    _case(
        "binary_crossentropy",
        lambda o, t, x: [
            o.binary_crossentropy(t, o.sigmoid(x)),
            o.binary_crossentropy(t, x, from_logits=True),
        ],
        bools(3, 4).astype(np.float32),
        mixed(3, 4),
    ),
    *(
        case
        for name, labels in (
            ("categorical_crossentropy", np.eye(4, dtype=np.float32)[[0, 2, 3]]),
            ("sparse_categorical_crossentropy", np.array([[0], [2], [3]], np.int32)),
        )
        for case in _crossentropies(name, labels)
    ),
    _case(
        "ctc_loss",
        lambda o, t, x: o.ctc_loss(t, x, o.full_like(t[:, 0], 4), o.full_like(t[:, 0], 9)),
        _LABELS,
        floats(3, 9, 6),
        refusal=_LACKING,
    ),
    _case(
        "ctc_decode",
        lambda o, x: o.ctc_decode(x, o.full_like(o.cast(x[:, 0, 0], "int32"), 9)),
        floats(3, 9, 6),
        refusal=_LACKING,
    ),
)

CASES: tuple[LayerCase, ...] = (
    *_ELEMENTWISE,
    *_OF_TWO,
    *_REDUCED,
    *_SORTED,
    *_SHAPED,
    *_PRODUCTS,
    *_LINEAR,
    *_TRANSFORMED,
    *_IMAGES,
    *_NETWORKS,
)

_TAKES_CODE = "takes a Python function, which no file holds"
_NO_TENSOR = "makes a tensor of Python numbers alone"
_NO_OUTPUT = "tells what a tensor is while the model is made, and adds nothing to it"

#: Functions without a case, and why.
EXEMPT: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("associative_scan", "cond", "custom_gradient", "fori_loop", "jvp", "map", "scan", "switch"),
            *("vectorize", "vectorized_map", "while_loop"),
        ),
        _TAKES_CODE,
    ),
    **dict.fromkeys(
        (
            *("arange", "bartlett", "blackman", "empty", "eye", "full", "hamming", "hanning", "identity"),
            *("kaiser", "ones", "tri", "zeros"),
        ),
        _NO_TENSOR,
    ),
    **dict.fromkeys(
        ("adaptive_average_pool", "adaptive_max_pool"), "is saved, and Keras 3.15.1 cannot read it"
    ),
    **dict.fromkeys(("convert_to_numpy", "dtype", "is_tensor", "shape"), _NO_OUTPUT),
}


def uncovered_ops() -> list[str]:
    """Return the public functions of ``keras.ops`` that have neither a case nor a place in :data:`EXEMPT`.

    A function of several names counts once, under the first of ``NAME``, ``image.NAME`` and so on.
    """
    covered = {case.layer.removeprefix("ops.") for case in CASES} | set(EXEMPT)
    return sorted(set(_public().values()) - covered)


def _public() -> dict[int, str]:
    """Return the public functions of ``keras.ops`` by identity, each under its shortest name."""
    ops = keras().ops
    names: dict[int, str] = {}
    for module in ("", "image", "linalg", "nn", "numpy"):
        for name, thing in vars(getattr(ops, module) if module else ops).items():
            if inspect.isfunction(thing) and not name.startswith("_"):
                names.setdefault(id(thing), f"{module}.{name}" if module else name)
    return names
