"""A shape of which only the batch is unknown is a constant with -1 in its place.

Keras computes ``Shape(x)[0]`` and packs it with sizes that it knows; a dense layer on several axes gathers
and multiplies sizes, and the tracer knows the shape of nothing behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name, unused_name
from tfjs_bundle.graph.passes.bodies import Body, Shape, is_first, rewrite_bodies
from tfjs_bundle.graph.passes.rewriting import constant

#: A number, a vector of them, each of them where it is known; ``None`` for anything else.
_Partial = list[int | None] | int | None

#: A vector of more numbers is no shape.
_LONGEST = 16

_UNARY = frozenset(
    [
        *(
            "Abs",
            "Cast",
            "Elu",
            "Erf",
            "Exp",
            "Expm1",
            "Identity",
            "LeakyRelu",
            "Log",
            "Neg",
            "Relu",
            "Relu6",
        ),
        *("Rsqrt", "Selu", "Sigmoid", "Softmax", "Softplus", "Sqrt", "Square", "Tanh", "BiasAdd"),
    ]
)
_BINARY = frozenset(
    [*("AddV2", "Maximum", "Minimum", "Mul", "Pow", "RealDiv", "SquaredDifference", "Sub"), "SelectV2"]
)


def fold_shapes(graph: GraphModel) -> GraphModel:
    """Give every Reshape a constant shape of which all sizes are known but one, and fill in ``shapes``.

    Requires the shapes that the tracer knows. Leaves what computed sizes to :func:`remove_unused`.
    """
    shapes = dict(graph.shapes)
    functions = {name: replace(each, shapes=dict(each.shapes)) for name, each in graph.functions.items()}
    return rewrite_bodies(
        replace(graph, shapes=shapes, functions=functions), lambda body: _Folding(body).nodes()
    )


class _Folding:
    """One walk along a body."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._shapes = dict(body.shapes)
        self._values: dict[str, _Partial] = {}
        self._taken = {node.name for node in body.nodes}

    def nodes(self) -> list[Node]:
        result: list[Node] = []
        for node in self._body.nodes:
            self._values[node.name] = self._value(node)
            self._refine(node)
            result += self._with_constant_shape(node) if node.op == "Reshape" else [node]
        self._body.shapes.update(self._shapes)
        return result

    def _with_constant_shape(self, node: Node) -> list[Node]:
        shape = self._shapes.get(node.name)
        sizes = self._values.get(node_name(node.inputs[1]))
        known = isinstance(sizes, list) and None not in sizes
        if shape is None or known or shape.count(None) > 1 or 0 in shape:
            return [node]
        name = unused_name(f"{node.name}/shape", self._taken)
        self._taken.add(name)
        values = np.array([-1 if size is None else size for size in shape], np.int32)
        reference = f"{name}:output:0" if self._body.in_function else name
        attrs = {**node.attrs, "Tshape": {"type": "DT_INT32"}}
        return [
            constant(name, values),
            replace(node, inputs=[node.inputs[0], reference, *node.inputs[2:]], attrs=attrs),
        ]

    # --- shapes ---

    def _shape(self, tensor: str) -> Shape | None:
        return self._shapes.get(node_name(tensor)) if is_first(tensor) else None

    def _refine(self, node: Node) -> None:
        """Note what is known of a node's shape by the tracer and by its inputs."""
        found = self._inferred(node)
        before = self._shapes.get(node.name)
        if found is None or (before is not None and len(before) != len(found)):
            return
        self._shapes[node.name] = tuple(
            size if other is None else other for size, other in zip(found, before or found, strict=True)
        )

    def _inferred(self, node: Node) -> Shape | None:
        if node.value is not None:
            return np.shape(node.value)
        if node.op == "Reshape":
            return self._reshaped(node)
        if node.op in _UNARY:
            return self._shape(node.inputs[0])
        if node.op in _BINARY:
            shapes = [self._shape(tensor) for tensor in node.inputs]
            return (
                _broadcast([shape for shape in shapes if shape is not None]) if None not in shapes else None
            )
        if node.op == "MatMul":
            return self._product(node)
        if node.op == "Transpose":
            shape, order = self._shape(node.inputs[0]), self._values.get(node_name(node.inputs[1]))
            if shape is not None and isinstance(order, list) and None not in order:
                return tuple(shape[axis] for axis in order if axis is not None)
        return None

    def _reshaped(self, node: Node) -> Shape | None:
        sizes = self._values.get(node_name(node.inputs[1]))
        if not isinstance(sizes, list):
            return None
        shape = [None if size == -1 else size for size in sizes]
        source = self._shape(node.inputs[0])
        if shape.count(None) == 1 and source is not None and None not in source and 0 not in shape:
            rest = math.prod(size for size in shape if size is not None)
            shape[shape.index(None)] = math.prod(size for size in source if size is not None) // rest
        return tuple(shape)

    def _product(self, node: Node) -> Shape | None:
        left, right = (self._shape(tensor) for tensor in node.inputs[:2])
        if left is None or right is None:
            return None
        flip = [node.attrs.get(name, {}).get("b", False) for name in ("transpose_a", "transpose_b")]
        return left[1 if flip[0] else 0], right[0 if flip[1] else 1]

    # --- sizes ---

    def _value(self, node: Node) -> _Partial:
        if node.value is not None:
            value = np.asarray(node.value)
            if value.dtype != np.int32 or value.ndim > 1 or value.size > _LONGEST:
                return None
            numbers: list[int | None] | int = value.tolist()
            return numbers
        if node.op == "Shape":
            shape = self._shape(node.inputs[0])
            return None if shape is None else list(shape)
        compute = _SIZES.get(node.op)
        if compute is None or not node.inputs:
            return None
        if not all(is_first(tensor) for tensor in node.inputs):
            return None
        return compute(node.attrs, [self._values.get(node_name(tensor)) for tensor in node.inputs])


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of an elementwise op; a size is known where an operand's is, and is not 1."""
    rank = max(map(len, shapes))
    result: list[int | None] = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        known = sizes - {None}
        result.append(known.pop() if known else None if sizes else 1)
    return tuple(result)


