"""Reading ``.keras`` and ``.h5`` files with Keras 3 (in the child process, TensorFlow backend)."""

from __future__ import annotations

import inspect
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from tfjs_bundle.errors import BundleError, SourceError, UnsupportedModelError
from tfjs_bundle.source.custom import refuse_code
from tfjs_bundle.source.identify import SourceFile
from tfjs_bundle.source.model import InputSpec, LayerInfo, SourceModel, public_names, reason, reference_of

READER = f"Keras {keras.__version__}"

#: Precisions that the browser does not have: the model is traced in float32 instead.
OTHER_FLOATS = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


class Refused(Exception):  # noqa: N818 - it is what happened, not yet an error
    """Keras could not read the file; ``error`` is its own exception."""

    def __init__(self, file: SourceFile, reader: str, error: Exception) -> None:
        self.file, self.reader, self.error = file, reader, error
        super().__init__(reason(error))

    def as_source_error(self) -> SourceError:
        """Say what and what to do, in terms of the file and not of Keras's internals."""
        return explain(self.file, self.reader, self.error)


def reset() -> None:
    """Forget what earlier models left in Keras: automatic names start anew, float32 is the policy."""
    keras.backend.clear_session()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def read(file: SourceFile, custom_objects: dict[str, Any], *, unsafe: bool = False) -> SourceModel:
    """Read ``file`` with Keras 3.

    Args:
        file: of format ``keras`` or ``h5``.
        custom_objects: classes and functions by name.
        unsafe: run code that the file carries.

    Raises:
        Refused: Keras 3 cannot read it (another Keras may).
        SourceError: code in the file without ``unsafe``; NaN among the weights.
        UnsupportedModelError: the model's inputs are not known.
    """
    config = model_config(file)
    refuse_code(file.path, config, unsafe=unsafe)
    if not custom_objects:
        _refuse_callables(file, config)
    # a custom module may have set these globally; the policies in the file are what counts
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    with _named_for_keras(file) as path:
        try:
            model = keras.saving.load_model(
                path, custom_objects=custom_objects, compile=False, safe_mode=not unsafe
            )
        except BundleError:
            raise
        except Exception as error:  # Keras raises anything from TypeError to RecursionError
            raise Refused(file, READER, error) from error
    if isinstance(model, keras.utils.FeatureSpace):
        model = keras.Model(model.get_inputs(), model.get_encoded_features(), name=model.name)
    if not isinstance(model, keras.Model):
        raise SourceError(
            f"{file.path} holds a {type(model).__name__}, not a model.",
            "Wrap it in a keras.Model and save that.",
        )
    return from_model(file, model, custom_objects, unsafe=unsafe)


