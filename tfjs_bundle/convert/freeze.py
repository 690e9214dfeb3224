"""The frozen trace, inside the child process: a model becomes a GraphModel without variables.

Every Keras 3 variable is replaced, in a ``keras.StatelessScope``, by a placeholder (large
tensors) or a constant (small ones) while the model is traced, so no weight of size
passes through TensorFlow's graph: the large ones are written to a file straight from the
variable, and attached to the IR where their placeholder stood. Variables that are not
Keras's (tf_keras models, SavedModels) are frozen by TensorFlow itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework import convert_to_constants
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.training.saver import export_meta_graph

from tfjs_bundle.convert.folding import fold_integer_weights
from tfjs_bundle.convert.trace_store import TRACE, WEIGHTS, StoredTensor
from tfjs_bundle.errors import OutputError, UnsupportedModelError
from tfjs_bundle.graph.dtypes import tfjs_dtype, tfjs_tensor
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.split_grouped_convolutions import GROUPS

if TYPE_CHECKING:
    from tfjs_bundle.source.model import SourceModel

#: Tensors with at most this many elements stay constants of the trace, where grappler
#: can compute with them; larger ones are attached afterwards.
SMALL = 1024

#: What grappler does safely. ``remap`` is left out: it takes residuals for biases and fuses
#: activations that TF.js has no fused form of.
_GRAPPLER = ("pruning", "debug_stripper", "constfold", "dependency")


@dataclass(frozen=True)
class _Trace:
    """A concrete function's graph with the values of all its placeholders but the inputs."""

    graph_def: Any
    inputs: list[Any]  # one symbolic tensor per input of the model
    outputs: list[Any]
    weights: dict[str, Any]  # placeholder's node name -> variable or eager tensor


def freeze(model: SourceModel, directory: Path) -> None:
    """Trace ``model`` and write the graph and its weights into ``directory``.

    Raises:
        UnsupportedModelError: the model cannot be traced.
        OutputError: ``directory`` is full, or cannot be written.
    """
    trace = _trace(model)
    optimized = _optimize(trace)
    optimized, weights = fold_integer_weights(optimized, trace.weights)
    trace = replace(trace, weights=weights)
    try:
        with (directory / WEIGHTS).open("wb") as stream:
            graph = _to_ir(optimized, trace, model, lambda array: _store(stream, array))
        with (directory / TRACE).open("wb") as stream:
            pickle.dump(graph, stream)
    except OSError as error:
        raise OutputError(
            f"The weights cannot be written to {directory}: {error.strerror or error}.",
            "Free some space, or name another temporary directory in TMPDIR.",
        ) from None


def save_frozen(model: SourceModel, directory: Path) -> None:
    """Write ``model`` as a SavedModel in which every weight is a constant, for the stock converter.

    Inputs and outputs are named ``input_<i>`` and ``output_<000i>``: the stock converter tells tensors of one
    dtype and shape apart by their names alone.
    """
    names = [f"input_{index}" for index in range(len(model.inputs))]
    mapping = [(variable, tf.constant(variable.numpy())) for variable in model.keras3_variables]

    def serve(**inputs: Any) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=mapping):
            outputs = model.call([inputs[name] for name in names])
        return {f"output_{index:04}": tf.identity(output) for index, output in enumerate(outputs)}

    specs = {
        name: tf.TensorSpec(spec.shape, spec.dtype, name)
        for name, spec in zip(names, model.inputs, strict=True)
    }
    with _inlined_functions():
        function = tf.function(serve, autograph=False).get_concrete_function(**specs)
    module = tf.Module()
    # a SavedModel must own the variables that its signature captures: tf_keras's, another SavedModel's
    module.owned = list(function.graph.variables)
    tf.saved_model.save(module, str(directory), signatures=function)


