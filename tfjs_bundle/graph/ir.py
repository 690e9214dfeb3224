"""The intermediate representation of a TF.js graph model.

A :class:`GraphModel` is named nodes with op, inputs, attributes and numpy
constants, a library of functions for loop bodies, and the signature by name. It
knows nothing of files (see :mod:`tfjs_bundle.graph.serde`) and nothing of
TensorFlow.
"""

from __future__ import annotations

import base64
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from tfjs_bundle.graph.encodings import Encoding


#: An attribute as protobuf's JSON form has it: ``{"type": "DT_FLOAT"}``, ``{"i": "2"}``,
#: ``{"list": {"i": ["1", "2"]}}``, ``{"func": {"name": "while_body"}}``.
Attr = dict[str, Any]


@dataclass(frozen=True)
class TensorSpec:
    """One named input or output of a model.

    Attributes:
        name: the public name, by Keras's order and names.
        shape: dimensions, ``None`` where unknown; ``None`` for an unknown rank.
        dtype: as TF.js has it: ``float32``, ``int32``, ``bool``, ``string``, ``complex64``.
        source_dtype: as Keras has it, for instance ``uint8`` or ``int64``.
        tensor: the graph tensor behind it, ``"node"`` or ``"node:1"``.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    source_dtype: str
    tensor: str


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs, each in Keras's order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass
class Node:
    """One operation.

    Attributes:
        name: unique in its graph or function.
        op: the TensorFlow op, for instance ``"Conv2D"``.
        inputs: ``"node"``, ``"node:1"`` or ``"^node"`` (a control input); inside a function
            also ``"node:output_name:0"``.
        attrs: by name, in protobuf's JSON form.
        value: the tensor of a ``Const``; ``None`` for every other op. May be a memory map.
    """

    name: str
    op: str
    inputs: list[str] = field(default_factory=list)
    attrs: dict[str, Attr] = field(default_factory=dict)
    value: np.ndarray | None = None


@dataclass
class Function:
    """A function of the library: the body or condition of a loop, the branch of an If.

    Attributes:
        name: its name in the library.
        signature: protobuf's JSON form of the ``OpDef`` (``name``, ``inputArg``, ``outputArg``).
        nodes: in topological order.
        ret: output argument to tensor (``"node:output:0"``).
        attrs: the function's own attributes, in protobuf's JSON form.
        shapes: node or argument -> the shape of its first output that the tracer inferred, as
            :attr:`GraphModel.shapes` has those of the main graph.
    """

    name: str
    signature: dict[str, Any]
    nodes: list[Node]
    ret: dict[str, str]
    attrs: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)


@dataclass
class GraphModel:
    """A whole model: what a ``model.json`` with its weights says."""

    nodes: list[Node]
    signature: Signature
    functions: dict[str, Function] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    #: node name -> Keras layer path, for messages; empty where it is not known
    layers: dict[str, str] = field(default_factory=dict)
    #: tensor of the main graph (``"node"``, ``"node:1"``) -> the shape that the tracer inferred, where it
    #: knows the rank; a hint for passes, which may find it empty, and not a part of any file
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    #: weight (as :meth:`weights` names it) -> how it is written, where it is not by its own bytes; what does
    #: not give the constant's numbers exactly is as good as none
    encodings: dict[str, Encoding] = field(default_factory=dict)

    def bodies(self) -> Iterator[tuple[str, list[Node]]]:
        """Yield ``(function name, nodes)`` of the main graph (``""``) and of every function."""
        yield "", self.nodes
        for function in self.functions.values():
            yield function.name, function.nodes

    def ops(self) -> set[str]:
        """Return the ops in use, the functions' included."""
        return {node.op for _, nodes in self.bodies() for node in nodes}

    def weights(self) -> dict[str, np.ndarray]:
        """Return every constant by its weight name (``node``, or ``function/node``)."""
        return {
            f"{function}/{node.name}" if function else node.name: node.value
            for function, nodes in self.bodies()
            for node in nodes
            if node.value is not None
        }


def node_name(tensor: str) -> str:
    """Return the node behind an input reference: ``"^a:1"`` and ``"a:out:0"`` are both ``"a"``."""
    return tensor.lstrip("^").split(":", 1)[0]


def text(node: Node, attr: str) -> str:
    """Return an attribute of text, which protobuf's JSON form has in base64; empty where there is none."""
    return base64.b64decode(str(node.attrs.get(attr, {}).get("s", ""))).decode()


def unused_name(wanted: str, taken: Container[str]) -> str:
    """Return ``wanted``, with a number behind it where that is taken."""
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name