def from_model(
    file: SourceFile, model: keras.Model, custom_objects: dict[str, Any], *, unsafe: bool = False
) -> SourceModel:
    """Make a :class:`SourceModel` of a Keras 3 model that was read from ``file``."""
    warnings: list[str] = []
    model, precision = _in_float32(file, model, custom_objects, unsafe)
    if precision:
        warnings.append(f"The model computes in {precision}; it is traced, and compared, in float32.")
    stateful = [layer.name for layer in _all_layers(model) if getattr(layer, "stateful", False)]
    if stateful:
        warnings.append(
            f"The layer {stateful[0]!r} is stateful: in the bundle every prediction starts from its initial "
            "state, as after reset_state(). To carry a state on, make it an input and an output of the model "
            "(initial_state, return_state)."
        )
    refuse_bad_numbers(file, ((*layer_and_weight(v.path), v.numpy()) for v in model.weights), warnings)
    inputs, call_structured, output_names = _signature(file, model)

    def call(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        return [leaf for leaf in keras.tree.flatten(call_structured(list(tensors))) if leaf is not None]

    return SourceModel(
        call=call,
        inputs=inputs,
        output_names=output_names,
        keras3_variables=_variables(model),
        # in a scope, states and seeds stay as the file has them, call after call
        reference=reference_of(call, inputs, keras.StatelessScope),
        layers=tuple(layer_infos(model, _output_shape)),
        reader=READER,
        keras_version=file.keras_version,
        model_name=str(model.name),
        warnings=tuple(warnings),
    )


def model_config(file: SourceFile) -> dict[str, Any]:
    """Return the model's configuration as the file has it."""
    if file.format == "keras":
        with zipfile.ZipFile(file.path) as archive:
            return json.loads(archive.read("config.json"))
    with h5py.File(file.path, "r") as stored:
        text = stored.attrs["model_config"]
        return json.loads(text.decode() if isinstance(text, bytes) else text)


#: What TextVectorization takes a function for, and what of Keras's own there is in its place.
_TEXT_OPTIONS = {
    "standardize": "`lower`, `strip_punctuation`, `lower_and_strip_punctuation` or None",
    "split": "`whitespace`, `character` or None",
}


def _refuse_callables(file: SourceFile, config: Any) -> None:
    """Refuse functions of the user's own as options of TextVectorization: the file has only their names.

    Raises:
        UnsupportedModelError: naming the layer and the option.
    """
    if isinstance(config, (list, tuple)):
        for item in config:
            _refuse_callables(file, item)
    if not isinstance(config, dict):
        return
    inner = config.get("config")
    if config.get("class_name") == "TextVectorization" and isinstance(inner, dict):
        for option, choices in _TEXT_OPTIONS.items():
            if isinstance(inner.get(option), dict):
                named = inner[option].get("config") or inner[option].get("registered_name") or "a function"
                raise UnsupportedModelError(
                    f"The layer {inner.get('name')!r} (TextVectorization) of {file.path} has a function as "
                    f"`{option}`: {named!r}. Python does not run in the browser.",
                    f"Use {choices}; or, if it is made of tf.strings operations alone, name the file that "
                    "defines it: --custom-objects MODULE.",
                )
    for item in config.values():
        _refuse_callables(file, item)


@contextmanager
def _named_for_keras(file: SourceFile) -> Iterator[str]:
    """Give Keras the file under a name it accepts: it goes by the ending, identify by the content."""
    endings = (".keras",) if file.format == "keras" else (".h5", ".hdf5")
    if str(file.path).endswith(endings):
        yield str(file.path)
        return
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as directory:
        link = Path(directory, "model" + endings[0])
        link.symlink_to(file.path.resolve())
        yield str(link)


# --- the signature -----------------------------------------------------------------------------


def _signature(
    file: SourceFile, model: keras.Model
) -> tuple[tuple[InputSpec, ...], Callable[[list[tf.Tensor]], Any], tuple[str, ...]]:
    """Return the inputs, the model as a function of the flat list, and the outputs' names."""
    graph = _functional(model)
    if graph is None:
        return _subclassed_signature(file, model)
    structure = graph._inputs_struct  # the public `inputs` is flat: it has lost the dict keys
    leaves = _flatten_with_path(structure)
    for _, tensor in leaves:
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            raise UnsupportedModelError(
                f"The input {tensor.name!r} of {file.path} is sparse; TF.js has dense tensors only.",
                "Build the model with a dense keras.Input and save it again.",
            )
    names = public_names((path, tensor.name) for path, tensor in leaves)
    any_batch = _takes_any_batch(model)
    inputs = tuple(
        InputSpec(name, (None, *tensor.shape[1:]) if any_batch else tuple(tensor.shape), str(tensor.dtype))
        for name, (_, tensor) in zip(names, leaves, strict=True)
    )
    outputs = _flatten_with_path(graph._outputs_struct)
    output_names = public_names((path, tensor._keras_history.operation.name) for path, tensor in outputs)

    def call(tensors: list[tf.Tensor]) -> Any:
        return model(keras.tree.pack_sequence_as(structure, tensors), training=False)

    return inputs, call, output_names


def _takes_any_batch(model: keras.Model) -> bool:
    """Say whether a batch size in the file is only that of the first call.

    A Sequential without an Input keeps the whole shape of its first call. Keras's own layers do
    not depend on the batch size, except stateful ones.
    """
    return isinstance(model, keras.Sequential) and all(
        type(layer).__module__.startswith("keras.") and not getattr(layer, "stateful", False)
        for layer in _all_layers(model)
    )


def _functional(model: keras.Model) -> Any:
    """Return the functional graph behind ``model``; ``None`` for a subclassed model."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "_inputs_struct") else None


def _flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    return [(tuple(path), leaf) for path, leaf in keras.tree.flatten_with_path(structure)]


def _subclassed_signature(
    file: SourceFile, model: keras.Model
) -> tuple[tuple[InputSpec, ...], Callable[[list[tf.Tensor]], Any], tuple[str, ...]]:
    """The same for a subclassed model, from the shapes that it was built with.

    Keras keeps the shapes of the first call, by the names of ``call``'s arguments, and no
    dtypes: float32 is taken, and where the model cannot be traced with it, int32, then string.
    """
    shapes = _build_shapes(model)
    if not shapes:
        raise UnsupportedModelError(
            f"The input shapes of {type(model).__name__} in {file.path} are not known: "
            "it was saved without a keras.Input and without ever being called.",
            "Call it once on real data, or start it with a keras.Input, and save it again.",
        )
    arguments = _call_arguments(model, shapes)
    leaves = [
        ((argument, *path), shape)
        for argument, structure in arguments.items()
        for path, shape in _shape_leaves(structure)
    ]
    # an argument's name is the layer's name of its only tensor, and the key of a nested one
    names = public_names(
        (path[1:], path[0]) if len(arguments) == 1 else (path, str(path[0])) for path, _ in leaves
    )

    def call(tensors: list[tf.Tensor]) -> Any:
        rest = iter(tensors)
        values = {name: _fill(structure, rest) for name, structure in arguments.items()}
        first = next(iter(values))
        return model(values.pop(first), training=False, **values)

    first_error: Exception | None = None
    for dtype in ("float32", "int32", "string"):
        specs = [tf.TensorSpec((None, *shape[1:]), dtype) for _, shape in leaves]
        try:
            output_names = _traced_output_names(call, specs)
        except Exception as error:  # whatever the user's own call raises
            first_error = first_error or error
            continue
        inputs = tuple(
            InputSpec(name, tuple(spec.shape.as_list()), dtype)
            for name, spec in zip(names, specs, strict=True)
        )
        return inputs, call, output_names
    assert first_error is not None
    raise UnsupportedModelError(
        f"{type(model).__name__} in {file.path} cannot be traced: {reason(first_error)}",
        "Its `call` must work on symbolic tensors: use keras.ops, and no Python branches on values.",
    )


def _build_shapes(model: keras.Model) -> dict[str, Any]:
    config = model.get_build_config() or {}
    shapes = config.get("shapes_dict", config)
    return {key: value for key, value in shapes.items() if key.endswith("_shape") and value is not None}


def _call_arguments(model: keras.Model, shapes: dict[str, Any]) -> dict[str, Any]:
    """Return the shapes by the names of ``call``'s own arguments, in its order."""
    parameters = [
        name for name in inspect.signature(model.call).parameters if name not in ("training", "mask")
    ]
    named = {key.removesuffix("_shape"): value for key, value in shapes.items()}
    if len(named) == 1 and parameters:  # Keras calls a single one "input", whatever `call` says
        return {parameters[0]: next(iter(named.values()))}
    order = [name for name in parameters if name in named]
    return {name: named[name] for name in order} if len(order) == len(named) else named


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(size is None or isinstance(size, int) for size in value)


def _shape_leaves(
    structure: Any, path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], tuple[int | None, ...]]]:
    if _is_shape(structure):
        yield path, tuple(structure)
    elif isinstance(structure, dict):
        for key in sorted(structure):  # Keras's own order for dicts
            yield from _shape_leaves(structure[key], (*path, key))
    else:
        for index, value in enumerate(structure):
            yield from _shape_leaves(value, (*path, index))


