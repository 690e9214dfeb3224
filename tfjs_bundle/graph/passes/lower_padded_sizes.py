"""PadV2 of sizes: webgpu pads on the graphics card, from where the sizes are read as 0."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.known_values import known_value
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_padded_sizes(graph: GraphModel) -> GraphModel:
    """Rewrite PadV2 of int32 vectors as ConcatV2, which every backend computes where it computes sizes.

    Requires constant paddings and a constant value; leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        paddings, value = (known_value(each, by_name, shapes) for each in node.inputs[1:3])
        if paddings is None or value is None or paddings.shape != (1, 2):
            return False
        if str(node.attrs["T"]["type"]) != "DT_INT32":
            return False
        before, after = (np.full(int(count), value, np.int32) for count in paddings[0])
        parts = [emit.const(before, "before"), node.inputs[0], emit.const(after, "after")]
        axis = emit.const(np.int32(0), "axis")
        emit.last("ConcatV2", [*parts, axis], T="DT_INT32", Tidx="DT_INT32", N=len(parts))
        return True

    return replace_nodes(graph, "PadV2", rewrite)
