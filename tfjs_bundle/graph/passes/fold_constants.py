"""What depends on nothing but weights is computed while building.

TensorFlow has folded the trace's own constants; what is left was made of large weights, which are attached
after it, and by lowering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfjs_bundle.graph.dtypes import proto_to_numpy
from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.bodies import Body, is_first, rewrite_bodies
from tfjs_bundle.graph.passes.known_values import ELEMENTWISE
from tfjs_bundle.graph.passes.rewriting import constant

#: Bytes that a constant may have though nothing is saved by it.
_SMALL = 4096

_DTYPES = ("DT_FLOAT", "DT_INT32", "DT_BOOL")


def fold_constants(graph: GraphModel) -> GraphModel:
    """Compute nodes whose inputs are all constants, as TensorFlow would in the node's own dtype.

    A constant that takes more bytes than those that it makes superfluous is left to the model, as are nodes
    that are known from outside: a loop in TF.js disposes of what its body returns.
    """
    return rewrite_bodies(graph, _folded)


def _folded(body: Body) -> list[Node]:
    uses = body.uses()
    values = {node.name: np.asarray(node.value) for node in body.nodes if node.value is not None}

    def folded(node: Node) -> Node:
        compute = _OPS.get(node.op)
        if compute is None or not node.inputs or node.name in body.kept or not _plain(node):
            return node
        if not all(is_first(tensor) and node_name(tensor) in values for tensor in node.inputs):
            return node
        names = [node_name(tensor) for tensor in node.inputs]
        freed = sum(values[name].nbytes for name in set(names) if uses[name] == names.count(name))
        with np.errstate(all="ignore"):
            value = compute(node.attrs, max(freed, _SMALL), *(values[name] for name in names))
        if value is None or value.nbytes > max(freed, _SMALL):
            return node
        for name in names:
            uses[name] -= 1
        values[node.name] = value
        return constant(node.name, np.ascontiguousarray(value).reshape(value.shape))

    return [folded(node) for node in body.nodes]


def _plain(node: Node) -> bool:
    """Say whether all of a node's dtypes are TF.js's, so that a constant of numpy's dtype fits."""
    return all(attr["type"] in _DTYPES for attr in node.attrs.values() if "type" in attr)


def _number(attrs: Mapping[str, Any], name: str, default: int = 0) -> int:
    return int(attrs.get(name, {}).get("i", default))


