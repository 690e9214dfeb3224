"""TF.js disposes of what a loop's body computes but does not return, even where a TensorList holds it.

A loop that writes into a list what it does not return as a state (``keras.ops.map``, ``keras.ops.scan``, a
TensorArray of the user's own) then stacks tensors that are gone: "Cannot read properties of undefined
(reading 'backend')" (TF.js 4.22). What is returned stays, and what stands in a list is not disposed of later.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import Function, GraphModel, Node, node_name
from tfjs_bundle.graph.passes.rewriting import constant

#: Where the written tensor stands among the inputs.
_WRITES = {"TensorListSetItem": 2, "TensorListPushBack": 1}

_NUMPY = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_}


def return_list_items(graph: GraphModel) -> GraphModel:
    """Return from every loop's body what it writes into TensorLists, through loop variables of their own.

    Requires :func:`bypass_identities`, after which a copy and its source are one tensor. The loop's own
    outputs keep their numbers: the new variables come last.
    """
    functions = dict(graph.functions)
    pending = {name: _items(function) for name, function in functions.items()}
    pending = {name: items for name, items in pending.items() if items}
    if not pending:
        return graph
    widened: set[str] = set()

    def body(nodes: list[Node], inside: bool) -> list[Node]:
        result = []
        for node in nodes:
            name = node.attrs.get("body", {}).get("func", {}).get("name", "")
            if node.op not in ("While", "StatelessWhile") or name not in pending:
                result.append(node)
                continue
            items = pending[name]
            if name not in widened:  # several loops may share a body
                widened.add(name)
                condition = node.attrs["cond"]["func"]["name"]
                functions[name] = _widened(functions[name], items, returns=True)
                functions[condition] = _widened(functions[condition], items, returns=False)
            starts = [
                constant(f"{node.name}/item_{index}", _NUMPY.get(dtype, np.float32)(0))
                for index, (_, dtype) in enumerate(items)
            ]
            result += [*starts, _wider(node, starts, [dtype for _, dtype in items], inside)]
        return result

    nodes = body(graph.nodes, False)
    for name in list(functions):
        functions[name] = replace(functions[name], nodes=body(functions[name].nodes, True))
    return replace(graph, nodes=nodes, functions=functions)


def _items(function: Function) -> list[tuple[str, str]]:
    """Return the tensors, and their dtypes, that the function computes and writes but does not return."""
    arguments = {argument["name"] for argument in function.signature.get("inputArg", [])}
    constants = {node.name for node in function.nodes if node.op == "Const"}
    kept = arguments | constants
    returned = set(function.ret.values())
    found: dict[str, str] = {}
    for node in function.nodes:
        if node.op in _WRITES:
            tensor = node.inputs[_WRITES[node.op]]
            if tensor not in returned and node_name(tensor) not in kept:
                found[tensor] = str(node.attrs["element_dtype"]["type"])
    return list(found.items())


def _widened(function: Function, items: list[tuple[str, str]], *, returns: bool) -> Function:
    """Add an argument for each item; where it ``returns``, a result too."""
    signature: dict[str, Any] = dict(function.signature)
    taken = {argument["name"] for argument in (*signature.get("inputArg", []), *signature["outputArg"])}
    inputs, outputs, ret = list(signature.get("inputArg", [])), list(signature["outputArg"]), {**function.ret}
    for index, (tensor, dtype) in enumerate(items):
        inputs.append({"name": _free(f"item_{index}", taken), "type": dtype})
        if returns:
            name = _free(f"written_{index}", taken)
            outputs.append({"name": name, "type": dtype})
            ret[name] = tensor
    return replace(function, signature={**signature, "inputArg": inputs, "outputArg": outputs}, ret=ret)


def _wider(node: Node, starts: list[Node], dtypes: list[str], inside: bool) -> Node:
    attrs = dict(node.attrs)
    types = attrs["T"]["list"]["type"]
    attrs["T"] = {"list": {"type": [*types, *dtypes]}}
    shapes = attrs.get("output_shapes", {}).get("list", {}).get("shape")
    if shapes:  # those of the items are open
        attrs["output_shapes"] = {"list": {"shape": [*shapes, *({"unknownRank": True} for _ in dtypes)]}}
    control = [tensor for tensor in node.inputs if tensor.startswith("^")]
    data = [tensor for tensor in node.inputs if not tensor.startswith("^")]
    new = [f"{start.name}:output:0" if inside else start.name for start in starts]
    return replace(node, inputs=[*data, *new, *control], attrs=attrs)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
