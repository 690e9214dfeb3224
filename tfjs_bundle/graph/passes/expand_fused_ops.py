"""Fused ops as the plain ops that they stand for: TensorFlow has no CPU kernels for all that TF.js fuses."""

from __future__ import annotations

import base64

import numpy as np

from tfjs_bundle.graph.ir import Attr, GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: TF.js's fused op -> the op it begins with
PLAIN = {
    "_FusedConv2D": "Conv2D",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedMatMul": "MatMul",
}
_ATTRS = {
    "Conv2D": ("T", "strides", "padding", "explicit_paddings", "data_format", "dilations"),
    "DepthwiseConv2dNative": ("T", "strides", "padding", "explicit_paddings", "data_format", "dilations"),
    "MatMul": ("T", "transpose_a", "transpose_b"),
}
_ACTIVATIONS = {
    name.lower(): name for name in ("Relu", "Relu6", "Elu", "Sigmoid", "Tanh", "LeakyRelu", "Prelu")
}


def expand_fused_ops(graph: GraphModel) -> GraphModel:
    """Rewrite fused convolutions and products, and Prelu, as ops that TensorFlow runs on any device.

    Leaves fused ops that TF.js does not have either, such as a fused batch normalisation.
    """
    for op in PLAIN:
        graph = replace_nodes(graph, op, _expand)
    return replace_nodes(graph, "Prelu", _expand_prelu)


def fused_ops(node: Node) -> list[str]:
    """Return the names in ``fused_ops``, in lower case as TF.js reads them."""
    encoded = node.attrs.get("fused_ops", {}).get("list", {}).get("s", [])
    return [base64.b64decode(each).decode().lower() for each in encoded]


def _expand(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    names = fused_ops(node)
    if any(name not in ("biasadd", *_ACTIVATIONS) for name in names):
        return False
    op = PLAIN[node.op]
    attrs: dict[str, Attr] = {name: attr for name, attr in node.attrs.items() if name in _ATTRS[op]}
    args = list(node.inputs[2:])
    steps = [Node("product", op, list(node.inputs[:2]), attrs)]
    dtype = {"T": attrs.get("T", {"type": "DT_FLOAT"})}
    for name in names:
        if name == "biasadd":
            steps.append(Node("bias", "BiasAdd", [args.pop(0)], {**dtype, **_format(attrs)}))
        elif name == "prelu":
            steps.append(Node("activation", "Prelu", [args.pop(0)], dtype))
        else:
            alpha = node.attrs.get("leakyrelu_alpha", {"f": 0.2})
            slope = {"alpha": alpha} if name == "leakyrelu" else {}
            steps.append(Node("activation", _ACTIVATIONS[name], [], {**dtype, **slope}))
    tensor = ""
    for step in steps:
        step.inputs = [tensor, *step.inputs] if tensor else step.inputs
        if step is steps[-1]:
            emit.put(step.op, step.inputs, step.attrs)
        else:
            tensor = emit.node(step)
    return True


def _format(attrs: dict[str, Attr]) -> dict[str, Attr]:
    return {"data_format": attrs["data_format"]} if "data_format" in attrs else {}


def _expand_prelu(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    x, slopes = node.inputs
    zero = emit.const(np.float32(0), "zero")
    below = emit.op("Minimum", "below", [x, zero], T="DT_FLOAT")
    scaled = emit.op("Mul", "scaled", [slopes, below], T="DT_FLOAT")
    emit.last("AddV2", [emit.op("Relu", "above", [x], T="DT_FLOAT"), scaled], T="DT_FLOAT")
    return True
