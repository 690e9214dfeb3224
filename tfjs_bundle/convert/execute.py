"""Running a GraphModel with TensorFlow's own kernels, inside the child process.

The reference for models that come as a TF.js ``model.json``, where there is no Keras to ask: the graph
is the same, but neither TF.js's kernels nor our passes take part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import ParseDict
from tensorflow.core.framework import graph_pb2, node_def_pb2

from tfjs_bundle.graph.dtypes import proto_to_numpy
from tfjs_bundle.graph.ir import GraphModel, Node

#: TF.js's names for ops that TensorFlow knows under another.
_TENSORFLOW_OPS = {"FusedDepthwiseConv2dNative": "_FusedDepthwiseConv2dNative"}


def execute(graph: GraphModel, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run ``graph`` on ``inputs`` (in the signature's order); return its outputs in order."""
    definition = graph_pb2.GraphDef()
    ParseDict({"versions": graph.versions} if graph.versions else {}, definition)
    definition.node.extend(_node(node) for node in graph.nodes)
    for function in graph.functions.values():
        entry = definition.library.function.add()
        ParseDict(function.signature, entry.signature)
        entry.node_def.extend(_node(node) for node in function.nodes)
        entry.ret.update(function.ret)

    def tensor_name(name: str) -> str:
        return name if ":" in name else f"{name}:0"

    fed = [tensor_name(spec.tensor) for spec in graph.signature.inputs]
    fetched = [tensor_name(spec.tensor) for spec in graph.signature.outputs]
    function = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(definition, name=""), [])
    pruned = function.prune(fed, fetched)
    arguments = [
        tf.convert_to_tensor(value, dtype=tensor.dtype)
        for value, tensor in zip(inputs, pruned.inputs, strict=True)
    ]
    return [np.asarray(output.numpy()) for output in tf.nest.flatten(pruned(*arguments))]


def _node(node: Node) -> Any:
    proto = node_def_pb2.NodeDef(name=node.name, op=_TENSORFLOW_OPS.get(node.op, node.op), input=node.inputs)
    for name, attr in node.attrs.items():
        ParseDict(attr, proto.attr[name])
    if node.value is not None:
        dtype = node.attrs.get("dtype", {}).get("type", "DT_FLOAT")
        value = node.value if dtype == "DT_STRING" else node.value.astype(proto_to_numpy(dtype))
        proto.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return proto
