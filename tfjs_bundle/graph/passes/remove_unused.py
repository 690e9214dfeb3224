"""Nodes and functions that no output depends on."""

from __future__ import annotations

from dataclasses import replace

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.name_functions import called


def remove_unused(graph: GraphModel) -> GraphModel:
    """Drop nodes that no output needs and functions that no node calls; placeholders stay."""
    keep = [node_name(spec.tensor) for spec in (*graph.signature.inputs, *graph.signature.outputs)]
    nodes = _reachable(graph.nodes, keep)
    functions = {}
    waiting = [name for node in nodes for name in called(node)]
    while waiting:
        name = waiting.pop()
        if name in functions or name not in graph.functions:
            continue
        function = graph.functions[name]
        arguments = {argument["name"] for argument in function.signature.get("inputArg", [])}
        results = [
            node_name(tensor) for tensor in function.ret.values() if node_name(tensor) not in arguments
        ]
        stateful = [node.name for node in function.nodes if node.op == "NoOp"]
        body = _reachable(function.nodes, results + stateful)
        functions[name] = replace(function, nodes=body)
        waiting += [name for node in body for name in called(node)]
    ordered = {name: functions[name] for name in graph.functions if name in functions}
    return replace(graph, nodes=nodes, functions=ordered)


def _reachable(nodes: list[Node], roots: list[str]) -> list[Node]:
    by_name = {node.name: node for node in nodes}
    seen: set[str] = set()
    waiting = [name for name in roots if name in by_name]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_name:  # a function's argument is no node
            continue
        seen.add(name)
        waiting += [node_name(tensor) for tensor in by_name[name].inputs]
    return [node for node in nodes if node.name in seen]
