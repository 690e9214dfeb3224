"""DenseBincount, which multi-hot and count encodings come down to: webgpu's kernel is wrong."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_dense_bincount(graph: GraphModel) -> GraphModel:
    """Rewrite DenseBincount as comparisons with 0, 1, ..., size - 1, summed.

    Requires a size that is a constant, or that is clamped between two bounds that meet: Keras computes it
    from the largest value, and keeps it between the number of tokens and itself. Leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        constant = by_name.get(node_name(node.inputs[1]))
        given = None if constant is None or constant.value is None else int(constant.value.reshape(-1)[0])
        size = _clamped(node.inputs[1], by_name) if given is None else given
        weights = by_name.get(node_name(node.inputs[2]))
        unweighted = (weights is not None and weights.value is not None and weights.value.size == 0) or (
            not emit.in_function and shapes.get(node.inputs[2]) == (0,)
        )
        if size is None:
            return False
        dtype, index = str(node.attrs["T"]["type"]), str(node.attrs.get("Tidx", {}).get("type", "DT_INT32"))
        above = emit.const(np.int32(-2), "above")
        row = emit.op("ExpandDims", "row", [node.inputs[0], above], T=index, Tdim="DT_INT32")
        numbers = emit.const(np.arange(size, dtype=np.int32).reshape(-1, 1), "numbers")
        hits = emit.op("Equal", "hits", [row, numbers], T=index)
        counted = emit.op("Cast", "counted", [hits], SrcT="DT_BOOL", DstT=dtype)
        binary = bool(node.attrs.get("binary_output", {}).get("b"))
        if not unweighted and not binary:
            each = emit.op("ExpandDims", "weights", [node.inputs[2], above], T=dtype, Tdim="DT_INT32")
            counted = emit.op("Mul", "weighted", [counted, each], T=dtype)
        axes = emit.const(np.array([-1], np.int32), "axes")
        op = "Max" if binary else "Sum"
        emit.last(op, [counted, axes], T=dtype, Tidx="DT_INT32", keep_dims=False)
        return True

    return replace_nodes(graph, "DenseBincount", rewrite)


def _clamped(tensor: str, by_name: dict[str, Node]) -> int | None:
    """Return the value of ``Minimum(high, Maximum(low, x))`` where ``low`` is not below ``high``."""
    minimum = by_name.get(node_name(tensor))
    if minimum is None or minimum.op != "Minimum":
        return None
    high, inner = _bound(minimum, by_name)
    maximum = by_name.get(node_name(inner)) if inner else None
    if high is None or maximum is None or maximum.op != "Maximum":
        return None
    low, _ = _bound(maximum, by_name)
    return high if low is not None and low >= high else None


def _bound(node: Node, by_name: dict[str, Node]) -> tuple[int | None, str]:
    """Return the constant operand's value and the other operand."""
    for own, other in ((0, 1), (1, 0)):
        constant = by_name.get(node_name(node.inputs[own]))
        if constant is not None and constant.value is not None and constant.value.size == 1:
            return int(constant.value.reshape(-1)[0]), node.inputs[other]
    return None, ""
