"""Softsign has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_softsign(graph: GraphModel) -> GraphModel:
    """Rewrite ``Softsign(x)`` as ``x / (1 + |x|)``. Leaves no Softsign."""

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        x = node.inputs[0]
        magnitude = emit.op("Abs", "abs", [x], T="DT_FLOAT")
        one = emit.const(np.float32(1), "one")
        emit.last("RealDiv", [x, emit.op("AddV2", "add", [one, magnitude], T="DT_FLOAT")], T="DT_FLOAT")
        return True

    return replace_nodes(graph, "Softsign", rewrite)
