"""A bias and an activation cost a pass over the result each, unless the convolution's kernel adds them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace

import numpy as np

from tfjs_bundle.graph.ir import Attr, GraphModel, Node, text
from tfjs_bundle.graph.passes.editing import Body, edit
from tfjs_bundle.graph.passes.fold_batch_norm import find_summand
from tfjs_bundle.graph.passes.rewriting import attributes

#: The op -> the one that takes a bias and an activation, as TF.js knows it.
_FUSED = {
    "Conv2D": "_FusedConv2D",
    "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "MatMul": "_FusedMatMul",
}
_RESHAPING = ("Reshape", "Squeeze", "ExpandDims")
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu")


@dataclass
class _Chain:
    """What follows a convolution or product and becomes a part of it, in order.

    Attributes:
        taken: the nodes, each with the tensor that stands for its result afterwards.
        bias: one number for each channel.
        shared: the tensor that has just these numbers, where there is one.
        slopes: of a PReLU, one for each channel.
        alpha: the slope of a leaky ReLU.
    """

    taken: list[tuple[Node, str]] = field(default_factory=list)
    bias: np.ndarray | None = None
    shared: str = ""
    activation: str = ""
    slopes: np.ndarray | None = None
    alpha: Attr | None = None


def fuse_bias_activation(graph: GraphModel) -> GraphModel:
    """Rewrite Conv2D, DepthwiseConv2dNative and MatMul with the bias and activation behind them as one op.

    The bias has one number for each channel. An activation without a bias gets one of zeros, because TF.js
    reads the two by position. Reshapes in between that keep the channels move behind the fused op.

    Requires that nothing else uses what is computed on the way. Leaves what TF.js 4.22 cannot do: a leaky
    ReLU behind a depthwise convolution (its executor reads no slope), products of transposed matrices, whose
    bias wasm forgets (constant weights are transposed here), and a bias that is computed: wasm asks for the
    rank of the memory that it lies in, which a Squeeze does not change.
    """
    return edit(graph, frozenset(_FUSED), _fuse)


def _fuse(body: Body) -> None:
    zeros: dict[int, str] = {}  # one constant for each number of channels
    for node in body:
        channels = _channels(body, node) if _can_be_fused(node) else None
        if channels is None:
            continue
        chain = _follow(body, node, channels)
        weights = _weights(body, node) if chain.taken else None
        if weights is not None:
            _replace(body, node, weights, chain, channels, zeros)


def _can_be_fused(node: Node) -> bool:
    if node.op not in _FUSED or node.attrs.get("T", {}).get("type") != "DT_FLOAT" or len(node.inputs) != 2:
        return False
    return text(node, "data_format") != "NCHW" and not node.attrs.get("transpose_a", {}).get("b")


def _channels(body: Body, node: Node) -> int | None:
    """Return how many channels ``node`` has, by its weights or as the tracer knows it."""
    weights = body.producer(node.inputs[1])
    if weights is None or weights.value is None:
        shape = body.shape(body.output(node))
        return shape[-1] if shape else None
    if node.op == "DepthwiseConv2dNative":
        return int(weights.value.shape[2] * weights.value.shape[3])
    return int(weights.value.shape[0 if node.attrs.get("transpose_b", {}).get("b") else -1])


def _weights(body: Body, node: Node) -> str | None:
    """Return the weights, transposed if need be; ``None`` where only the model could do that."""
    if not node.attrs.get("transpose_b", {}).get("b"):
        return node.inputs[1]
    weights = body.producer(node.inputs[1])
    if weights is None or weights.value is None or body.only_user(weights) is None:
        return None
    return body.constant(f"{node.name}/transposed", weights.value.T)


def _follow(body: Body, node: Node, channels: int) -> _Chain:
    """Collect what can be fused with ``node``."""
    chain, current = _Chain(), node
    while True:
        result = body.output(current)
        user = body.only_user(current)
        if user is None or (user.op not in ("AddV2", "Add") and body.producer(user.inputs[0]) is not current):
            return chain
        if user.op in _RESHAPING:
            shape = body.shape(body.output(user))
            if shape is None or shape[-1:] != (channels,):
                return chain
        elif user.op in _ACTIVATIONS:
            if user.op == "LeakyRelu":
                if node.op == "DepthwiseConv2dNative":
                    return chain
                chain.alpha = user.attrs.get("alpha", {"f": 0.2})
            if user.op == "Prelu" and not _take_slopes(body, chain, user, channels):
                return chain
            chain.activation = user.op
            chain.taken.append((user, result))
            return chain
        elif _take_bias(body, chain, user, channels):
            chain.taken.append((user, result))
        else:
            return chain
        current = user


def _take_bias(body: Body, chain: _Chain, node: Node, channels: int) -> bool:
    """Take in what ``node`` adds, if it is a bias."""
    summand = find_summand(body, node)
    if summand is None or summand.values.size not in (1, channels):
        return False
    values = np.broadcast_to(-summand.values if node.op == "Sub" else summand.values, (channels,))
    with np.errstate(over="ignore"):
        total = values if chain.bias is None else chain.bias + values
    if not np.isfinite(total).all():
        return False
    # loops that are written out share one constant among their steps
    shared = chain.bias is None and node.op != "Sub" and summand.values.size == channels
    chain.bias, chain.shared = total, node.inputs[summand.at] if shared else ""
    return True


def _take_slopes(body: Body, chain: _Chain, prelu: Node, channels: int) -> bool:
    """Take in the slopes of a PReLU, if there is one for each channel."""
    slopes = body.vector(prelu.inputs[1], beside=prelu.inputs[0])
    if slopes is None or slopes.size not in (1, channels):
        return False
    chain.slopes = np.array(np.broadcast_to(slopes, (channels,)))
    return True


def _replace(
    body: Body, node: Node, weights: str, chain: _Chain, channels: int, zeros: dict[int, str]
) -> None:
    extra = [_bias(body, node, chain, channels, zeros)]
    if chain.slopes is not None:
        extra.append(body.constant(f"{node.name}/slopes", chain.slopes))
    attrs: dict[str, Attr] = {name: attr for name, attr in node.attrs.items() if name != "transpose_b"}
    attrs |= attributes(num_args=len(extra))
    fused = ["BiasAdd", *filter(None, [chain.activation])]
    attrs["fused_ops"] = {"list": {"s": [base64.b64encode(each.encode()).decode() for each in fused]}}
    if chain.alpha is not None:
        attrs["leakyrelu_alpha"] = chain.alpha
    body.put(replace(node, op=_FUSED[node.op], inputs=[node.inputs[0], weights, *extra], attrs=attrs))
    for taken, tensor in reversed(chain.taken):
        body.bypass(taken, tensor)


def _bias(body: Body, node: Node, chain: _Chain, channels: int, zeros: dict[int, str]) -> str:
    """Return the tensor of the bias."""
    if chain.bias is None:
        if channels not in zeros:
            zeros[channels] = body.constant(f"{node.name}/bias", np.zeros(channels, np.float32))
        return zeros[channels]
    known = body.producer(chain.shared) if chain.shared else None
    if known is not None and known.value is not None and known.value.ndim == 1:
        return chain.shared
    return body.constant(f"{node.name}/bias", chain.bias.astype(np.float32))
