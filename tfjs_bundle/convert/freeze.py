"""The frozen trace, inside the child process: a model becomes a GraphModel without variables.

Every Keras 3 variable is replaced, in a ``keras.StatelessScope``, by a placeholder (large
tensors) or a constant (small ones) while the model is traced, so no weight of size
passes through TensorFlow's graph: the large ones are written to a file straight from the
variable, and attached to the IR where their placeholder stood. Variables that are not
Keras's (tf_keras models, SavedModels) are frozen by TensorFlow itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
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
from tensorflow.python.framework import convert_to_constants, function_def_to_graph
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.training.saver import export_meta_graph

from tfjs_bundle.convert import keras_faults
from tfjs_bundle.convert.folding import fold_integer_weights
from tfjs_bundle.convert.trace_store import TRACE, WEIGHTS, StoredTensor
from tfjs_bundle.errors import OutputError, UnsupportedModelError
from tfjs_bundle.graph.dtypes import tfjs_dtype, tfjs_tensor
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.partition import STRING_OPS
from tfjs_bundle.graph.passes.split_grouped_convolutions import GROUPS
from tfjs_bundle.graph.program import TABLE
from tfjs_bundle.source.model import reason

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
    tables: dict[str, Any]  # placeholder's node name -> the lookup table's resource


def freeze(model: SourceModel, directory: Path) -> None:
    """Trace ``model`` and write the graph and its weights into ``directory``.

    Raises:
        UnsupportedModelError: the model cannot be traced.
        OutputError: ``directory`` is full, or cannot be written.
    """
    trace = _trace(model)
    optimized = _optimize(trace, _GRAPPLER)
    text = _has_text(optimized)
    if text:  # what the model asserts of its words is a part of it: a word that it refuses is refused
        optimized = _optimize(trace, [name for name in _GRAPPLER if name != "debug_stripper"])
    optimized, weights = fold_integer_weights(optimized, trace.weights)
    trace = replace(trace, weights=weights)
    try:
        with (directory / WEIGHTS).open("wb") as stream:
            # a program computes in the source's own dtypes
            convert = np.asarray if text else tfjs_tensor
            graph = _to_ir(optimized, trace, model, lambda array: _store(stream, convert(array)))
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
        for name, output in zip(model.output_names, outputs, strict=True):
            if not isinstance(output, tf.Tensor):
                raise UnsupportedModelError(
                    f"The output {name!r} is a {type(output).__name__}; TF.js has dense tensors only.",
                    "Give the layer `ragged=False` or `sparse=False`, or make its output dense.",
                )
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
            f"The model cannot be traced: {type(error).__name__}: {reason(error)}",
            "Its call() must work on symbolic tensors with training=False; check it with "
            "keras.Function or tf.function first.",
        ) from error

    # by position, for the trace renames what it likes
    arguments = list(function.inputs)
    weights = {t.op.name: v for t, v in zip(arguments[count:], variables, strict=False)}
    captured = function.graph.captures
    weights.update({inner.op.name: outer for outer, inner in captured if inner.dtype != tf.resource})
    tables = {inner.op.name: outer for outer, inner in captured if inner.dtype == tf.resource}
    graph_def = function.graph.as_graph_def()
    calls = any(node.op.endswith("PartitionedCall") for node in graph_def.node)
    if function.graph.variables or (calls and (tables or _has_text(graph_def))):
        function = convert_to_constants.convert_variables_to_constants_v2(
            function, lower_control_flow=False, aggressive_inlining=True
        )
        graph_def = function.graph.as_graph_def()
    return _Trace(graph_def, arguments[:count], list(function.outputs), weights, tables)


def _has_text(graph_def: Any) -> bool:
    """Say whether a graph works with strings or looks values up; what only words an assertion does not."""
    bodies = [graph_def.node, *(function.node_def for function in graph_def.library.function)]
    return any(
        node.op in STRING_OPS
        or node.op.startswith("LookupTable")
        or (
            node.op not in ("Const", "Assert")
            and any(
                types_pb2.DT_STRING in (attr.type, *attr.list.type)
                for name, attr in node.attr.items()
                if not name.startswith("_")
            )
        )
        for body in bodies
        for node in body
    )


@contextmanager
def _inlined_functions() -> Iterator[None]:
    """Trace the functions inside a model in line.

    Keras hides grouped convolutions in ``tf.function(jit_compile=True)``, which no
    optimizer inlines; a function that "runs eagerly" while another is being traced simply runs.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with keras_faults.cured():
            yield
    finally:
        tf.config.run_functions_eagerly(before)