def _fill(structure: Any, tensors: Iterator[tf.Tensor]) -> Any:
    if _is_shape(structure):
        return next(tensors)
    if isinstance(structure, dict):
        filled = {key: _fill(structure[key], tensors) for key in sorted(structure)}
        return {key: filled[key] for key in structure}
    return type(structure)(_fill(value, tensors) for value in structure)


def _traced_output_names(
    call: Callable[[list[tf.Tensor]], Any], specs: list[tf.TensorSpec]
) -> tuple[str, ...]:
    paths: list[tuple[Any, ...]] = []

    def traced(*tensors: tf.Tensor) -> list[tf.Tensor]:
        leaves = [(path, leaf) for path, leaf in _flatten_with_path(call(list(tensors))) if leaf is not None]
        paths[:] = [path for path, _ in leaves]
        return [leaf for _, leaf in leaves]

    with keras.StatelessScope():
        tf.function(traced, autograph=False).get_concrete_function(*specs)
    if len(paths) == 1 and (not paths[0] or isinstance(paths[0][-1], int)):
        return public_names([(paths[0], "output")])
    return public_names((path, f"output_{index}") for index, path in enumerate(paths))


# --- precision, weights, layers --------------------------------------------------------------------


def _all_layers(model: keras.Model) -> list[keras.Layer]:
    return list(model._flatten_layers())


