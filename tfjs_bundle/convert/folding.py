"""Folding of integer weights, inside the child process.

Keras unpacks the int4 weights of quantized layers at every call, by bitwise operations on int8 that TF.js
does not have; the result is the same every time.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import op_def_registry

_INTEGERS = (tf.int8, tf.uint8, tf.int16, tf.uint16)


def fold_integer_weights(graph_def: Any, weights: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Compute what depends on small integers among the weights and on nothing else but weights.

    Args:
        graph_def: with a placeholder for every large weight.
        weights: by placeholder's name, what has its value.

    Returns:
        The GraphDef with a placeholder for each tensor so computed, and ``weights`` with their values.
    """
    nodes = {node.name for node in graph_def.node}
    fed = {name: weight for name, weight in weights.items() if name in nodes}
    sources = {name for name, weight in fed.items() if tf.as_dtype(weight.dtype) in _INTEGERS}
    if not sources:
        return graph_def, weights
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    operations = graph.get_operations()  # in topological order
    fixed, derived = set(fed), set(sources)
    for operation in operations:
        inputs = {tensor.op.name for tensor in operation.inputs}
        if operation.type == "Const" or (inputs and inputs <= fixed and _computes(operation)):
            fixed.add(operation.name)
            if inputs & derived:
                derived.add(operation.name)
    used = {
        tensor.op.name
        for operation in operations
        if operation.name not in fixed
        for tensor in operation.inputs
    }
    wanted = sorted(used & (derived - sources))
    if not wanted:
        return graph_def, weights
    values = _values(graph_def, fed, wanted)
    folded = graph_pb2.GraphDef()
    folded.CopyFrom(graph_def)
    for node in folded.node:
        if node.name in values:
            node.op = "Placeholder"
            del node.input[:]
            node.attr.clear()
            node.attr["dtype"].type = values[node.name].dtype.as_datatype_enum
    return folded, {**weights, **values}


def _computes(operation: Any) -> bool:
    """Say whether the operation gives one tensor, the same for the same inputs."""
    definition = op_def_registry.get(operation.type)
    return (
        definition is not None
        and not definition.is_stateful
        and len(operation.outputs) == 1
        and not any(attr.type in ("func", "list(func)") for attr in definition.attr)
    )


def _values(graph_def: Any, fed: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """Run the nodes ``wanted`` on the values of the weights ``fed``."""
    function = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph_def, name=""), [])
    pruned = function.prune([f"{name}:0" for name in fed], [f"{name}:0" for name in wanted])
    arguments = [
        tf.convert_to_tensor(weight.numpy(), tensor.dtype)
        for weight, tensor in zip(fed.values(), pruned.inputs, strict=True)
    ]
    return dict(zip(wanted, tf.nest.flatten(pruned(*arguments)), strict=True))