def _optimize(trace: _Trace, passes: Sequence[str]) -> Any:
    """Run grappler's ``passes`` over the trace; return the GraphDef."""
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
    rewriter.optimizers.extend(passes)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _to_ir(graph_def: Any, trace: _Trace, model: SourceModel, store: Any) -> GraphModel:
    """Turn the GraphDef into our IR; ``store`` keeps each constant and returns its stand-in."""
    input_nodes = [tensor.op.name for tensor in trace.inputs]
    inferred = tf.Graph()
    with inferred.as_default():
        tf.import_graph_def(graph_def, name="")
    groups = _convolution_groups(inferred.get_operations())
    shapes = _shapes_in_loops(inferred, {proto.signature.name: proto for proto in graph_def.library.function})
    nodes = []
    for proto in graph_def.node:
        node = _node(proto, store)
        if node.op == "Placeholder" and node.name in trace.weights:
            node = Node(node.name, "Const", value=store(_value(trace.weights[node.name])))
            node.attrs["dtype"] = {"type": _dtype_name(trace.weights[proto.name].dtype)}
        if node.name in trace.tables and node.op == "Placeholder":
            nodes += _table(node.name, trace.tables[node.name], graph_def, store)
            continue
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
        functions={
            proto.signature.name: _function(proto, store, shapes.get(proto.signature.name, {}))
            for proto in graph_def.library.function
        },
        versions=MessageToDict(graph_def.versions),
        layers={},
        shapes=_inferred_shapes(inferred.get_operations()),
    )


def _table(name: str, resource: Any, graph_def: Any, store: Any) -> list[Node]:
    """Read a lookup table; return its node and the constants with its keys and its values.

    They are in the values' order, or the keys' where values are words: the table itself has none.
    """
    users = [node for node in graph_def.node if name in (each.split(":")[0] for each in node.input)]
    typed = next((node for node in users if "Tin" in node.attr), None)
    if typed is None:
        place = users[0].name if users else name
        raise UnsupportedModelError(
            f"The model keeps something outside of its graph, in node {place!r}, that cannot be converted.",
            "Remove the layer, or compute this part before the model.",
        )
    try:
        keys, values = tf.raw_ops.LookupTableExportV2(
            table_handle=resource, Tkeys=typed.attr["Tin"].type, Tvalues=typed.attr["Tout"].type
        )
    except Exception as error:
        raise UnsupportedModelError(
            f"The lookup table of {typed.name!r} cannot be read: {reason(error)}",
            "Give the layer its vocabulary (`adapt`, or the argument `vocabulary`) and save the model again.",
        ) from error
    keys, values = keys.numpy(), values.numpy()
    order = np.lexsort((keys, values)) if values.dtype != object else np.argsort(keys, kind="stable")
    nodes = []
    for hint, array in (("keys", keys[order]), ("values", values[order])):
        dtype = {"type": _dtype_name(tf.string if array.dtype == object else array.dtype)}
        nodes.append(Node(f"{name}/{hint}", "Const", attrs={"dtype": dtype}, value=store(array)))
    return [*nodes, Node(name, TABLE, [node.name for node in nodes])]


def _inferred_shapes(operations: list[Any]) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of each tensor of known rank: ``"node"`` is the first output, ``"node:1"`` next."""
    shapes = {}
    for operation in operations:
        for index, tensor in enumerate(operation.outputs):
            if tensor.shape.rank is not None:
                name = f"{operation.name}:{index}" if index else operation.name
                shapes[name] = tuple(tensor.shape.as_list())
    return shapes


def _shapes_in_loops(graph: Any, library: dict[str, Any]) -> dict[str, dict[str, tuple[int | None, ...]]]:
    """Return the shapes inside the bodies and conditions of ``graph``'s loops, and of loops in these.

    What a loop's variables are in every step is what it returns: TensorFlow's own invariants.
    """
    found = {}
    for operation in graph.get_operations():
        if operation.type not in ("While", "StatelessWhile"):
            continue
        shapes = [tensor.shape.as_proto() for tensor in operation.outputs]
        for role in ("body", "cond"):
            name = operation.get_attr(role).name
            with graph.as_default():
                inside = function_def_to_graph.function_def_to_graph(library[name], input_shapes=shapes)
            found[name] = _inferred_shapes(inside.get_operations())
            found |= _shapes_in_loops(inside, library)
    return found


def _convolution_groups(operations: list[Any]) -> dict[str, int]:
    """Return the groups of each convolution: TensorFlow infers them from the shapes of input and filter."""
    found = {}
    for operation in operations:
        if operation.type in ("Conv2D", "Conv3D"):
            inputs, kernel = (tensor.shape for tensor in operation.inputs)
            axis = 1 if operation.get_attr("data_format").startswith(b"NC") else -1
            if inputs.rank and kernel.rank and inputs[axis] and kernel[-2]:
                found[operation.name] = inputs[axis] // kernel[-2]
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


def _function(proto: Any, store: Any, shapes: dict[str, tuple[int | None, ...]]) -> Function:
    return Function(
        name=proto.signature.name,
        signature=MessageToDict(proto.signature),
        nodes=[_node(node, store) for node in proto.node_def],
        ret=dict(sorted(proto.ret.items())),  # protobuf's maps have no order
        shapes=shapes,
    )


def _store(stream: Any, array: np.ndarray) -> StoredTensor | np.ndarray:
    """Append ``array`` to the weights file."""
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