def _other_float(model: keras.Model) -> tuple[str, str]:
    """Return the precision other than float32 that the model uses, and a layer that does."""
    for layer in _all_layers(model):
        if isinstance(layer, keras.layers.InputLayer) and layer.dtype in OTHER_FLOATS:
            return str(layer.dtype), layer.name
        for dtype in (
            layer.compute_dtype,
            layer.variable_dtype,
            *(variable.dtype for variable in layer.weights),
        ):
            if dtype in OTHER_FLOATS:
                return str(dtype), layer.name
    return "", ""


def _in_float32(
    file: SourceFile, model: keras.Model, custom_objects: dict[str, Any], unsafe: bool
) -> tuple[keras.Model, str]:
    """Return the model as it is, or its clone in float32 and the precision it had."""
    precision, layer = _other_float(model)
    if not precision:
        return model, ""
    config = keras.saving.serialize_keras_object(model)
    config["compile_config"] = None
    try:
        keras.backend.clear_session()  # the clone shall get the names that the model got
        clone = keras.saving.deserialize_keras_object(
            config_in_float32(config), custom_objects=custom_objects, safe_mode=not unsafe
        )
        for source, target in zip(model.variables, clone.variables, strict=True):
            target.assign(source.value)
    except Exception as error:
        raise Refused(file, READER, error) from error
    still, layer = _other_float(clone)
    if still:
        raise UnsupportedModelError(
            f"The layer {layer!r} of {file.path} computes in {still} whatever its configuration says; "
            "browsers compute in float32.",
            "Let the layer take its dtype from its `dtype` argument.",
        )
    return clone, precision


def config_in_float32(config: Any) -> Any:
    """Return a model's configuration with float32 in place of every other floating dtype and policy."""
    if isinstance(config, (list, tuple)):
        return [config_in_float32(item) for item in config]
    if not isinstance(config, dict):
        return config
    policy = str(config.get("class_name", "")).endswith("Policy")
    changed = {}
    for key, value in config.items():
        if policy and key == "config" and isinstance(value, dict):
            value = {k: "float32" if v in OTHER_FLOATS else v for k, v in value.items()}
        elif key == "dtype" and isinstance(value, str) and value in OTHER_FLOATS:
            value = "float32"
        changed[key] = config_in_float32(value)
    return changed


def _variables(model: keras.Model) -> tuple[keras.Variable, ...]:
    """Every variable that a call can read or write, each once, in a fixed order."""
    found = list(model.variables)
    for layer in _all_layers(model):  # the states of stateful RNNs are in no list of variables
        states = keras.tree.flatten(getattr(layer, "states", None))
        found.extend(state for state in states if isinstance(state, keras.Variable))
    return tuple({id(variable): variable for variable in found}.values())


def layer_and_weight(path: str) -> tuple[str, str]:
    layer, _, weight = path.rpartition("/")
    return layer, weight


