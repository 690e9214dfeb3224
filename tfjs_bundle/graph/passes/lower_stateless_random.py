"""Random numbers from a seed that Keras keeps: TF.js has ops that draw from a seed of their own only."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

_STATEFUL = {
    "StatelessRandomNormalV2": "RandomStandardNormal",
    "StatelessRandomUniformV2": "RandomUniform",
    "StatelessTruncatedNormalV2": "TruncatedNormal",
}


def lower_stateless_random(graph: GraphModel) -> GraphModel:
    """Rewrite the draws of keras.random so that TF.js draws anew: other numbers, the same distribution.

    Only a model that may be random at all (``--allow-random``) has them.
    """
    for stateless, stateful in _STATEFUL.items():

        def rewrite(node: Node, emit: Emitter, _: dict[str, Node], op: str = stateful) -> bool:
            shape = str(node.attrs.get("Tshape", {}).get("type", "DT_INT32"))
            emit.last(op, node.inputs[:1], dtype="DT_FLOAT", T=shape, seed=0, seed2=0)
            return True

        graph = replace_nodes(graph, stateless, rewrite)
    return graph
