"""TF.js has no grouped convolution: Conv2D takes as many channels as its filter has."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: The attribute in which the converter notes the groups of a Conv2D; TensorFlow infers them from shapes.
GROUPS = "groups"


def split_grouped_convolutions(graph: GraphModel) -> GraphModel:
    """Rewrite a Conv2D or Conv3D of g groups as g convolutions of a part of the channels each, concatenated.

    Where each group of a Conv2D has one channel it becomes one depthwise convolution. Requires the attribute
    :data:`GROUPS` where there are groups. Leaves no such Conv2D or Conv3D.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        groups = int(node.attrs.get(GROUPS, {}).get("i", "1"))
        if groups == 1:
            return False
        dtype = str(node.attrs["T"]["type"])
        kept: dict[str, Any] = {name: attr for name, attr in node.attrs.items() if name != GROUPS}
        if node.op == "Conv2D" and (depthwise := _depthwise_filter(node, by_name)) is not None:
            kernel = emit.const(depthwise, "filter")
            emit.nodes.append(Node(node.name, "DepthwiseConv2dNative", [node.inputs[0], kernel], kept))
            return True
        last = 3 if node.op == "Conv2D" else 4
        channels = emit.const(np.int32(last if _channels_last(node) else 1), "channels")
        inputs = emit.split(channels, node.inputs[0], groups, "inputs", dtype)
        filters = _filters(node, groups, emit, by_name, dtype)
        parts = []
        for index, (part, kernel) in enumerate(zip(inputs, filters, strict=True)):
            parts.append(emit.node(Node(f"group_{index}", node.op, [part, kernel], kept)))
        emit.last("ConcatV2", [*parts, channels], T=dtype, Tidx="DT_INT32", N=groups)
        return True

    for op in ("Conv2D", "Conv3D"):
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _depthwise_filter(node: Node, by_name: dict[str, Node]) -> np.ndarray | None:
    """Return the filter ``[height, width, channels, multiplier]`` where each group has one channel.

    ConvNeXt's groups are as many as its channels, up to 2,048.
    """
    constant = by_name.get(node_name(node.inputs[1]))
    if constant is None or constant.value is None or not _channels_last(node):
        return None
    height, width, depth, filters = constant.value.shape
    strides = node.attrs["strides"]["list"]["i"]
    if depth != 1 or strides[1] != strides[2]:
        return None
    groups = int(node.attrs[GROUPS]["i"])
    return np.ascontiguousarray(constant.value.reshape(height, width, groups, filters // groups))


def _filters(node: Node, groups: int, emit: Emitter, by_name: dict[str, Node], dtype: str) -> list[str]:
    """Split the filter ``[..., in, out]`` along its last axis, at once where it is a constant."""
    constant = by_name.get(node_name(node.inputs[1]))
    if constant is not None and constant.value is not None:
        pieces = np.split(constant.value, groups, axis=-1)
        return [emit.const(np.ascontiguousarray(piece), f"filter_{i}") for i, piece in enumerate(pieces)]
    return emit.split(emit.const(np.int32(-1), "filter_axis"), node.inputs[1], groups, "filters", dtype)


def _channels_last(node: Node) -> bool:
    # protobuf's JSON form of bytes is base64: NCHW, NCDHW
    return node.attrs.get("data_format", {}).get("s") not in ("TkNIVw==", "TkNESFc=")
