"""Convolutions and products with constant weights: scaling what goes in, or what comes out, by channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tfjs_bundle.graph.ir import Node, text
from tfjs_bundle.graph.passes.editing import Body

#: The op -> which of its inputs the weights and the data are.
_INPUTS = {
    "Conv2D": (1, 0),
    "Conv3D": (1, 0),
    "DepthwiseConv2dNative": (1, 0),
    "MatMul": (1, 0),
    "Conv2DBackpropInput": (1, 2),
}

LINEAR_OPS = frozenset(_INPUTS)


@dataclass(frozen=True)
class Linear:
    """A node that is linear in its data, with weights that nothing else uses.

    Attributes:
        weights: as they stand in the graph, float32.
        data: the tensor that they are applied to.
        outgoing, incoming: how many channels the result and the data have.
    """

    node: Node
    weights: np.ndarray
    data: str
    outgoing: int
    incoming: int

    def with_outputs_scaled(self, body: Body, scale: np.ndarray) -> Node | None:
        """Return the node with its results times ``scale`` (outgoing,); ``None`` where that overflows."""
        shape = {"Conv2DBackpropInput": (-1, 1), "DepthwiseConv2dNative": self.weights.shape[2:]}
        turned = self.node.op == "MatMul" and _transposed(self.node)
        factors = scale.reshape((-1, 1) if turned else shape.get(self.node.op, (-1,)))
        return self._with(body, factors)

    def with_inputs_scaled(self, body: Body, scale: np.ndarray) -> Node | None:
        """Return the node with its data times ``scale`` (incoming,); ``None`` where that overflows."""
        return self._with(body, self._along_inputs(scale))

    def of_constant(self, values: np.ndarray) -> np.ndarray:
        """Return the result (outgoing,) where every pixel of the data is ``values`` (incoming,)."""
        products = self.weights.astype(np.float64) * self._along_inputs(values)
        if self.node.op == "DepthwiseConv2dNative":
            sums = products.sum((0, 1)).reshape(-1)
        elif self.node.op == "MatMul" and _transposed(self.node):
            sums = products.sum(1)
        else:
            sums = products.sum(tuple(range(products.ndim - 1)))
        return np.asarray(sums.astype(np.float32))

    @property
    def pads(self) -> bool:
        """Whether zeros stand beside the data somewhere, so that borders see other sums."""
        return self.node.op != "MatMul" and padding(self.node) != "VALID"

    def _along_inputs(self, values: np.ndarray) -> np.ndarray:
        last = self.node.op == "Conv2DBackpropInput" or (self.node.op == "MatMul" and _transposed(self.node))
        return values if last else values[:, np.newaxis]

    def _with(self, body: Body, factors: np.ndarray) -> Node | None:
        with np.errstate(over="ignore"):
            weights = self.weights * factors
        if not np.isfinite(weights).all():
            return None
        index = _INPUTS[self.node.op][0]
        inputs = list(self.node.inputs)
        inputs[index] = body.constant(f"{self.node.name}/folded", weights.astype(np.float32))
        return replace(self.node, inputs=inputs)


def linear(body: Body, node: Node) -> Linear | None:
    """Return ``node`` as a linear op of float32, if it is one in channels_last with weights of its own."""
    if node.op not in _INPUTS or node.attrs.get("T", {}).get("type") != "DT_FLOAT":
        return None
    if text(node, "data_format") in ("NCHW", "NCDHW") or node.attrs.get("transpose_a", {}).get("b"):
        return None
    weights_at, data_at = _INPUTS[node.op]
    constant = body.producer(node.inputs[weights_at])
    if constant is None or constant.value is None or body.only_user(constant) is None:
        return None
    weights = constant.value
    ranks = {"MatMul": 2, "Conv3D": 5}
    if weights.ndim != ranks.get(node.op, 4):
        return None
    incoming, outgoing = weights.shape[-2:]
    if node.op == "DepthwiseConv2dNative":
        outgoing *= incoming
    elif node.op == "Conv2DBackpropInput" or (node.op == "MatMul" and _transposed(node)):
        incoming, outgoing = outgoing, incoming
    return Linear(node, weights, node.inputs[data_at], outgoing, incoming)


def padding(node: Node) -> str:
    """Return a convolution's padding: ``SAME``, ``VALID`` or ``EXPLICIT``."""
    return text(node, "padding")


def _transposed(node: Node) -> bool:
    return bool(node.attrs.get("transpose_b", {}).get("b"))
