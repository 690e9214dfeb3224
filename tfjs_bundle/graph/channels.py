"""Weights with a scale per channel, as ``model.json`` has them: codes, scales, and a Mul of the two.

TF.js knows one scale per tensor. A Mul of two constants is right in every loader; ours computes it once,
while it loads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.encodings import CHANNEL_MIN, Encoding
from tfjs_bundle.graph.ir import GraphModel, Node, node_name

_TYPES = {"dtype": {"type": "DT_FLOAT"}}
_CODES = Encoding("uint8", 1.0, CHANNEL_MIN)


def split_channels(graph: GraphModel) -> GraphModel:
    """Return ``graph`` as it is written: each constant with scales per channel is a Mul under its name.

    Only constants of the main graph may have such scales. Where codes and scales do not give a constant's
    numbers exactly, it stays what it is.
    """
    nodes, encodings = [], {}
    taken = {node.name for node in graph.nodes}
    for node in graph.nodes:
        encoding = graph.encodings.get(node.name)
        parts = f"{node.name}/codes", f"{node.name}/scales"
        if encoding is None or encoding.channels is None or node.value is None or taken & set(parts):
            nodes.append(node)
            continue
        codes = encoding.exact(node.value)
        if codes is None:
            nodes.append(node)
            continue
        nodes += [
            Node(parts[0], "Const", attrs=dict(_TYPES), value=_CODES.decode(codes)),
            Node(parts[1], "Const", attrs=dict(_TYPES), value=encoding.channels),
            Node(node.name, "Mul", list(parts), {"T": {"type": "DT_FLOAT"}}),
        ]
        encodings[parts[0]] = _CODES
    kept = {name: each for name, each in graph.encodings.items() if each.channels is None}
    return replace(graph, nodes=nodes, encodings={**kept, **encodings})


def join_channels(graph: GraphModel) -> GraphModel:
    """Undo :func:`split_channels`: constants that only serve a Mul of codes and scales become one."""
    by_name = {node.name: node for node in graph.nodes}
    uses = Counter(node_name(tensor) for node in graph.nodes for tensor in node.inputs)
    uses.update(node_name(spec.tensor) for spec in graph.signature.outputs)
    gone: set[str] = set()
    nodes, encodings = [], dict(graph.encodings)
    for node in graph.nodes:
        parts = [by_name.get(node_name(tensor)) for tensor in node.inputs] if node.op == "Mul" else []
        codes, scales = parts if len(parts) == 2 else (None, None)
        if (
            codes is None
            or scales is None
            or codes.value is None
            or scales.value is None
            or graph.encodings.get(codes.name) != _CODES
            or scales.value.dtype != np.float32
            or scales.name in graph.encodings
            or np.broadcast_shapes(codes.value.shape, scales.value.shape) != codes.value.shape
            or uses[codes.name] + uses[scales.name] != 2
        ):
            nodes.append(node)
            continue
        nodes.append(Node(node.name, "Const", attrs=dict(_TYPES), value=codes.value * scales.value))
        gone |= {codes.name, scales.name}
        encodings[node.name] = replace(_CODES, channels=scales.value)
    encodings = {name: each for name, each in encodings.items() if name not in gone}
    return replace(graph, nodes=[node for node in nodes if node.name not in gone], encodings=encodings)
