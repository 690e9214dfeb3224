"""SpaceToDepth has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.arithmetic import known, pack, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_space_to_depth(graph: GraphModel) -> GraphModel:
    """Rewrite SpaceToDepth of pictures ``(batch, height, width, channels)`` by a transposition.

    Requires a rank that the tracer knows; leaves others, and other layouts.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        tensor = node.inputs[0]
        shape = None if emit.in_function else shapes.get(tensor)
        layout = text(node, "data_format")
        if shape is None or layout not in ("", "NHWC"):
            return False
        dtype = str(node.attrs["T"]["type"])
        block = known(emit, np.int32(node.attrs["block_size"]["i"]))
        batch, height, width, channels = sizes(tensor, shape, dtype, emit)
        rows, columns = height // block, width // block
        types = {"T": dtype, "Tshape": "DT_INT32"}
        blocks = pack([batch, rows, block, columns, block, channels], emit)
        apart = emit.op("Reshape", "apart", [tensor, blocks], **types)
        order = emit.const(np.array([0, 1, 3, 2, 4, 5], np.int32), "order")
        swapped = emit.op("Transpose", "swapped", [apart, order], T=dtype, Tperm="DT_INT32")
        emit.last("Reshape", [swapped, pack([batch, rows, columns, block * block * channels], emit)], **types)
        return True

    return replace_nodes(graph, "SpaceToDepth", rewrite)
