"""Small functions of numbers that some backend of TF.js lacks, or gets wrong for numbers that occur."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

_Rewrite = Callable[[Node, Emitter, dict[str, Node]], bool]

#: The largest exponent of an integer that is written as products.
_LARGEST_EXPONENT = 8


def lower_arithmetic(graph: GraphModel) -> GraphModel:
    """Rewrite Sign, FloorDiv of floats, Pow of integers, Log1p, Rint, Inv, Xlogy, Xdivy, MulNoNan,
    TruncateDiv, TruncateMod and Mod, each for the reason that stands at its function.

    Leaves no Rint, Inv, Xlogy, Xdivy, MulNoNan, TruncateDiv, TruncateMod or Mod.
    """
    for op, rewrite in _REWRITES.items():
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _type(node: Node) -> str:
    return str(node.attrs["T"]["type"])


def _sign(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    """wasm's Sign of what is close to 0 is 0, and others' of NaN."""
    if _type(node) != "DT_FLOAT":
        return False
    x, zero = node.inputs[0], emit.const(np.float32(0), "zero")
    signs = []
    for op in ("Greater", "Less"):
        test = emit.op(op, op.lower(), [x, zero], T="DT_FLOAT")
        signs.append(emit.op("Cast", f"is_{op.lower()}", [test], SrcT="DT_BOOL", DstT="DT_FLOAT"))
    sign = emit.op("Sub", "sign", signs, T="DT_FLOAT")
    emit.last("SelectV2", [emit.op("IsNan", "is_nan", [x], T="DT_FLOAT"), x, sign], T="DT_FLOAT")
    return True


def _floor_divide(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    """FloorDiv gives int32 whatever it is given, which saturates."""
    if _type(node) != "DT_FLOAT":
        return False
    emit.last("Floor", [emit.op("RealDiv", "quotient", node.inputs[:2], T="DT_FLOAT")], T="DT_FLOAT")
    return True


def _power(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    """Pow of integers cuts off what the GPU's logarithm makes of it: 10 to the power 2 is 99 on webgpu."""
    if _type(node) == "DT_FLOAT":
        return False
    exponent = by_name.get(node_name(node.inputs[1]))
    if exponent is not None and exponent.value is not None and exponent.value.size == 1:
        times = int(exponent.value.reshape(-1)[0])
        if 1 <= times <= _LARGEST_EXPONENT and exponent.value.ndim == 0:
            product = node.inputs[0]
            for count in range(times - 1):
                product = emit.op("Mul", f"power_{count + 2}", [product, node.inputs[0]], T=_type(node))
            emit.last("Identity", [product], T=_type(node))
            return True
    floats = [
        emit.op("Cast", f"float_{index}", [tensor], SrcT=_type(node), DstT="DT_FLOAT")
        for index, tensor in enumerate(node.inputs[:2])
    ]
    rounded = emit.op("Round", "round", [emit.op("Pow", "power", floats, T="DT_FLOAT")], T="DT_FLOAT")
    emit.last("Cast", [rounded], SrcT="DT_FLOAT", DstT=_type(node))
    return True


def _log1p(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    """GPUs' Log1p of -1 and below is a number; their Log of 0 and below is not."""
    x, one = node.inputs[0], emit.const(np.float32(1), "one")
    outside = emit.op("LessEqual", "outside", [x, emit.const(np.float32(-1), "minus_one")], T="DT_FLOAT")
    there = emit.op("Log", "there", [emit.op("AddV2", "plus_one", [x, one], T="DT_FLOAT")], T="DT_FLOAT")
    within = emit.op("Log1p", "within", [x], T="DT_FLOAT")
    emit.last("SelectV2", [outside, there, within], T="DT_FLOAT")
    return True


def _renamed(op: str) -> _Rewrite:
    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        emit.last(op, node.inputs[:1], T=_type(node))
        return True

    return rewrite


def _zero_where_zero(op: str, zero: int) -> _Rewrite:
    """Return 0 wherever the operand number ``zero`` is 0, whatever the other is, and ``op`` elsewhere."""

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        x, y = node.inputs[:2]
        none = emit.const(np.float32(0), "zero")
        is_zero = emit.op("Equal", "is_zero", [node.inputs[zero], none], T="DT_FLOAT")
        if op == "Log":
            result = emit.op("Mul", "product", [x, emit.op("Log", "log", [y], T="DT_FLOAT")], T="DT_FLOAT")
        else:
            result = emit.op(op, "result", [x, y], T="DT_FLOAT")
        emit.last("SelectV2", [is_zero, none, result], T="DT_FLOAT")
        return True

    return rewrite


def _truncated(remainder: bool) -> _Rewrite:
    """Divide magnitudes, and give the quotient both signs and the remainder that of the dividend."""

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        dtype = _type(node)
        x, y = node.inputs[:2]
        magnitudes = [
            emit.op("Abs", f"magnitude_{index}", [each], T=dtype) for index, each in enumerate((x, y))
        ]
        result = emit.op("FloorMod" if remainder else "FloorDiv", "result", magnitudes, T=dtype)
        zero = emit.const(np.float32(0) if dtype == "DT_FLOAT" else np.int32(0), "zero")
        negative = emit.op("Less", "negative", [x, zero], T=dtype)
        if not remainder:
            other = emit.op("Less", "other", [y, zero], T=dtype)
            negative = emit.op("NotEqual", "one_negative", [negative, other], T="DT_BOOL")
        emit.last("SelectV2", [negative, emit.op("Neg", "minus", [result], T=dtype), result], T=dtype)
        return True

    return rewrite


_REWRITES: dict[str, _Rewrite] = {
    "Sign": _sign,
    "TruncateDiv": _truncated(remainder=False),
    "TruncateMod": _truncated(remainder=True),
    "Mod": _truncated(remainder=True),
    "FloorDiv": _floor_divide,
    "Rint": _renamed("Round"),
    "Inv": _renamed("Reciprocal"),
    "Pow": _power,
    "Log1p": _log1p,
    "Xlogy": _zero_where_zero("Log", 0),
    "Xdivy": _zero_where_zero("RealDiv", 0),
    "MulNoNan": _zero_where_zero("Mul", 1),
}
