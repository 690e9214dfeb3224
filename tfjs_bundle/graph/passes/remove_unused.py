"""Nodes and functions that no output depends on."""

from __future__ import annotations

from dataclasses import replace

from tfjs_bundle.graph.ir import GraphModel, Node, node_name


def remove_unused(graph: GraphModel) -> GraphModel:
    """Drop nodes that no output needs and functions that no node calls; placeholders stay."""
    keep = [node_name(spec.tensor) for spec in (*graph.signature.inputs, *graph.signature.outputs)]
    nodes = _reachable(graph.nodes, keep)
    functions = {}
    waiting = _called(nodes)
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
        waiting += _called(body)
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


def _called(nodes: list[Node]) -> list[str]:
    """Return the functions that ``nodes`` name in their attributes."""
    names = []
    for node in nodes:
        for attr in node.attrs.values():
            functions = [attr["func"]] if "func" in attr else attr.get("list", {}).get("func", [])
            names += [function["name"] for function in functions]
    return names
