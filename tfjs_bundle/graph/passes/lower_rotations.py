"""Roll has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import Value, arange, known
from tfjs_bundle.graph.passes.known_values import known_value
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_rotations(graph: GraphModel) -> GraphModel:
    """Rewrite Roll as a gather along each axis, whose size need not be known.

    Requires constant shifts and axes; leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        tensor = node.inputs[0]
        known_shapes = {} if emit.in_function else shapes
        shifts, axes = (known_value(each, by_name, known_shapes) for each in node.inputs[1:3])
        if shifts is None or axes is None:
            return False
        shape = known_shapes.get(tensor)
        dtype = str(node.attrs["T"]["type"])
        for shift, axis in zip(shifts.reshape(-1).tolist(), axes.reshape(-1).tolist(), strict=True):
            if shape is not None:
                axis %= len(shape)
            along = known(emit, np.int32(axis))
            if axis < 0:  # the rank is not known
                along = along + Value(emit, "int32", reference=emit.op("Rank", "rank", [tensor], T=dtype))
            size = None if shape is None else shape[axis]
            order = _order(tensor, along, size, shift, dtype, emit)
            tensor = emit.gather(tensor, order.tensor, along.tensor, "rolled", dtype)
        emit.last("Identity", [tensor], T=dtype)
        return True

    return replace_nodes(graph, "Roll", rewrite)


def _order(tensor: str, along: Value, size: int | None, shift: int, dtype: str, emit: Emitter) -> Value:
    """Return from where each element of an axis comes, as an int32 vector."""
    if size is not None:
        return known(emit, np.roll(np.arange(size, dtype=np.int32), shift))
    sizes = emit.op("Shape", "sizes", [tensor], T=dtype, out_type="DT_INT32")
    axis = known(emit, np.int32(0)).tensor
    count = Value(emit, "int32", reference=emit.gather(sizes, along.tensor, axis, "size", "DT_INT32"))
    places = arange(count) - shift
    return places - places // count * count
