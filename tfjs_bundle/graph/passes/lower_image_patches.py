"""ExtractImagePatches, with which vision transformers of old cut a picture, has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_image_patches(graph: GraphModel) -> GraphModel:
    """Rewrite ExtractImagePatches of floats as a convolution whose filters each pick one number.

    Requires the number of channels, and strides or rates of one (TF.js has no convolution with both);
    leaves others.
    """

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        shape = None if emit.in_function else graph.shapes.get(node.inputs[0])
        channels = shape[3] if shape else None
        size, strides, rates = (_list(node, name) for name in ("ksizes", "strides", "rates"))
        if channels is None or node.attrs["T"]["type"] != "DT_FLOAT":
            return False
        if max(strides) > 1 and max(rates) > 1:
            return False
        count = size[1] * size[2] * channels
        picking = np.eye(count, dtype=np.float32).reshape(size[1], size[2], channels, count)
        emit.last("Conv2D", [node.inputs[0], emit.const(picking, "picking")], T="DT_FLOAT")
        emit.nodes[-1].attrs.update(
            strides=node.attrs["strides"],
            dilations=node.attrs["rates"],
            padding=node.attrs["padding"],
            data_format={"s": "TkhXQw=="},  # NHWC
        )
        return True

    return replace_nodes(graph, "ExtractImagePatches", rewrite)


def _list(node: Node, name: str) -> list[int]:
    return [int(each) for each in node.attrs[name]["list"]["i"]]
