"""AddN, which TensorFlow's optimizer makes of sums, stands between a convolution and its bias."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

_LAYERS = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv3D", "Conv2DBackpropInput")


def split_add_n(graph: GraphModel) -> GraphModel:
    """Rewrite AddN as sums of two, a layer's result and the constants first. Leaves no AddN of floats."""

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        dtype = str(node.attrs.get("T", {}).get("type", "DT_FLOAT"))
        if len(node.inputs) < 2 or dtype != "DT_FLOAT" or any(each.startswith("^") for each in node.inputs):
            return False

        def rank(tensor: str) -> int:
            producer = by_name.get(node_name(tensor))
            if producer is not None and producer.value is not None:
                return 1
            return 0 if producer is not None and producer.op in _LAYERS else 2

        first, *others, last = sorted(node.inputs, key=rank)
        for other in others:
            first = emit.op("AddV2", "sum", [first, other], T=dtype)
        emit.last("AddV2", [first, last], T=dtype)
        return True

    return replace_nodes(graph, "AddN", rewrite)
