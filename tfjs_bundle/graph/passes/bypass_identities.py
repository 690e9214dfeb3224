"""TF.js disposes of what a loop's body computes but does not return, even where a TensorList holds it.

An RNN writes its output into a list and returns it as the next state. Where the body returns a copy
(``Identity``) instead, the list is left with a tensor that is gone: on wasm an error (TF.js 4.22).
"""

from __future__ import annotations

from dataclasses import replace

from tfjs_bundle.graph.ir import Function, GraphModel, node_name


def bypass_identities(graph: GraphModel) -> GraphModel:
    """In every function, refer to the input of each Identity in place of its output. Leaves none there."""
    functions = {name: _bypass(function) for name, function in graph.functions.items()}
    return replace(graph, functions=functions)


def _bypass(function: Function) -> Function:
    sources = {node.name: node.inputs[0] for node in function.nodes if node.op == "Identity"}

    def resolve(tensor: str) -> str:
        while not tensor.startswith("^") and node_name(tensor) in sources:
            tensor = sources[node_name(tensor)]
        return tensor

    nodes = [
        replace(
            node,
            inputs=[
                resolve(tensor)
                for tensor in node.inputs
                if not (tensor.startswith("^") and node_name(tensor) in sources)
            ],
        )
        for node in function.nodes
        if node.name not in sources
    ]
    return replace(function, nodes=nodes, ret={name: resolve(each) for name, each in function.ret.items()})
