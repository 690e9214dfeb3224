"""Lookup tables as TensorFlow runs them, for graphs that are run before a program was taken out of them."""

from __future__ import annotations

from dataclasses import replace

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.program import TABLE


def fill_tables(graph: GraphModel) -> GraphModel:
    """Rewrite each table of constants as a HashTableV2, filled before whatever reads it."""
    tables = {node.name: node for node in graph.nodes if node.op == TABLE}
    if not tables:
        return graph
    by_name = {node.name: node for node in graph.nodes}
    nodes = []
    for node in graph.nodes:
        if node.name in tables:
            keys, values = (by_name[node_name(tensor)].attrs["dtype"] for tensor in node.inputs)
            nodes.append(Node(node.name, "HashTableV2", [], {"key_dtype": keys, "value_dtype": values}))
            types = {"Tin": keys, "Tout": values}
            nodes.append(Node(_filling(node.name), "LookupTableImportV2", [node.name, *node.inputs], types))
            continue
        read = [node_name(tensor) for tensor in node.inputs if node_name(tensor) in tables]
        nodes.append(replace(node, inputs=[*node.inputs, *(f"^{_filling(name)}" for name in read)]))
    return replace(graph, nodes=nodes)


def _filling(table: str) -> str:
    return f"{table}/fill"
