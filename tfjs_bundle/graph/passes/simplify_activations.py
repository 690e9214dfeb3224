"""Activations that Keras, or a model, spells out, in as few ops as TF.js has for them.

An op is a pass over memory on a CPU and a dispatch on a graphics card: fewer are faster on every backend.
"""

from __future__ import annotations

import math

import numpy as np

from tfjs_bundle.graph.faults import repeats_slopes
from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.matching import Formulas, same
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

_NEAR = 1e-6


def simplify_activations(graph: GraphModel) -> GraphModel:
    """Rewrite formulas that are activations.

    - gelu: ``z * (1 + erf(z)) / sqrt(2)`` of ``z = x / sqrt(2)``, a factor that the layer before it takes in;
      with tanh ``x * sigmoid(...)``;
    - hard swish: a product of ``x / sqrt(6)`` and what is clipped of it, for the same reason;
    - LeakyRelu, Prelu and Elu for the maxima and sums that they are.

    Leaves swish, which is two ops in any case, what a part of a formula is used for besides, and minima and
    maxima that could be Relu, Relu6 or ClipByValue: on wasm these three make numbers of NaN.
    """
    for op, rewrite in _REWRITES:
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _gelu(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    find = Formulas(by_name)
    for number, x, other in find.products(node.name):
        bent = find.shifted(other)
        if bent is None:
            continue
        for form in (_exact_gelu, _gelu_by_tanh):
            if form(find, emit, x, number, bent):
                return True
    return False


def _exact_gelu(find: Formulas, emit: Emitter, x: str, number: float, bent: tuple[float, float, str]) -> bool:
    """Write ``number * x * (a + b * erf(k * x))`` in five ops."""
    a, b, inner = bent
    erf = find.made(inner, "Erf")
    if erf is None:
        return False
    k, argument = find.scaled(erf.inputs[0])
    if not same(argument, x) or k == 0 or b == 0:
        return False
    k, b = abs(k), math.copysign(b, b * k)
    z = _times(emit, x, k, "z")
    raised = _plus(emit, _float_op(emit, "Erf", [z], "erf"), a / b, "raised")
    _last_times(emit, _float_op(emit, "Mul", [z, raised], "bent"), number * b / k)
    return True


def _gelu_by_tanh(
    find: Formulas, emit: Emitter, x: str, number: float, bent: tuple[float, float, str]
) -> bool:
    """Write ``number * x * (a + a * tanh(q * (x + r * x ** 3)))`` by a sigmoid, (1 + tanh(x / 2)) / 2."""
    a, b, inner = bent
    tanh = find.made(inner, "Tanh")
    if tanh is None or abs(a - b) > _NEAR * abs(a):
        return False
    q, total = find.scaled(tanh.inputs[0])
    added = find.made(total, "AddV2")
    if added is None:
        return False
    for one, other in find.either(added):
        r, cube = find.scaled(other)
        if same(one, x) and _is_cube(find, cube, x):
            square = _float_op(emit, "Square", [x], "square")
            factor = _plus(emit, _times(emit, square, 2 * q * r, "scaled"), 2 * q, "shifted")
            gate = _float_op(emit, "Sigmoid", [_float_op(emit, "Mul", [x, factor], "argument")], "gate")
            if abs(2 * number * a - 1) <= _NEAR:
                emit.last("Mul", [x, gate], T="DT_FLOAT")
            else:
                _last_times(emit, _float_op(emit, "Mul", [x, gate], "bent"), 2 * number * a)
            return True
    return False


def _is_cube(find: Formulas, tensor: str, x: str) -> bool:
    power = find.made(tensor, "Pow")
    if power is not None:
        return same(power.inputs[0], x) and find.number(power.inputs[1]) == 3
    return any(
        number == 1 and same(one, x) and _is_square(find, other, x)
        for number, one, other in find.products(tensor)
    )


def _is_square(find: Formulas, tensor: str, x: str) -> bool:
    square = find.made(tensor, "Square")
    if square:
        return same(square.inputs[0], x)
    return any(number == 1 and same(one, other, x) for number, one, other in find.products(tensor))


def _hard_swish(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    """Write ``number * x * relu6(a + b * x)`` as z * clip(z + a * k, 0, 6 k) of z = b * k * x."""
    find = Formulas(by_name)
    for number, x, other in find.products(node.name):
        relu6 = find.made(other, "Relu6")
        bent = find.shifted(relu6.inputs[0]) if relu6 else None
        if (
            bent is None
            or not same(bent[2], x)
            or bent[1] == 0
            or number in (1, bent[1])
            or number / bent[1] <= 0
        ):
            continue
        k = math.sqrt(number / bent[1])
        z = _times(emit, x, bent[1] * k, "z")
        bounds = [emit.const(np.float32(bound), hint) for bound, hint in ((0, "low"), (6 * k, "high"))]
        clipped = _float_op(emit, "ClipByValue", [_plus(emit, z, bent[0] * k, "shifted"), *bounds], "clipped")
        emit.last("Mul", [z, clipped], T="DT_FLOAT")
        return True
    return False


def _maximum(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    find = Formulas(by_name)
    if find.made(node.name, "Maximum") is None:
        return False
    for x, other in find.either(node):
        slope, argument = find.scaled(other)
        if same(argument, x) and 0 < slope < 1:
            _last_leaky(emit, x, slope)
            return True
    return False


def _sum(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    """Prelu is relu(x) - a * relu(-x), Elu is relu(x) + expm1(min(x, 0))."""
    find = Formulas(by_name)
    if find.made(node.name, "AddV2", "Sub") is None:
        return False
    for index, (one, other) in enumerate(find.either(node)):
        relu = find.made(one, "Relu")
        if relu is None or (node.op == "Sub" and index):
            continue
        x = relu.inputs[0]
        grown = find.made(other, "Expm1")
        below = find.made(grown.inputs[0], "Minimum") if grown and node.op == "AddV2" else None
        if below and any(same(y, x) and find.number(zero) == 0 for y, zero in find.either(below)):
            emit.last("Elu", [x], T="DT_FLOAT")
            return True
        product = find.made(other, "Mul")
        for slopes, part in find.either(product) if product else ():
            value, negative = find.value(slopes), find.made(part, "Relu")
            if value is None or negative is None or not _is_negative(find, negative.inputs[0], x):
                continue
            if not repeats_slopes(value.shape):
                return False
            _last_prelu(emit, x, -value if node.op == "AddV2" else value)
            return True
    return False


def _is_negative(find: Formulas, tensor: str, x: str) -> bool:
    factor, argument = find.scaled(tensor)
    return factor == -1 and same(argument, x)


def _last_prelu(emit: Emitter, x: str, slopes: np.ndarray) -> None:
    if slopes.ndim == 0:
        _last_leaky(emit, x, float(slopes))
    else:
        emit.last("Prelu", [x, emit.const(slopes, "slopes")], T="DT_FLOAT")


def _last_leaky(emit: Emitter, x: str, slope: float) -> None:
    emit.put("LeakyRelu", [x], {"T": {"type": "DT_FLOAT"}, "alpha": {"f": slope}})


def _float_op(emit: Emitter, op: str, inputs: list[str], hint: str) -> str:
    return emit.op(op, hint, inputs, T="DT_FLOAT")


def _times(emit: Emitter, x: str, number: float, hint: str) -> str:
    return _float_op(emit, "Mul", [x, emit.const(np.float32(number), f"{hint}_factor")], hint)


def _plus(emit: Emitter, x: str, number: float, hint: str) -> str:
    return _float_op(emit, "AddV2", [x, emit.const(np.float32(number), f"{hint}_by")], hint)


def _last_times(emit: Emitter, x: str, number: float) -> None:
    emit.last("Mul", [x, emit.const(np.float32(number), "factor")], T="DT_FLOAT")


_REWRITES = (
    ("Maximum", _maximum),
    ("AddV2", _sum),
    ("Sub", _sum),
    ("Mul", _gelu),
    ("Mul", _hard_swish),
)
