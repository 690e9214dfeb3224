"""TF.js has no BatchMatMulV3, the product of integers to which Keras's ``quantize("int8")`` comes."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: The largest absolute value of each integer dtype that is small enough for products in float32.
_LARGEST = {"DT_INT8": 128, "DT_UINT8": 255, "DT_INT4": 8}

#: float32 has every integer up to here.
_EXACT = 2**24


def lower_quantized_matmul(graph: GraphModel) -> GraphModel:
    """Rewrite a BatchMatMulV3 of small integers as float32 products of the same value.

    Each product sums so few terms that every partial sum is an integer float32 has; where the whole
    needs more, it is split along the summed axis, and the parts are added in float32, whose rounding is
    that of the cast to float which follows in Keras's layers. Requires that the second operand is a constant,
    or that the length of the summed axis is known and short enough. Leaves other BatchMatMulV3 as they are.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        types = [str(node.attrs[name]["type"]) for name in ("Ta", "Tb")]
        if any(each not in _LARGEST for each in types) or node.attrs["Tout"]["type"] != "DT_INT32":
            return False
        flags = {name: bool(node.attrs.get(name, {}).get("b", False)) for name in ("adj_x", "adj_y")}
        left, right = node.inputs
        constant = by_name[node_name(right)].value if node_name(right) in by_name else None
        bounds = _bounds(constant, flags["adj_y"], types)
        if bounds is None:
            shape = None if emit.in_function else graph.shapes.get(left.removesuffix(":0"))
            length = shape[-2 if flags["adj_x"] else -1] if shape else None
            if length is None or length * _LARGEST[types[0]] * _LARGEST[types[1]] > _EXACT:
                return False
            bounds = []
        left = emit.op("Cast", "left", [left], SrcT=types[0], DstT="DT_FLOAT", Truncate=False)
        if constant is None:
            right = emit.op("Cast", "right", [right], SrcT=types[1], DstT="DT_FLOAT", Truncate=False)
            product = emit.op("BatchMatMulV2", "product", [left, right], T="DT_FLOAT", **flags)
        else:
            product = _product(left, constant.astype(np.float32), _parts(bounds), flags, emit)
        emit.last("Cast", [product], SrcT="DT_FLOAT", DstT="DT_INT32", Truncate=False)
        return True

    return replace_nodes(graph, "BatchMatMulV3", rewrite)


def _bounds(constant: np.ndarray | None, transposed: bool, types: list[str]) -> list[int] | None:
    """Return for each place of the summed axis the largest absolute value of its term."""
    if constant is None or constant.ndim < 2:
        return None
    sizes = np.abs(constant.astype(np.int64))
    axis = constant.ndim - (1 if transposed else 2)
    return list(_LARGEST[types[0]] * sizes.max(axis=tuple(i for i in range(constant.ndim) if i != axis)))


def _parts(bounds: list[int]) -> list[int]:
    """Return the lengths of the parts whose sums stay exact."""
    parts, total = [0], 0
    for bound in bounds:
        if total + bound > _EXACT:
            parts.append(0)
            total = 0
        parts[-1] += 1
        total += bound
    return parts


def _product(left: str, right: np.ndarray, parts: list[int], flags: dict[str, bool], emit: Emitter) -> str:
    if len(parts) == 1:
        return emit.op("BatchMatMulV2", "product", [left, emit.const(right, "kernel")], T="DT_FLOAT", **flags)
    axis = right.ndim - (1 if flags["adj_y"] else 2)
    total, start = "", 0
    for index, length in enumerate(parts):
        piece = _slice(left, start, start + length, 1 if flags["adj_x"] else 0, index, emit)
        kernel = np.ascontiguousarray(np.take(right, range(start, start + length), axis))
        part = emit.op(
            "BatchMatMulV2",
            f"product_{index}",
            [piece, emit.const(kernel, f"kernel_{index}")],
            T="DT_FLOAT",
            **flags,
        )
        total = emit.op("AddV2", f"sum_{index}", [total, part], T="DT_FLOAT") if total else part
        start += length
    return total


def _slice(tensor: str, start: int, end: int, after: int, index: int, emit: Emitter) -> str:
    """Return ``tensor[..., start:end]``, with ``after`` whole axes behind."""
    whole = [0] * after
    return emit.op(
        "StridedSlice",
        f"piece_{index}",
        [
            tensor,
            emit.const(np.array([0, start, *whole], np.int32), f"begin_{index}"),
            emit.const(np.array([0, end, *whole], np.int32), f"end_{index}"),
            emit.const(np.array([1, 1, *(1 for _ in whole)], np.int32), f"strides_{index}"),
        ],
        T="DT_FLOAT",
        Index="DT_INT32",
        begin_mask=4 * after,
        end_mask=4 * after,
        ellipsis_mask=1,
        new_axis_mask=0,
        shrink_axis_mask=0,
    )