def _trace(model: SourceModel) -> _Trace:
    """Trace with placeholders for the large variables; see the module's docstring."""
    variables = [v for v in model.keras3_variables if np.prod(v.shape, dtype=np.int64) > SMALL]
    large = {id(variable) for variable in variables}
    small = [(v, _value(v)) for v in model.keras3_variables if id(v) not in large]
    count = len(model.inputs)

    def frozen(*tensors: Any) -> list[Any]:
        mapping = list(zip(variables, tensors[count:], strict=True))
        mapping += [(variable, tf.constant(value)) for variable, value in small]
        with keras.StatelessScope(state_mapping=mapping):
            outputs = model.call(list(tensors[:count]))
        return [tf.identity(output) for output in outputs]

    specs = [tf.TensorSpec(spec.shape, spec.dtype, f"input_{i}") for i, spec in enumerate(model.inputs)]
    specs += [tf.TensorSpec(v.shape, v.dtype, f"weight_{i}") for i, v in enumerate(variables)]
    try:
        with _inlined_functions():
            function = tf.function(frozen, autograph=False).get_concrete_function(*specs)
    except UnsupportedModelError:
        raise
    except Exception as error:
        raise UnsupportedModelError(
            f"The model cannot be traced: {type(error).__name__}: {_first_lines(error)}",
            "Its call() must work on symbolic tensors with training=False; check it with "
            "keras.Function or tf.function first.",
        ) from error

    # by position, for the trace renames what it likes
    arguments = list(function.inputs)
    weights = {t.op.name: v for t, v in zip(arguments[count:], variables, strict=False)}
    captured = function.graph.captures
    weights.update({inner.op.name: outer for outer, inner in captured if inner.dtype != tf.resource})
    if any(inner.dtype == tf.resource for _, inner in captured):
        function = convert_to_constants.convert_variables_to_constants_v2(
            function, lower_control_flow=False, aggressive_inlining=True
        )
    return _Trace(function.graph.as_graph_def(), arguments[:count], list(function.outputs), weights)


@contextmanager
def _inlined_functions() -> Iterator[None]:
    """Trace the functions inside a model in line.

    Keras hides grouped convolutions in ``tf.function(jit_compile=True)``, which no
    optimizer inlines; a function that "runs eagerly" while another is being traced simply runs.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _optimize(trace: _Trace) -> Any:
    """Run grappler's safe passes over the trace; return the GraphDef."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(trace.graph_def, name="")
    meta_graph: meta_graph_pb2.MetaGraphDef = export_meta_graph(graph_def=trace.graph_def, graph=graph)
    fetches = meta_graph_pb2.CollectionDef()
    fetches.node_list.value.extend(tensor.name for tensor in trace.outputs)
    meta_graph.collection_def["train_op"].CopyFrom(fetches)
    config = config_pb2.ConfigProto()
    rewriter = config.graph_options.rewrite_options
    rewriter.min_graph_nodes = -1
    rewriter.optimizers.extend(_GRAPPLER)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _to_ir(graph_def: Any, trace: _Trace, model: SourceModel, store: Any) -> GraphModel:
    """Turn the GraphDef into our IR; ``store`` keeps each constant and returns its stand-in."""
    input_nodes = [tensor.op.name for tensor in trace.inputs]
    inferred = tf.Graph()
    with inferred.as_default():
        tf.import_graph_def(graph_def, name="")
    groups = _convolution_groups(inferred.get_operations())
    nodes = []
    for proto in graph_def.node:
        node = _node(proto, store)
        if node.op == "Placeholder" and node.name in trace.weights:
            node = Node(node.name, "Const", value=store(_value(trace.weights[node.name])))
            node.attrs["dtype"] = {"type": _dtype_name(trace.weights[proto.name].dtype)}
        if groups.get(node.name, 1) > 1:
            node.attrs[GROUPS] = {"i": str(groups[node.name])}
        nodes.append(node)
    present = {node.name for node in nodes}
    for name, spec in zip(input_nodes, model.inputs, strict=True):
        if name not in present:  # an input that no output depends on is pruned; it stays in the signature
            shape = (
                {"unknownRank": True}
                if spec.shape is None
                else {"dim": [{"size": str(-1 if size is None else size)} for size in spec.shape]}
            )
            attrs: dict[str, Any] = {"dtype": {"type": _dtype_name(spec.dtype)}, "shape": {"shape": shape}}
            nodes.insert(0, Node(name, "Placeholder", attrs=attrs))
    return GraphModel(
        nodes=nodes,
        signature=_signature(model, input_nodes, trace.outputs),
        functions={proto.signature.name: _function(proto, store) for proto in graph_def.library.function},
        versions=MessageToDict(graph_def.versions),
        layers={},
        shapes=_inferred_shapes(inferred.get_operations()),
    )


