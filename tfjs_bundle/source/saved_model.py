"""Reading SavedModel directories, of Keras 2, Keras 3 or TensorFlow alone (in the child process)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.saved_model import loader_impl

from tfjs_bundle.errors import SourceError, UnsupportedModelError, UsageError
from tfjs_bundle.source.custom import OUTSIDE_OPS, RUNNING_OPS
from tfjs_bundle.source.identify import SourceFile
from tfjs_bundle.source.keras3 import layer_and_weight, refuse_bad_numbers
from tfjs_bundle.source.model import LayerInfo, SourceModel, dense_input, reference_of

READER = f"TensorFlow {tf.__version__}"

_EXPORT_AGAIN = "Copy the whole directory again, or export the model again with `model.export(...)`."


def read(file: SourceFile, signature: str | None = None) -> SourceModel:
    """Read a SavedModel and take one of its signatures.

    Args:
        file: of format ``savedmodel``.
        signature: its key; by default the only one, or ``serving_default``, or ``serve``.

    Raises:
        SourceError: it cannot be loaded, has no signature, or has NaN among its weights.
        UsageError: ``signature`` is none of its signatures, or it has several and none is named.
        UnsupportedModelError: it reads or writes files or calls Python, or has inputs that are no
            dense tensors.
    """
    _refuse_running_code(file)
    loaded = _load(file)
    key = _choose(file, loaded, signature)
    function = loaded.signatures[key]
    _refuse_outside_ops(file, function)
    warnings: list[str] = []
    variables = _variables(loaded, function)
    refuse_bad_numbers(file, ((*layer_and_weight(name), value) for name, value in variables), warnings)

    _, keywords = function.structured_input_signature
    inputs = tuple(
        dense_input(file, name, keywords[name], "Export a signature with dense inputs.")
        for name in _input_order(loaded, keywords)
    )
    output_names = tuple(sorted(function.structured_outputs, key=_by_number))

    def call(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        named = {spec.name: tensor for spec, tensor in zip(inputs, tensors, strict=True)}
        outputs = function(**named)
        assert loaded is not None  # a signature does not keep its own variables alive
        return [outputs[name] for name in output_names]

    return SourceModel(
        call=call,
        inputs=inputs,
        output_names=output_names,
        keras3_variables=(),
        reference=reference_of(call, inputs),
        layers=tuple(_layers(variables)),
        reader=READER,
        keras_version=None,
        warnings=tuple(warnings),
    )


def _refuse_running_code(file: SourceFile) -> None:
    """Look for ops that write files or call Python before anything is loaded: loading runs initializers."""
    try:
        parsed = loader_impl.parse_saved_model(str(file.path))
    except Exception:  # loading it says what is wrong
        return
    for meta_graph in parsed.meta_graphs:
        graph = meta_graph.graph_def
        bodies = [graph.node, *(function.node_def for function in graph.library.function)]
        found = sorted({node.op for body in bodies for node in body} & RUNNING_OPS)
        if found:
            raise UnsupportedModelError(
                f"{file.path} reaches outside the model ({', '.join(found)}): it writes files or runs code.",
                "Export the model without that part.",
            )


def _load(file: SourceFile) -> Any:
    try:
        return tf.saved_model.load(str(file.path))
    except Exception as error:  # TensorFlow raises its own, OSError, ValueError, KeyError, ...
        text = " ".join(str(error).split())
        op = re.search(r"Op type not registered '(\w+)'", text)
        if op:
            raise SourceError(
                f"{file.path} uses the op {op[1]}, which plain TensorFlow does not have.",
                "It comes from an add-on (TensorFlow Text, Decision Forests, ...); no browser has it either. "
                "Export the model without that part.",
            ) from error
        raise SourceError(f"{file.path} cannot be read by {READER}: {text[:300]}", _EXPORT_AGAIN) from error


def _choose(file: SourceFile, loaded: Any, signature: str | None) -> str:
    keys = sorted(key for key in getattr(loaded, "signatures", {}) if not key.startswith("__"))
    listed = ", ".join(keys)
    if not keys:
        raise SourceError(
            f"{file.path} has no signature, so nothing says what goes in and what comes out.",
            "Export it with one: `model.export(...)`, or `tf.saved_model.save(..., signatures=...)`.",
        )
    if signature is not None:
        if signature not in keys:
            raise UsageError(f"{file.path} has no signature {signature!r}.", f"It has: {listed}.")
        return signature
    if len(keys) == 1:
        return keys[0]
    for usual in ("serving_default", "serve"):
        if usual in keys:
            return usual
    raise UsageError(f"{file.path} has several signatures: {listed}.", "Choose one: --signature KEY.")


def _refuse_outside_ops(file: SourceFile, function: Any) -> None:
    graph = function.graph.as_graph_def()
    ops = {node.op for node in graph.node}
    for body in graph.library.function:
        ops.update(node.op for node in body.node_def)
    found = sorted(ops & OUTSIDE_OPS)
    if found:
        raise UnsupportedModelError(
            f"{file.path} reaches outside the model ({', '.join(found)}): it uses files or calls Python.",
            "Export the model without that part.",
        )


def _input_order(loaded: Any, keywords: dict[str, Any]) -> list[str]:
    """Return the inputs' names in Keras's order where the SavedModel still knows it.

    A signature's own arguments are sorted by name; Keras stores the model's call beside it, whose
    arguments are in the model's order.
    """
    for attribute in ("serve", "__call__"):
        for concrete in getattr(getattr(loaded, attribute, None), "concrete_functions", []):
            specs = tf.nest.flatten(concrete.structured_input_signature)
            names = [spec.name for spec in specs if isinstance(spec, tf.TensorSpec)]
            if len(names) == len(keywords) and set(names) == set(keywords):
                return names
    return sorted(keywords, key=_by_number)


def _by_number(name: str) -> list[tuple[int, int, str]]:
    """Sort ``output_10`` after ``output_9``."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    ]


def _variables(loaded: Any, function: Any) -> list[tuple[str, np.ndarray]]:
    names: dict[str, np.ndarray] = {}
    for variable in function.variables:
        name, unique = variable.name.split(":")[0], 0
        while (key := f"{name}_{unique}" if unique else name) in names:
            unique += 1
        names[key] = variable.numpy()
    return list(names.items())


def _layers(variables: list[tuple[str, np.ndarray]]) -> Iterator[LayerInfo]:
    """A SavedModel names no layers: group its variables by what stands before the last ``/``."""
    sizes: dict[str, int] = {}
    for name, value in variables:
        layer = layer_and_weight(name)[0] or name
        sizes[layer] = sizes.get(layer, 0) + value.size
    for layer, size in sizes.items():
        yield LayerInfo(layer, "", size, "")
