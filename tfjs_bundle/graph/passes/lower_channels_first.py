"""channels_first: TF.js's wasm backend rejects it, and the others read parts of it as channels_last."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: The format of an op's tensors, by its attribute; protobuf's JSON form of bytes is base64.
_LAST = {"NCHW": "NHWC", "NCDHW": "NDHWC"}

#: The ops whose first ``n`` inputs and first output are pictures; the rest of the inputs are as they are.
_OPS = {
    "Conv2D": "NCHW",
    "DepthwiseConv2dNative": "NCHW",
    "MaxPool": "NCHW",
    "AvgPool": "NCHW",
    "FusedBatchNorm": "NCHW",
    "FusedBatchNormV2": "NCHW",
    "FusedBatchNormV3": "NCHW",
    "SpaceToDepth": "NCHW",
    "DepthToSpace": "NCHW",
    "_FusedConv2D": "NCHW",
    "Conv3D": "NCDHW",
    "MaxPool3D": "NCDHW",
    "AvgPool3D": "NCDHW",
}

#: Transposed convolutions: (sizes of the output, filter, picture).
_TRANSPOSED = {"Conv2DBackpropInput": "NCHW", "Conv3DBackpropInputV2": "NCDHW"}

#: Attributes with a number (or a pair) for each axis.
_PER_AXIS = ("strides", "dilations", "ksize")
_PAIR_PER_AXIS = "explicit_paddings"


def lower_channels_first(graph: GraphModel) -> GraphModel:
    """Transpose around every op in NCHW or NCDHW, so that it runs in NHWC or NDHWC.

    Leaves no such op but BiasAdd of a rank that the tracer does not know (see ``lower_bias_add``), and
    FusedBatchNorm of rank 5.
    """
    for op in _OPS:
        graph = replace_nodes(graph, op, _picture_first)
    for op in _TRANSPOSED:
        graph = replace_nodes(graph, op, _picture_last)
    return graph


def _picture_first(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    if text(node, "data_format") not in _LAST or _OPS[node.op] != text(node, "data_format"):
        return False
    picture = _transpose(node.inputs[0], _to_last(text(node, "data_format")), "channels_last", node, emit)
    _run(node, [picture, *node.inputs[1:]], emit)
    return True


def _picture_last(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    format_ = text(node, "data_format")
    if format_ not in _LAST:
        return False
    picture = _transpose(node.inputs[2], _to_last(format_), "channels_last", node, emit)
    sizes_type = str(node.attrs.get("Tshape", {}).get("type", "DT_INT32"))
    order = emit.const(np.array(_to_last(format_), np.int32), "sizes_order")
    axis = emit.const(np.int32(0), "sizes_axis")
    sizes = emit.gather(node.inputs[0], order, axis, "sizes", sizes_type)
    _run(node, [sizes, node.inputs[1], picture, *node.inputs[3:]], emit)
    return True


def _run(node: Node, inputs: list[str], emit: Emitter) -> None:
    """Emit the op in channels_last, and the transpose of its output."""
    format_ = text(node, "data_format")
    attrs: dict[str, Any] = dict(node.attrs)
    attrs["data_format"] = {"s": base64.b64encode(_LAST[format_].encode()).decode()}
    order = _to_last(format_)
    for name in _PER_AXIS:
        if "i" in attrs.get(name, {}).get("list", {}):
            numbers = attrs[name]["list"]["i"]
            attrs[name] = {"list": {"i": [numbers[axis] for axis in order]}}
    pairs = attrs.get(_PAIR_PER_AXIS, {}).get("list", {}).get("i", [])
    if pairs:
        moved = [pairs[2 * axis + side] for axis in order for side in (0, 1)]
        attrs[_PAIR_PER_AXIS] = {"list": {"i": moved}}
    result = emit.node(Node("channels_last/op", node.op, inputs, attrs))
    dtype = str(attrs.get("T", {}).get("type", "DT_FLOAT"))
    back = emit.const(np.array(_to_first(format_), np.int32), "channels_first_order")
    emit.last("Transpose", [result, back], T=dtype, Tperm="DT_INT32")


def _transpose(tensor: str, order: list[int], hint: str, node: Node, emit: Emitter) -> str:
    dtype = str(node.attrs.get("T", {}).get("type", "DT_FLOAT"))
    inputs = [tensor, emit.const(np.array(order, np.int32), f"{hint}_order")]
    return emit.op("Transpose", hint, inputs, T=dtype, Tperm="DT_INT32")


def _to_last(format_: str) -> list[int]:
    """Return the axes of NHWC (NDHWC) as numbers of those of NCHW (NCDHW)."""
    return [0, *range(2, len(format_)), 1]


def _to_first(format_: str) -> list[int]:
    return [0, len(format_) - 1, *range(1, len(format_) - 1)]
