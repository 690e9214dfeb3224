"""Cross has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_cross_products(graph: GraphModel) -> GraphModel:
    """Rewrite Cross, of tensors whose last axis has size 3, by gathers and products. Leaves no Cross."""

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        dtype = str(node.attrs["T"]["type"])
        x, y = node.inputs[:2]
        axis = emit.const(np.int32(-1), "last_axis")
        next_one, next_but_one = (
            emit.const(np.array(order, np.int32), "order") for order in ((1, 2, 0), (2, 0, 1))
        )

        def product(first: str, second: str) -> str:
            factors = [
                emit.gather(tensor, order, axis, "components", dtype)
                for tensor, order in ((x, first), (y, second))
            ]
            return emit.op("Mul", "product", factors, T=dtype)

        emit.last("Sub", [product(next_one, next_but_one), product(next_but_one, next_one)], T=dtype)
        return True

    return replace_nodes(graph, "Cross", rewrite)
