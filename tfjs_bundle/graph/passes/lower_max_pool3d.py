"""MaxPool3D: TF.js's wasm kernel begins at the smallest positive number, so that no maximum is negative."""

from __future__ import annotations

import base64

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.arithmetic import Value, known, pack, sizes
from tfjs_bundle.graph.passes.lower_transposed_convolutions import numbers
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_max_pool3d(graph: GraphModel) -> GraphModel:
    """Rewrite MaxPool3D as a MaxPool of heights and widths and one of depths.

    Requires NDHWC; leaves others.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        if text(node, "data_format") not in ("", "NDHWC"):
            return False
        dtype = str(node.attrs["T"]["type"])
        window, strides = numbers(node, "ksize", 5), numbers(node, "strides", 5)
        shape = None if emit.in_function else shapes.get(node.inputs[0])
        depth, height, width, channels = sizes(node.inputs[0], shape or (None,) * 5, dtype, emit)[1:]
        every = known(emit, np.int32(-1))
        same = text(node, "padding") == "SAME"

        def out(size: Value, axis: int) -> Value:
            room = size if same else size - (window[axis] - 1)
            return (room + (strides[axis] - 1)) // strides[axis]

        def pool(tensor: str, parts: list[Value], area: tuple[int, int], step: tuple[int, int]) -> str:
            pictures = emit.op("Reshape", "pictures", [tensor, pack(parts, emit)], T=dtype, Tshape="DT_INT32")
            attrs = {
                "T": {"type": dtype},
                "padding": node.attrs["padding"],
                "data_format": {"s": base64.b64encode(b"NHWC").decode()},
                "ksize": {"list": {"i": ["1", str(area[0]), str(area[1]), "1"]}},
                "strides": {"list": {"i": ["1", str(step[0]), str(step[1]), "1"]}},
            }
            return emit.node(Node("pool", "MaxPool", [pictures], attrs))

        flat = pool(
            node.inputs[0], [every, height, width, channels], (window[2], window[3]), (strides[2], strides[3])
        )
        height, width = out(height, 2), out(width, 3)
        pooled = pool(flat, [every, depth, height * width, channels], (window[1], 1), (strides[1], 1))
        whole = pack([every, out(depth, 1), height, width, channels], emit)
        emit.last("Reshape", [pooled, whole], T=dtype, Tshape="DT_INT32")
        return True

    return replace_nodes(graph, "MaxPool3D", rewrite)
