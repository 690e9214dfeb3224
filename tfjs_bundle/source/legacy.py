"""Reading what Keras 2 wrote and Keras 3 refuses, with tf_keras (in the child process)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfjs_bundle.errors import SourceError, UnsupportedModelError
from tfjs_bundle.source import keras3
from tfjs_bundle.source.custom import refuse_code, refuse_reaching_out
from tfjs_bundle.source.identify import SourceFile
from tfjs_bundle.source.model import SourceModel, dense_input, public_names, reason, reference_of


def may_read(file: SourceFile) -> bool:
    """Say whether tf_keras could read ``file``: it cannot read what Keras 3 wrote."""
    return not (file.keras_version or "").startswith("3.")


def read(
    file: SourceFile, custom_objects: dict[str, Any], refused: keras3.Refused, *, unsafe: bool = False
) -> SourceModel:
    """Read ``file`` with tf_keras after Keras 3 refused it.

    The model is rebuilt in float32 and without anything that a browser cannot follow: stateful
    layers start from zero in each call (as they do right after loading), and recurrent layers
    take the plain loop, not the choice between GPU kernels.

    Args:
        file: of format ``keras`` or ``h5``, written by Keras 2.
        custom_objects: classes and functions by name.
        refused: what Keras 3 said.
        unsafe: run code that the file carries.

    Raises:
        SourceError: tf_keras refuses it too (the message has both reasons), code in the file
            without ``unsafe``, NaN among the weights.
        UnsupportedModelError: the model's inputs are not known, or are sparse or ragged.
    """
    import tf_keras  # a second Keras: imported only where it is needed

    reader = f"tf_keras {tf_keras.__version__}"
    config = keras3.model_config(file)
    # tf_keras looks a named function up in any module, so only its absence is safe
    refuse_code(file.path, config, unsafe=unsafe, named_functions=False)
    if not unsafe:
        _refuse_foreign_modules(file, config, custom_objects)
        refuse_reaching_out(file.path, config)
    tf_keras.backend.clear_session()
    tf_keras.mixed_precision.set_global_policy("float32")
    try:
        model = _load(tf_keras, file, custom_objects, unsafe)
    except Exception as error:  # tf_keras raises anything from TypeError to RecursionError
        raise _both_reasons(file, reader, refused, error) from error
    warnings = [
        f"Keras 3 refused this file ({str(refused).rstrip('.')}); it was read with {reader} instead.",
    ]
    model, precision = _in_float32(tf_keras, file, model, custom_objects)
    if precision:
        warnings.append(f"The model computes in {precision}; it is traced, and compared, in float32.")
    _make_traceable(model)
    weights = (
        (*keras3.layer_and_weight(weight.name.split(":")[0]), weight.numpy()) for weight in model.weights
    )
    keras3.refuse_bad_numbers(file, weights, warnings)
    return _source_model(file, model, reader, tuple(warnings))


def _load(tf_keras: Any, file: SourceFile, custom_objects: dict[str, Any], unsafe: bool) -> Any:
    suffix = ".keras" if file.format == "keras" else ".h5"
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as directory:
        link = Path(directory, "model" + suffix)  # tf_keras goes by the ending, identify by the content
        link.symlink_to(file.path.resolve())
        return tf_keras.models.load_model(
            str(link), custom_objects=custom_objects, compile=False, safe_mode=not unsafe
        )


def _refuse_foreign_modules(file: SourceFile, config: Any, custom_objects: dict[str, Any]) -> None:
    """Refuse classes that tf_keras would import from any module that the file names."""
    for entry in _objects(config):
        module, name = entry.get("module"), entry.get("registered_name") or entry["class_name"]
        package = str(module or "keras").split(".")[0]
        known = name in custom_objects or entry["class_name"] in custom_objects
        if (
            package not in ("keras", "tf_keras", "builtins", "keras_hub", "keras_nlp", "keras_cv")
            and not known
        ):
            raise SourceError(
                f"{file.path} uses the class {entry['class_name']!r} (from the module {module}), "
                "which is not part of Keras.",
                "Name the Python file or module that defines it: --custom-objects MODULE.",
            )


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _objects(item)
    elif isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and "module" in config:
            yield config
        for value in config.values():
            yield from _objects(value)


def _both_reasons(file: SourceFile, reader: str, refused: keras3.Refused, error: Exception) -> SourceError:
    explained = keras3.explain(file, reader, error)
    if "is not part of Keras" in explained.what:
        return explained
    return SourceError(
        f"{file.path} can be read by neither Keras.\n"
        f"  {refused.reader}: {refused}\n"
        f"  {reader}: {reason(error)}",
        "Load it with the Keras that wrote it"
        + (f" ({file.keras_version})" if file.keras_version else "")
        + " and export it as a SavedModel.",
    )


def _in_float32(
    tf_keras: Any, file: SourceFile, model: Any, custom_objects: dict[str, Any]
) -> tuple[Any, str]:
    precision = _other_float(model)
    if not precision:
        return model, ""
    config = keras3.config_in_float32(model.get_config())
    try:
        with tf_keras.utils.custom_object_scope(custom_objects):
            clone = type(model).from_config(config)
        clone.set_weights(model.get_weights())
    except Exception as error:  # whatever a custom layer raises
        raise keras3.explain(file, f"tf_keras {tf_keras.__version__} in float32", error) from error
    if _other_float(clone):
        raise UnsupportedModelError(
            f"A layer of {file.path} computes in {precision} whatever its configuration says; "
            "browsers compute in float32.",
            "Let the layer take its dtype from its `dtype` argument.",
        )
    return clone, precision


def _other_float(model: Any) -> str:
    for layer in model._flatten_layers():
        for dtype in (layer.compute_dtype, layer.variable_dtype):
            if dtype in keras3.OTHER_FLOATS:
                return str(dtype)
    return ""


def _make_traceable(model: Any) -> None:
    for layer in model._flatten_layers():
        if getattr(layer, "_could_use_gpu_kernel", False):
            layer._could_use_gpu_kernel = False
        if getattr(layer, "stateful", False) and not hasattr(layer, "layers"):
            layer.stateful = False


def _source_model(file: SourceFile, model: Any, reader: str, warnings: tuple[str, ...]) -> SourceModel:
    structure, output_structure = (
        getattr(model, "_nested_inputs", None),
        getattr(model, "_nested_outputs", None),
    )
    if structure is None or output_structure is None:
        raise UnsupportedModelError(
            f"The input shapes of {type(model).__name__} in {file.path} are not known.",
            "Call the model once on real data and save it again, or export it as a SavedModel.",
        )
    leaves = [(tuple(path), leaf) for path, leaf in keras.tree.flatten_with_path(structure)]
    names = public_names((path, leaf._keras_history.layer.name) for path, leaf in leaves)
    cure = "Build the model with a dense Input and save it again."
    inputs = tuple(
        dense_input(file, name, leaf.type_spec, cure) for name, (_, leaf) in zip(names, leaves, strict=True)
    )
    outputs = keras.tree.flatten_with_path(output_structure)
    output_names = public_names((tuple(path), leaf._keras_history.layer.name) for path, leaf in outputs)

    def call(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        packed = keras.tree.pack_sequence_as(structure, list(tensors))
        return keras.tree.flatten(model(packed, training=False))

    return SourceModel(
        call=call,
        inputs=inputs,
        output_names=output_names,
        keras3_variables=(),
        reference=reference_of(call, inputs),
        layers=tuple(keras3.layer_infos(model, _output_shape)),
        reader=reader,
        keras_version=file.keras_version,
        model_name=str(model.name),
        warnings=warnings,
    )


def _output_shape(layer: Any) -> str:
    return re.sub(r"^\[(.*)\]$", r"\1", str(layer.output_shape))
