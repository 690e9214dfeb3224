"""ArgMax and ArgMin of a vector: TF.js's webgpu kernel gives a vector of one for the scalar."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_arg_extremes(graph: GraphModel) -> GraphModel:
    """Reshape the result of ArgMax and ArgMin of a vector, as the tracer knows it, to a scalar."""
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        if emit.in_function or shapes.get(node.name) != ():
            return False
        place = emit.node(Node("place", node.op, node.inputs, dict(node.attrs)))
        dtype = str(node.attrs.get("output_type", {}).get("type", "DT_INT64"))
        scalar = emit.const(np.zeros(0, np.int32), "scalar")
        emit.last("Reshape", [place, scalar], T=dtype, Tshape="DT_INT32")
        return True

    for op in ("ArgMax", "ArgMin"):
        graph = replace_nodes(graph, op, rewrite)
    return graph
