"""Prod: TF.js's webgpu kernel drops the axes that keep_dims keeps, and wasm's makes any number of none."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import known, pack, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, constant, replace_nodes

_NUMPY = {"DT_FLOAT": np.float32, "DT_INT32": np.int32}


def lower_products(graph: GraphModel) -> GraphModel:
    """Reshape the result of Prod with keep_dims to the axes that it keeps; the product of nothing is 1.

    Requires a rank that the tracer knows, above 1 (on one axis webgpu computes sizes on the CPU, rightly);
    leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        own, result = (None if emit.in_function else shapes.get(each) for each in (node.inputs[0], node.name))
        if own is not None and 0 in own and result == ():
            emit.nodes.append(constant(node.name, np.ones((), _NUMPY[str(node.attrs["T"]["type"])])))
            return True
        if not node.attrs.get("keep_dims", {}).get("b") or own is None or result is None or len(own) < 2:
            return False
        dtype = str(node.attrs["T"]["type"])
        product = emit.node(Node("product", "Prod", node.inputs, {**node.attrs, "keep_dims": {"b": False}}))
        of_input = sizes(node.inputs[0], own, dtype, emit)
        kept = [
            of_input[axis] if size is None else known(emit, np.int32(size))
            for axis, size in enumerate(result)
        ]
        emit.last("Reshape", [product, pack(kept, emit)], T=dtype, Tshape="DT_INT32")
        return True

    return replace_nodes(graph, "Prod", rewrite)
