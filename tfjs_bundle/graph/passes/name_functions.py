"""TensorFlow numbers functions by what was traced before: nothing else in two traces of one model differs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tfjs_bundle.graph.ir import Function, GraphModel, Node, node_name


def name_functions(graph: GraphModel) -> GraphModel:
    """Number functions, and put them in the order, in which the graph calls them.

    Leaves out functions that nothing calls. The same model gives the same graph, whatever the process
    has traced before.
    """
    names: dict[str, str] = {}
    waiting = list(graph.nodes)
    while waiting:
        node = waiting.pop(0)
        for name in called(node):
            if name in graph.functions and name not in names:
                stem = re.sub(r"_\d+$", "", name)
                names[name] = f"{stem}_{len(names)}"
                waiting += graph.functions[name].nodes
    if not names:
        return graph
    # arguments of a function may be named after it, in lower case
    words = {**names, **{old.lower(): new.lower() for old, new in names.items()}}
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))

    def text(old: str) -> str:
        return pattern.sub(lambda match: words[match[0]], old)

    def nodes(old: list[Node], reference: Callable[[str], str] | None) -> list[Node]:
        return [
            replace(
                node,
                inputs=[reference(tensor) for tensor in node.inputs] if reference else node.inputs,
                attrs={name: _renamed(attr, names) for name, attr in node.attrs.items()},
            )
            for node in old
        ]

    def function(old: Function) -> Function:
        signature = dict(old.signature, name=names[old.name])
        for kind in ("inputArg", "outputArg"):
            if kind in signature:
                signature[kind] = [
                    dict(argument, name=text(argument["name"])) for argument in signature[kind]
                ]
        own = {node.name for node in old.nodes}  # a node may be called as the function that it calls

        def reference(tensor: str) -> str:
            return tensor if node_name(tensor) in own else text(tensor)

        ret = {text(name): reference(tensor) for name, tensor in old.ret.items()}
        inside = nodes(old.nodes, reference)
        return replace(old, name=names[old.name], signature=signature, nodes=inside, ret=ret)

    functions = {new: function(graph.functions[old]) for old, new in names.items()}
    return replace(graph, nodes=nodes(graph.nodes, None), functions=functions)


def called(node: Node) -> list[str]:
    """Return the functions that ``node`` names in its attributes, in the order of the attributes' names."""
    found = []
    for _, attr in sorted(node.attrs.items()):
        functions = [attr["func"]] if "func" in attr else attr.get("list", {}).get("func", [])
        found += [function["name"] for function in functions]
    return found


def _renamed(attr: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    def new(function: dict[str, Any]) -> dict[str, Any]:
        return dict(function, name=names.get(function["name"], function["name"]))

    if "func" in attr:
        return {"func": new(attr["func"])}
    if "func" in attr.get("list", {}):
        return {"list": {"func": [new(function) for function in attr["list"]["func"]]}}
    return attr
