"""EnsureShape only checks; TF.js looks for its shape among the inputs, where it is not, and throws."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def drop_ensure_shape(graph: GraphModel) -> GraphModel:
    """Rewrite EnsureShape as Identity. Leaves no EnsureShape."""

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        emit.last("Identity", node.inputs, T=str(node.attrs["T"]["type"]))
        return True

    return replace_nodes(graph, "EnsureShape", rewrite)