def refuse_bad_numbers(
    file: SourceFile, weights: Iterator[tuple[str, str, np.ndarray]], warnings: list[str]
) -> None:
    """Refuse NaN among the weights (they make every prediction NaN) and warn of infinities.

    Args:
        weights: layer, weight and value of each.

    Raises:
        SourceError: naming the first weight with NaN, and how many there are.
    """
    bad = []
    for layer, name, value in weights:
        if not np.issubdtype(value.dtype, np.floating) and value.dtype.name != "bfloat16":
            continue
        if np.isfinite(value).all():
            continue
        count = int(np.isnan(value).sum())
        where = f"the weight {name!r} of the layer {layer!r}" if layer else f"the weight {name!r}"
        if count:
            bad.append(f"{count} of the {value.size} numbers of {where} are NaN")
        else:
            # -inf in a mask is how some models are made; so only a warning
            warnings.append(f"Infinite numbers stand in {where}.")
    if bad:
        more = f" (and {len(bad) - 1} more weights)" if len(bad) > 1 else ""
        raise SourceError(
            f"{file.path} has broken weights: {bad[0]}{more}.",
            "The training diverged: train again with a lower learning rate or clipped gradients, "
            "or take an earlier checkpoint.",
        )


def layer_infos(model: Any, output_shape: Callable[[Any], str], prefix: str = "") -> Iterator[LayerInfo]:
    """Yield the layers of a model of either Keras, those of models within it by their paths.

    Args:
        output_shape: says a layer's; may raise where a layer was never called, or called several times.
    """
    for layer in model.layers:
        name = f"{prefix}{layer.name}"
        if getattr(layer, "layers", None) and hasattr(layer, "summary"):
            yield from layer_infos(layer, output_shape, f"{name}/")
            continue
        try:
            shape = output_shape(layer)
        except Exception:  # there is no one output
            shape = ""
        parameters = sum(int(np.prod(weight.shape)) for weight in layer.weights)
        yield LayerInfo(name, type(layer).__name__, parameters, shape)


def _output_shape(layer: Any) -> str:
    return ", ".join(str(tuple(tensor.shape)) for tensor in keras.tree.flatten(layer.output))


# --- what Keras's exceptions mean ------------------------------------------------------------------


def explain(file: SourceFile, reader: str, error: Exception) -> SourceError:
    """Return the :class:`SourceError` for an exception that Keras raised while reading."""
    text = str(error)
    unknown = re.search(
        r"(?:Could not locate|Unknown) (class|function|\w[\w ]*?):? ?'([^']+)'"
        r"|Unknown (layer|\w+ function): ?'?(\w+)",
        text,
    )
    if unknown:
        kind = unknown[1] or unknown[3]
        name = unknown[2] or unknown[4]
        kind = "function" if "function" in kind else "class"
        module = re.search(r"'module': '([\w.]+)', 'class_name': '" + re.escape(name), text)
        where = (
            f" (from the module {module[1]})" if module and module[1] not in ("builtins", "__main__") else ""
        )
        return SourceError(
            f"{file.path} uses the {kind} {name!r}{where}, which is not part of Keras.",
            "Name the Python file or module that defines it: --custom-objects MODULE.",
        )
    package = re.search(r"parent module (keras_\w+)[\w.]* cannot be imported", text)
    if package:
        return SourceError(
            f"{file.path} was made with {package[1]}, which is not installed.",
            f"Install it: pip install {package[1].replace('_', '-')}",
        )
    if "bad marshal data" in text or "unmarshal" in text:
        return SourceError(
            f"{file.path} has a Lambda whose code was saved by another version of Python.",
            "Read it with that Python, replace the Lambda by a layer class, and save the model again.",
        )
    if "objects could not be loaded" in text:
        example = re.search(r"<(\w+) name=([\w./-]+)", text)
        layer = f"the layer {example[2]!r} ({example[1]})" if example else "a layer"
        return SourceError(
            f"{file.path} has weights that do not fit: those of {layer} could not be loaded by {reader}.",
            "A custom layer may create its weights elsewhere than in `build`, or a subclassed model was "
            "never built: call the model once on real data and save it again.",
        )
    if isinstance(error, MemoryError):
        return SourceError(
            f"{file.path} does not fit into memory.", "Close other programs or use a larger machine."
        )
    return SourceError(
        f"{file.path} cannot be read by {reader}: {reason(error)}",
        "Save the model again with the current Keras: `model.save('model.keras')`.",
    )
