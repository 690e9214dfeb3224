"""Finding formulas in a graph: what a tensor was made of, whatever the order of the operands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tfjs_bundle.graph.ir import Node, node_name
from tfjs_bundle.graph.passes.bodies import is_first

#: How many products deep a formula is looked for.
_DEPTH = 6


@dataclass(frozen=True)
class Formulas:
    """The nodes of a graph or function by name, and questions about them."""

    nodes: Mapping[str, Node]

    def made(self, tensor: str, *ops: str) -> Node | None:
        """Return the node whose first output ``tensor`` is, if it is one of ``ops`` of float32."""
        node = self.nodes.get(node_name(tensor)) if is_first(tensor) else None
        if node is None or node.op not in ops or node.attrs.get("T", {}).get("type") != "DT_FLOAT":
            return None
        return None if any(each.startswith("^") for each in node.inputs) else node

    def value(self, tensor: str) -> np.ndarray | None:
        """Return a float32 constant."""
        node = self.nodes.get(node_name(tensor))
        if node is None or node.value is None or node.value.dtype != np.float32:
            return None
        return np.asarray(node.value)

    def number(self, tensor: str) -> float | None:
        """Return a constant of one number and no axes."""
        value = self.value(tensor)
        return float(value) if value is not None and value.ndim == 0 else None

    def either(self, node: Node) -> Iterator[tuple[str, str]]:
        """Yield the two operands of ``node`` in both orders."""
        first, second = node.inputs[:2]
        yield first, second
        yield second, first

    def scaled(self, tensor: str) -> tuple[float, str]:
        """Return ``(k, x)`` where ``tensor`` is k * x, as it is written by Mul, RealDiv and Neg."""
        factor = 1.0
        for _ in range(_DEPTH):
            node = self.made(tensor, "Mul", "RealDiv", "Neg")
            if node is None:
                break
            if node.op == "Neg":
                factor, tensor = -factor, node.inputs[0]
                continue
            number, other = self._number_and_other(node)
            if number is None or (node.op == "RealDiv" and number == 0):
                break
            factor, tensor = (factor / number if node.op == "RealDiv" else factor * number), other
        return factor, tensor

    def products(self, tensor: str) -> Iterator[tuple[float, str, str]]:
        """Yield ``(k, x, y)`` in both orders of x and y where ``tensor`` is k * x * y."""
        number, rest = self.scaled(tensor)
        node = self.made(rest, "Mul")
        if node is not None:
            (one, x), (other, y) = (self.scaled(operand) for operand in node.inputs[:2])
            yield number * one * other, x, y
            yield number * one * other, y, x

    def shifted(self, tensor: str) -> tuple[float, float, str] | None:
        """Return ``(a, b, x)`` where ``tensor`` is a + b * x, as AddV2 and Sub write it."""
        node = self.made(tensor, "AddV2", "Sub")
        if node is None:
            return None
        for index, (one, other) in enumerate(self.either(node)):
            number = self.number(one)
            if number is not None:
                factor, rest = self.scaled(other)
                if node.op == "AddV2":
                    return number, factor, rest
                return (number, -factor, rest) if index == 0 else (-number, factor, rest)
        return None

    def _number_and_other(self, node: Node) -> tuple[float | None, str]:
        for index, (one, other) in enumerate(self.either(node)):
            if node.op != "RealDiv" or index == 1:
                number = self.number(one)
                if number is not None:
                    return number, other
        return None, ""


def same(*tensors: str) -> bool:
    """Return whether references are to one and the same first output."""
    return len({node_name(tensor) for tensor in tensors}) == 1 and all(map(is_first, tensors))