def _reduced(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def reduced(attrs: Mapping[str, Any], _: int, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
        axis = tuple(int(each) for each in axes.reshape(-1))
        keep = bool(attrs.get("keep_dims", {}).get("b", False))
        return np.asarray(function(x, axis=axis, keepdims=keep)).astype(x.dtype)

    return reduced


def _elementwise(function: Callable[..., Any]) -> Callable[..., np.ndarray | None]:
    def computed(_: Mapping[str, Any], limit: int, *values: np.ndarray) -> np.ndarray | None:
        shape = np.broadcast_shapes(*(value.shape for value in values))
        if np.prod(shape, dtype=np.int64) > limit:
            return None
        result = np.asarray(function(*values))
        return result if result.dtype == bool else result.astype(values[-1].dtype, copy=False)

    return computed


def _cast(attrs: Mapping[str, Any], _: int, x: np.ndarray) -> np.ndarray | None:
    into = proto_to_numpy(str(attrs["DstT"]["type"]))
    if x.dtype.kind == "f" and np.dtype(into).kind == "i" and not np.isfinite(x).all():
        return None
    return x.astype(into)


def _squeeze(attrs: Mapping[str, Any], _: int, x: np.ndarray) -> np.ndarray:
    axes = [int(each) for each in attrs.get("squeeze_dims", {}).get("list", {}).get("i", [])]
    return x.squeeze(tuple(axes)) if axes else x.squeeze()


def _sliced(attrs: Mapping[str, Any], _: int, x: np.ndarray, *bounds: np.ndarray) -> np.ndarray | None:
    if _number(attrs, "ellipsis_mask") or _number(attrs, "new_axis_mask"):
        return None
    index: list[int | slice] = []
    for axis, (begin, end, stride) in enumerate(zip(*(each.tolist() for each in bounds), strict=True)):
        if _number(attrs, "shrink_axis_mask") >> axis & 1:
            index.append(begin)
            continue
        skipped = (_number(attrs, f"{name}_mask") >> axis & 1 for name in ("begin", "end"))
        begin, end = (None if skip else at for skip, at in zip(skipped, (begin, end), strict=True))
        index.append(slice(begin, end, stride))
    return np.asarray(x[tuple(index)])


def _slice(_: Mapping[str, Any], __: int, x: np.ndarray, begin: np.ndarray, size: np.ndarray) -> np.ndarray:
    ends = [
        None if count < 0 else at + count for at, count in zip(begin.tolist(), size.tolist(), strict=True)
    ]
    return x[tuple(slice(at, end) for at, end in zip(begin.tolist(), ends, strict=True))]


def _gathered(
    attrs: Mapping[str, Any], limit: int, x: np.ndarray, indices: np.ndarray, axis: np.ndarray
) -> np.ndarray | None:
    along = int(axis)
    if _number(attrs, "batch_dims") or not (indices < x.shape[along]).all() or not (indices >= 0).all():
        return None
    if indices.size * (x.size // max(x.shape[along], 1)) > limit:
        return None
    return np.take(x, indices, along)


def _filled(_: Mapping[str, Any], limit: int, dims: np.ndarray, value: np.ndarray) -> np.ndarray | None:
    return np.full(dims.tolist(), value) if np.prod(dims, dtype=np.int64) <= limit else None


def _tiled(_: Mapping[str, Any], limit: int, x: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    return np.tile(x, times.tolist()) if x.size * np.prod(times, dtype=np.int64) <= limit else None


def _broadcast(_: Mapping[str, Any], limit: int, x: np.ndarray, dims: np.ndarray) -> np.ndarray | None:
    return np.broadcast_to(x, dims.tolist()) if np.prod(dims, dtype=np.int64) <= limit else None


def _padded(_: Mapping[str, Any], __: int, x: np.ndarray, margins: np.ndarray) -> np.ndarray:
    return np.pad(x, margins.tolist())


def _multiplied(attrs: Mapping[str, Any], _: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    flip = [attrs.get(name, {}).get("b", False) for name in ("transpose_a", "transpose_b")]
    return (a.T if flip[0] else a) @ (b.T if flip[1] else b)


_Compute = Callable[..., "np.ndarray | None"]

#: Ops that give in numpy what they give in TensorFlow, or differ from it by a rounding.
_OPS: dict[str, _Compute] = {
    **{name: _elementwise(function) for name, function in ELEMENTWISE.items() if name != "FloorDiv"},
    "Neg": _elementwise(np.negative),
    "Abs": _elementwise(np.abs),
    "Square": _elementwise(np.square),
    "Sqrt": _elementwise(np.sqrt),
    "Rsqrt": _elementwise(lambda x: 1 / np.sqrt(x)),
    "Reciprocal": _elementwise(lambda x: 1 / x),
    "Exp": _elementwise(np.exp),
    "Tanh": _elementwise(np.tanh),
    "Sin": _elementwise(np.sin),
    "Cos": _elementwise(np.cos),
    "Floor": _elementwise(np.floor),
    "Ceil": _elementwise(np.ceil),
    "SelectV2": _elementwise(np.where),
    "Identity": lambda _, __, x: x,
    "StopGradient": lambda _, __, x: x,
    "Cast": _cast,
    "Shape": lambda _, __, x: np.array(x.shape, np.int32),
    "Reshape": lambda _, __, x, dims: x.reshape(dims.tolist()),
    "ExpandDims": lambda _, __, x, axis: np.expand_dims(x, int(axis.reshape(-1)[0])),
    "Squeeze": _squeeze,
    "Transpose": lambda _, __, x, order: x.transpose(order.tolist()),
    "ConcatV2": lambda _, __, *values: np.concatenate(values[:-1], int(values[-1])),
    "Pack": lambda attrs, _, *values: np.stack(values, _number(attrs, "axis")),
    "StridedSlice": _sliced,
    "Slice": _slice,
    "GatherV2": _gathered,
    "Fill": _filled,
    "Tile": _tiled,
    "BroadcastTo": _broadcast,
    "Pad": _padded,
    "MatMul": _multiplied,
    "Sum": _reduced(np.sum),
    "Mean": _reduced(np.mean),
    "Max": _reduced(np.max),
    "Min": _reduced(np.min),
    "Prod": _reduced(np.prod),
}
