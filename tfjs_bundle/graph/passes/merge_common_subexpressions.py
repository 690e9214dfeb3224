"""The same computation twice: of one layer called on one tensor, of constants that are equal."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.bodies import Body, rewrite_bodies
from tfjs_bundle.graph.passes.name_functions import called

#: Parts of the names of ops that give something else each time, or that work on what they are given.
_STATEFUL = (
    *(
        "Random",
        "Normal",
        "Multinomial",
        "Shuffle",
        "Dropout",
        "TensorList",
        "TensorArray",
        "Table",
        "Placeholder",
    ),
    *("NoOp", "Print", "Assert", "Enter", "Exit", "Merge", "Switch", "NextIteration", "LoopCond"),
)


def merge_common_subexpressions(graph: GraphModel) -> GraphModel:
    """Let all that uses one of several nodes of the same op, attributes and inputs use the first of them.

    Constants are the same if their bytes are. Nodes that call functions, draw random numbers or keep a state
    are left, as are nodes that are known from outside. Leaves what nobody uses any more to
    :func:`remove_unused`.
    """
    return rewrite_bodies(graph, _merged)


def _merged(body: Body) -> list[Node]:
    sizes = Counter(_kind(node.value) for node in body.nodes if node.value is not None)
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}  # node -> the one to use in its place
    result = []
    for node in body.nodes:
        inputs = [_instead(tensor, same) for tensor in node.inputs]
        if inputs != node.inputs:
            node = replace(node, inputs=inputs)
        result.append(node)
        if node.value is not None:
            if sizes[_kind(node.value)] == 1:
                continue  # there is none like it: no need to read it
            key: tuple[object, ...] = (*_kind(node.value), node.attrs["dtype"]["type"], _digest(node.value))
        elif any(part in node.op for part in _STATEFUL) or called(node) or _has_control(node):
            continue
        else:
            key = (node.op, json.dumps(node.attrs, sort_keys=True), *inputs)
        other = first.setdefault(key, node.name)
        if other != node.name and node.name not in body.kept:
            same[node.name] = other
    return result


def _instead(tensor: str, same: dict[str, str]) -> str:
    name = node_name(tensor)
    return tensor.replace(name, same[name], 1) if name in same else tensor


def _has_control(node: Node) -> bool:
    return any(tensor.startswith("^") for tensor in node.inputs)


def _kind(value: np.ndarray) -> tuple[object, ...]:
    return value.dtype.str, value.shape


def _digest(value: np.ndarray) -> bytes | str:
    if value.dtype.kind in "OSU":
        return repr(value.tolist())
    return hashlib.sha256(np.ascontiguousarray(value).data).digest()
