"""Running a GraphModel with TensorFlow's own kernels, inside the child process.

The reference for models that come as a TF.js ``model.json``, where there is no Keras to ask: the graph
is the same, but neither TF.js's kernels nor our passes take part, save that fused ops are expanded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import ParseDict
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.framework import op_def_registry

from tfjs_bundle.convert.tables import fill_tables
from tfjs_bundle.graph.dtypes import proto_to_numpy
from tfjs_bundle.graph.ir import Function, GraphModel, Node
from tfjs_bundle.graph.passes.expand_fused_ops import expand_fused_ops

#: Makes the names of functions unique: the trace that a graph came from may still be alive in this process.
_runs = itertools.count()


def execute(graph: GraphModel, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run ``graph`` on ``inputs`` (in the signature's order); return its outputs in order."""
    return prepare(graph)(inputs)


def prepare(graph: GraphModel) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """Return a function that runs ``graph``, for whoever runs it more than once; see :func:`execute`."""
    graph = expand_fused_ops(fill_tables(graph))
    prefix = f"run_{next(_runs)}_"
    definition = graph_pb2.GraphDef()
    ParseDict({"versions": graph.versions} if graph.versions else {}, definition)
    definition.node.extend(_node(node, prefix) for node in graph.nodes)
    for function in graph.functions.values():
        entry = definition.library.function.add()
        ParseDict({**function.signature, "name": prefix + function.name}, entry.signature)
        named = _output_names(function)
        entry.node_def.extend(
            _node(replace(node, inputs=[named(tensor) for tensor in node.inputs]), prefix)
            for node in function.nodes
        )
        entry.ret.update({name: named(tensor) for name, tensor in function.ret.items()})

    def tensor_name(name: str) -> str:
        return name if ":" in name else f"{name}:0"

    fed = [tensor_name(spec.tensor) for spec in graph.signature.inputs]
    fetched = [tensor_name(spec.tensor) for spec in graph.signature.outputs]
    with tf.Graph().as_default() as made:
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=made, config=_plainly())

    def run(inputs: list[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(output) for output in session.run(fetched, dict(zip(fed, inputs, strict=True)))]

    return run


def _plainly() -> Any:
    """Return a configuration in which nothing is rewritten: the kernels run as the graph says."""
    config = config_pb2.ConfigProto()
    config.graph_options.optimizer_options.opt_level = config_pb2.OptimizerOptions.L0
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def _output_names(function: Function) -> Callable[[str], str]:
    """Return a function that writes ``"node:output:0"`` with an output that the node's op has.

    TF.js does not look at the middle part, so that a pass may put another op in a node's place;
    TensorFlow does.
    """
    ops = {node.name: node.op for node in function.nodes}

    def named(tensor: str) -> str:
        parts = tensor.split(":")
        if len(parts) != 3 or parts[0] not in ops:
            return tensor
        op = op_def_registry.get(ops[parts[0]])
        known = [argument.name for argument in op.output_arg] if op else [parts[1]]
        return tensor if parts[1] in known else f"{parts[0]}:{known[0]}:{parts[2]}"

    return named


def _node(node: Node, prefix: str) -> Any:
    proto = node_def_pb2.NodeDef(name=node.name, op=node.op, input=node.inputs)
    for name, attr in node.attrs.items():
        ParseDict(attr, proto.attr[name])
        for function in (proto.attr[name].func, *proto.attr[name].list.func):
            if function.name:
                function.name = prefix + function.name
    if node.value is not None:
        dtype = node.attrs.get("dtype", {}).get("type", "DT_FLOAT")
        value = node.value if dtype == "DT_STRING" else node.value.astype(proto_to_numpy(dtype))
        proto.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return proto