def _gathered(_: Any, values: list[_Partial]) -> _Partial:
    sizes, places, axis = values
    if not isinstance(sizes, list) or axis != 0:
        return None
    if isinstance(places, list):
        return [sizes[place] if place is not None else None for place in places]
    return sizes[places] if places is not None else None


def _sliced(attrs: Any, values: list[_Partial]) -> _Partial:
    """Return ``sizes[begin:end]`` or ``sizes[begin]``."""
    sizes, *bounds = values
    if not isinstance(sizes, list) or not all(isinstance(each, list) and len(each) == 1 for each in bounds):
        return None
    begin, end, stride = (each[0] for each in bounds if isinstance(each, list))
    mask = {
        name: int(attrs.get(f"{name}_mask", {}).get("i", 0))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if begin is None or end is None or stride is None or mask["ellipsis"] or mask["new_axis"]:
        return None
    if mask["shrink_axis"]:
        return sizes[begin]
    return sizes[slice(None if mask["begin"] else begin, None if mask["end"] else end, stride)]


def _packed(attrs: Any, values: list[_Partial]) -> _Partial:
    if int(attrs.get("axis", {}).get("i", 0)) or any(isinstance(value, list) for value in values):
        return None
    return [value for value in values if not isinstance(value, list)]


def _joined(_: Any, values: list[_Partial]) -> _Partial:
    parts = [value for value in values[:-1] if isinstance(value, list)]
    return [size for part in parts for size in part] if len(parts) == len(values) - 1 else None


def _multiplied(attrs: Any, values: list[_Partial]) -> _Partial:
    if not isinstance(values[0], list) or attrs.get("keep_dims", {}).get("b", False):
        return None
    numbers = [each for each in values[0] if each is not None]
    return math.prod(numbers) if len(numbers) == len(values[0]) else None


def _same(_: Any, values: list[_Partial]) -> _Partial:
    return values[0]


_SIZES: dict[str, Callable[[Any, list[_Partial]], _Partial]] = {
    "Identity": _same,
    "GatherV2": _gathered,
    "StridedSlice": _sliced,
    "Pack": _packed,
    "ConcatV2": _joined,
    "Prod": _multiplied,
}
