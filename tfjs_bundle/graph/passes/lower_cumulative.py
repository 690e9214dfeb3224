"""Cumsum and Cumprod: with a negative axis TF.js gives a broken tensor, which crashes wasm; webgpu's do not
know integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_cumulative(graph: GraphModel) -> GraphModel:
    """Count the axis of Cumsum and Cumprod from the front, and compute those of integers in float32.

    Sums of integers are exact up to 2^24.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        tensor, axis = node.inputs[:2]
        dtype = str(node.attrs["T"]["type"])
        constant = by_name.get(node_name(axis))
        number = 0 if constant is None or constant.value is None else int(constant.value)
        if number >= 0 and dtype == "DT_FLOAT":
            return False
        shape = None if emit.in_function else shapes.get(tensor)
        if number < 0:
            if shape is not None:
                axis = emit.const(np.int32(number + len(shape)), "axis")
            else:
                rank = emit.op("Rank", "rank", [tensor], T=dtype)
                axis = emit.op(
                    "AddV2", "axis", [rank, emit.const(np.int32(number), "from_the_end")], T="DT_INT32"
                )
        attrs: dict[str, Any] = {**node.attrs, "Tidx": {"type": "DT_INT32"}, "T": {"type": "DT_FLOAT"}}
        if dtype == "DT_FLOAT":
            emit.nodes.append(Node(node.name, node.op, [tensor, axis], attrs))
            return True
        numbers = emit.op("Cast", "float", [tensor], SrcT=dtype, DstT="DT_FLOAT")
        result = emit.node(Node("accumulated", node.op, [numbers, axis], attrs))
        emit.last("Cast", [result], SrcT="DT_FLOAT", DstT=dtype)
        return True

    for op in ("Cumsum", "Cumprod"):
        graph = replace_nodes(graph, op, rewrite)
    return graph
