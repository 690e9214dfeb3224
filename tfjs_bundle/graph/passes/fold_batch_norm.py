"""Batch normalisation at inference is a factor and a summand for each channel: the weights beside take them.

TensorFlow folds the factor into some convolutions by itself, but never into a depthwise one, a dense layer,
or weights that the trace keeps out of its graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.editing import Body, edit
from tfjs_bundle.graph.passes.linear_ops import LINEAR_OPS, Linear, linear
from tfjs_bundle.graph.passes.rewriting import attributes

_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_RESHAPING = ("Reshape", "Squeeze", "ExpandDims")

#: Ops that a positive factor may pass: f(s x) = s f(x).
_HOMOGENEOUS = ("Relu", "LeakyRelu", "MaxPool")


def fold_batch_norm(graph: GraphModel) -> GraphModel:
    """Multiply constant factors by channel into the weights of the layer before them, or of the one behind.

    A factor goes back through additions of constants, pads of zeros, reshapes that keep the channels, pools
    and ReLU, into a convolution or product whose weights nothing else uses. Where there is none, it goes on
    into the next layer, and a summand with it, unless zeros are padded between.

    Leaves FusedBatchNorm as Mul and AddV2 where its parameters are constants, no Mul that it could fold, and
    one addition of constants behind a layer.
    """
    return edit(graph, frozenset(("Mul", "RealDiv", *_NORMS)), _fold)


def _fold(body: Body) -> None:
    for node in body:
        if node.op in _NORMS:
            _split(body, node)
    for node in body:
        if node.op not in ("Mul", "RealDiv"):
            continue
        factor = _factor(body, node)
        if factor is not None and not _fold_back(body, node, *factor):
            _fold_on(body, node, *factor)
    for node in body:
        _merge_sums(body, node)


def _split(body: Body, node: Node) -> None:
    """Write a FusedBatchNorm of constants as a product and a sum."""
    others = {f"{node.name}:{index}" for index in range(1, 6)}
    users = body.users(node)
    if node.attrs.get("is_training", {}).get("b", True) or body.in_function or users is None:
        return
    if any(others & set(user.inputs) or f"^{node.name}" in user.inputs for user in users):
        return
    parameters = [body.value(tensor) for tensor in node.inputs[1:5]]
    if any(each is None for each in parameters):
        return
    scale, offset, mean, variance = (np.asarray(each, np.float64) for each in parameters)
    with np.errstate(all="ignore"):
        factors = scale / np.sqrt(variance + float(node.attrs.get("epsilon", {}).get("f", 1e-4)))
        summands = offset - mean * factors
    x, types = node.inputs[0], attributes(T="DT_FLOAT")
    name = body.unused(f"{node.name}/scaled")
    inputs = [x, body.constant(f"{node.name}/factors", factors.astype(np.float32))]
    scaled = body.put(Node(name, "Mul", inputs, types), like=node)
    inputs = [scaled, body.constant(f"{node.name}/summands", summands.astype(np.float32))]
    body.put(Node(node.name, "AddV2", inputs, types))


def _factor(body: Body, node: Node) -> tuple[str, np.ndarray] | None:
    """Return the tensor that a Mul or RealDiv scales, and by what: one number, or one for each channel."""
    a, b = node.inputs[:2]
    for tensor, other in ((a, b), (b, a))[: 1 if node.op == "RealDiv" else 2]:
        values = body.vector(other, beside=tensor)
        if values is None or body.value(tensor) is not None:
            continue
        if node.op == "RealDiv":
            with np.errstate(divide="ignore"):
                values = 1 / values
        return (tensor, values) if np.isfinite(values).all() else None
    return None


# --- back into the layer before ------------------------------------------------------------------------


def _fold_back(body: Body, product: Node, tensor: str, scale: np.ndarray) -> bool:
    """Fold ``scale`` into the layer that ``tensor`` comes from, if there is one."""
    sums: list[Callable[[], None]] = []
    spans, result = False, tensor  # spans: there is a reshape in between
    while True:
        node = body.producer(tensor)
        if node is None or body.only_user(node) is None:
            return False
        layer = linear(body, node)
        if layer is not None:
            factors = _spread(scale, layer.outgoing, spans)
            scaled = None if factors is None else layer.with_outputs_scaled(body, factors)
            if scaled is None:
                return False
            body.put(scaled)
            for change in sums:
                change()
            body.bypass(product, result)
            return True
        summand = find_summand(body, node)
        if summand is not None:
            spread = _spread(scale, summand.values.size, spans)
            if spread is None and (spans or summand.values.size != 1):
                return False
            with np.errstate(over="ignore"):
                values = summand.values * (scale if spread is None else spread)
            if not np.isfinite(values).all():
                return False
            sums.append(_summand_changed(body, summand, values))
            tensor = summand.tensor
        elif node.op in _RESHAPING:
            shape = body.shape(tensor)
            if scale.size != 1 and (shape is None or shape[-1:] != (scale.size,)):
                return False
            spans, tensor = True, node.inputs[0]
        elif _passes(body, node, scale):
            tensor = node.inputs[0]
        else:
            return False


def _spread(values: np.ndarray, channels: int, spans: bool) -> np.ndarray | None:
    """Return ``values`` for each of ``channels``; a reshape may have put the last axis into several.

    ``None`` where they do not fit.
    """
    if values.size == 1:
        return np.broadcast_to(values, (channels,))
    if values.size == channels or (spans and channels % values.size == 0):
        return np.tile(values, channels // values.size)
    return None


def _passes(body: Body, node: Node, scale: np.ndarray) -> bool:
    """Say whether it is the same to scale what ``node`` takes and what it gives."""
    if node.op in _HOMOGENEOUS:
        return bool((scale > 0).all())
    if node.op == "AvgPool":
        return True
    if node.op == "Mean":
        return _keeps_channels(body, node)
    return node.op == "Pad" and _pads_no_channels(body, node)


def _keeps_channels(body: Body, node: Node) -> bool:
    axes, shape = body.producer(node.inputs[1]), body.shape(node.inputs[0])
    if axes is None or axes.value is None or shape is None:
        return False
    return all(axis % len(shape) != len(shape) - 1 for axis in axes.value.reshape(-1))


def _pads_no_channels(body: Body, node: Node) -> bool:
    paddings = body.producer(node.inputs[1])
    return paddings is not None and paddings.value is not None and not paddings.value[-1].any()


# --- on into the layer behind --------------------------------------------------------------------------


def _fold_on(body: Body, product: Node, tensor: str, scale: np.ndarray) -> bool:
    """Fold ``scale``, and what is added to the product, into the layer behind, if there is one."""
    summand: Summand | None = None
    spans = padded = False
    node = product
    while True:
        user = body.only_user(node)
        if user is None:
            return False
        layer = linear(body, user)
        if layer is not None:
            return body.producer(layer.data) is node and _absorb(
                body, product, tensor, scale, summand, layer, spans, padded
            )
        found = find_summand(body, user) if node is product and summand is None else None
        if found is not None and body.producer(found.tensor) is node and user.op != "Sub":
            if _spread(found.values, scale.size, False) is None:
                return False
            summand = found
        elif user.op in _RESHAPING and body.producer(user.inputs[0]) is node:
            shape = body.shape(body.output(node))
            if scale.size != 1 and (shape is None or shape[-1:] != (scale.size,)):
                return False
            spans = True
        elif (
            body.producer(user.inputs[0]) is node
            and _passes(body, user, scale)
            and user.op not in _HOMOGENEOUS
        ):
            padded = padded or user.op in ("Pad", "AvgPool")
        else:
            return False
        node = user


def _absorb(
    body: Body,
    product: Node,
    tensor: str,
    scale: np.ndarray,
    summand: Summand | None,
    layer: Linear,
    spans: bool,
    padded: bool,
) -> bool:
    factors = _spread(scale, layer.incoming, spans)
    if factors is None:
        return False
    added = None
    if summand is not None:
        values = _spread(summand.values, layer.incoming, spans)
        if values is None or padded or layer.pads or layer.node.op == "Conv2DBackpropInput":
            return False
        added = layer.of_constant(values)
    scaled = layer.with_inputs_scaled(body, factors)
    if scaled is None or (added is not None and not np.isfinite(added).all()):
        return False
    if summand is not None and added is not None:
        name = layer.node.name
        first = body.put(replace(scaled, name=body.unused(f"{name}/product")), like=layer.node)
        inputs = [first, body.constant(f"{name}/summand", added)]
        body.put(Node(name, "AddV2", inputs, attributes(T="DT_FLOAT")))
        body.bypass(summand.node, summand.tensor)
    else:
        body.put(scaled)
    body.bypass(product, tensor)
    return True


# --- constant summands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summand:
    """A node that adds constants, one for each channel or one for all, to ``tensor``.

    Attributes:
        at: which of the node's inputs the constants are.
        values: the constants as they stand in the graph: Sub takes them off.
    """

    node: Node
    tensor: str
    at: int
    values: np.ndarray


def find_summand(body: Body, node: Node) -> Summand | None:
    """Return what ``node`` adds to a tensor, if it adds constants by channel on the last axis."""
    if node.op not in ("AddV2", "Add", "BiasAdd", "Sub") or node.attrs.get("T", {}).get("type") != "DT_FLOAT":
        return None
    if text(node, "data_format") == "NCHW":
        return None
    for at in (1, 0)[: 1 if node.op == "BiasAdd" else 2]:
        values = body.vector(node.inputs[at], beside=node.inputs[1 - at])
        if values is not None and body.value(node.inputs[1 - at]) is None:
            return Summand(node, node.inputs[1 - at], at, values)
    return None


def _merge_sums(body: Body, node: Node) -> None:
    """Add what ``node`` adds to the bias of the layer before it at once."""
    second = find_summand(body, node)
    bias = None if second is None else body.producer(second.tensor)
    first = None if bias is None or body.only_user(bias) is None else find_summand(body, bias)
    layer = None if first is None else body.producer(first.tensor)
    if first is None or second is None or layer is None or layer.op not in LINEAR_OPS:
        return
    if "Sub" in (first.node.op, second.node.op) or 1 < first.values.size != second.values.size > 1:
        return
    with np.errstate(over="ignore"):
        values = first.values + second.values
    if np.isfinite(values).all():
        inputs = [second.tensor, body.constant(f"{node.name}/folded", values)]
        body.put(Node(node.name, "AddV2", inputs, attributes(T="DT_FLOAT")))
        body.bypass(first.node, first.tensor)


def _summand_changed(body: Body, summand: Summand, values: np.ndarray) -> Callable[[], None]:
    def change() -> None:
        inputs = list(summand.node.inputs)
        inputs[summand.at] = body.constant(f"{summand.node.name}/folded", values.astype(np.float32))
        body.put(replace(summand.node, inputs=inputs))

    return change
