"""One graph with other numbers in some of its constants, run again and again in the child process.

Compression asks what happens to the outputs when a weight changes. A graph takes far longer to import than to
run, so that these weights are inputs of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tfjs_bundle.convert.execute import prepare
from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec


class Variants:
    """A graph that is imported once.

    Args:
        graph: what is run, by TensorFlow's own kernels.
        varied: constants of the main graph that may change, all of float32.
    """

    def __init__(self, graph: GraphModel, varied: list[str]) -> None:
        names = set(varied)
        self._values = {
            node.name: node.value for node in graph.nodes if node.name in names and node.value is not None
        }
        nodes = [_placeholder(node) if node.name in names else node for node in graph.nodes]
        specs = tuple(TensorSpec(name, None, "float32", "float32", f"{name}:0") for name in self._values)
        signature = Signature((*graph.signature.inputs, *specs), graph.signature.outputs)
        self._run = prepare(replace(graph, nodes=nodes, signature=signature))

    def run(self, inputs: list[np.ndarray], values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs in the signature's order, with ``values`` in place of constants by name."""
        return self._run([*inputs, *(values.get(name, value) for name, value in self._values.items())])


def _placeholder(node: Node) -> Node:
    assert node.value is not None
    shape = {"dim": [{"size": str(size)} for size in node.value.shape]}
    return Node(node.name, "Placeholder", [], {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": shape}})