def _inferred_shapes(operations: list[Any]) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of each tensor of known rank: ``"node"`` is the first output, ``"node:1"`` next."""
    shapes = {}
    for operation in operations:
        for index, tensor in enumerate(operation.outputs):
            if tensor.shape.rank is not None:
                name = f"{operation.name}:{index}" if index else operation.name
                shapes[name] = tuple(tensor.shape.as_list())
    return shapes


def _convolution_groups(operations: list[Any]) -> dict[str, int]:
    """Return the groups of each Conv2D: TensorFlow infers them from the shapes of input and filter."""
    found = {}
    for operation in operations:
        if operation.type == "Conv2D":
            inputs, kernel = (tensor.shape for tensor in operation.inputs)
            axis = 1 if operation.get_attr("data_format") == b"NCHW" else 3
            if inputs.rank == 4 and kernel.rank == 4 and inputs[axis] and kernel[2]:
                found[operation.name] = inputs[axis] // kernel[2]
    return found


def _signature(model: SourceModel, input_nodes: list[str], outputs: list[Any]) -> Signature:
    inputs = tuple(
        TensorSpec(spec.name, spec.shape, tfjs_dtype(spec.dtype), spec.dtype, f"{node}:0")
        for spec, node in zip(model.inputs, input_nodes, strict=True)
    )
    return Signature(
        inputs,
        tuple(
            TensorSpec(
                name,
                None if tensor.shape.rank is None else tuple(tensor.shape.as_list()),
                tfjs_dtype(tensor.dtype.name),
                tensor.dtype.name,
                tensor.name,
            )
            for name, tensor in zip(model.output_names, outputs, strict=True)
        ),
    )


def _node(proto: Any, store: Any) -> Node:
    value = None
    if proto.op == "Const":
        value = store(tf.make_ndarray(proto.attr["value"].tensor))
    attrs = {
        name: MessageToDict(attr)
        for name, attr in sorted(proto.attr.items())
        if not name.startswith("_") and name != "value"
    }
    return Node(proto.name, proto.op, list(proto.input), attrs, value)


def _function(proto: Any, store: Any) -> Function:
    return Function(
        name=proto.signature.name,
        signature=MessageToDict(proto.signature),
        nodes=[_node(node, store) for node in proto.node_def],
        ret=dict(sorted(proto.ret.items())),  # protobuf's maps have no order
    )


def _store(stream: Any, array: np.ndarray) -> StoredTensor | np.ndarray:
    """Append ``array`` to the weights file, in the dtype TF.js has for it."""
    array = tfjs_tensor(array)
    if array.dtype == object:
        return array
    stream.write(b"\0" * (-stream.tell() % 64))
    offset = stream.tell()
    np.ascontiguousarray(array).tofile(stream)
    return StoredTensor(offset, array.dtype.str, array.shape)


def _value(source: Any) -> np.ndarray:
    return np.asarray(source.numpy())


def _dtype_name(dtype: Any) -> str:
    """Return protobuf's name of a dtype: ``float32`` is ``DT_FLOAT``."""
    return str(types_pb2.DataType.Name(tf.as_dtype(dtype).as_datatype_enum))


def _first_lines(error: Exception, count: int = 4) -> str:
    return "\n".join([line for line in str(error).splitlines() if line.strip()][:count])
