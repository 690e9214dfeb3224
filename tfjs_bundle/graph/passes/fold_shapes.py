"""A shape of which only the batch is unknown is a constant with -1 in its place.

Keras computes ``Shape(x)[0]`` and packs it with sizes that it knows: three nodes, and a number that is read
back from the graphics card.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.bodies import Body, rewrite_bodies
from tfjs_bundle.graph.passes.rewriting import constant


def fold_shapes(graph: GraphModel) -> GraphModel:
    """Give every Reshape a constant shape where the tracer knows all sizes of its output but one.

    Requires the shapes that the tracer knows; leaves what computed them to :func:`remove_unused`.
    """
    return rewrite_bodies(graph, _folded)


def _folded(body: Body) -> list[Node]:
    by_name = {node.name: node for node in body.nodes}
    taken = set(by_name)
    result = []
    for node in body.nodes:
        shape = body.shapes.get(node.name)
        if node.op == "Reshape" and shape is not None and shape.count(None) <= 1 and 0 not in shape:
            source = by_name.get(node_name(node.inputs[1]))
            if (source is None or source.value is None) and node.attrs["Tshape"]["type"] == "DT_INT32":
                name = _unused(f"{node.name}/shape", taken)
                sizes = constant(name, np.array([-1 if size is None else size for size in shape], np.int32))
                result.append(sizes)
                reference = f"{name}:output:0" if body.in_function else name
                node = replace(node, inputs=[node.inputs[0], reference, *node.inputs[2:]])
        result.append(node)
    return result


def _unused(name: str, taken: set[str]) -> str:
    base, count = name, 0
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    taken.add(name)
    return name
