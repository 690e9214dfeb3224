"""A model that was read, ready to be traced; it lives in the child process only.

This module does not import TensorFlow itself; the readers that make a
:class:`SourceModel` do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfjs_bundle.errors import SourceError, UnsupportedModelError, UsageError
from tfjs_bundle.source.identify import SourceFile

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class InputSpec:
    """One input, as Keras has it.

    Attributes:
        name: the public name.
        shape: with the batch; ``None`` where a dimension is unknown; ``None`` for an unknown rank.
        dtype: Keras's or TensorFlow's name: ``float32``, ``int64``, ``string``, ...
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(frozen=True)
class LayerInfo:
    """One line of a summary.

    Attributes:
        name: its path through nested models, for instance ``encoder/dense``.
        class_name: for instance ``Dense``.
        parameters: numbers in its weights.
        output_shape: for instance ``(None, 10)``; empty where it is not known.
    """

    name: str
    class_name: str
    parameters: int
    output_shape: str


@dataclass(frozen=True)
class SourceModel:
    """A traceable model with its signature.

    Attributes:
        call: the model in inference mode, from the flat list of inputs to the flat list of
            outputs, both in the signature's order; may be traced by ``tf.function``.
        inputs: in Keras's order.
        output_names: in Keras's order.
        keras3_variables: every Keras 3 variable that ``call`` can touch (weights, seed
            generators, states of stateful layers), each once; to be replaced in a
            ``keras.StatelessScope`` while tracing. Empty for tf_keras and SavedModels, whose
            variables are captured by the trace.
        reference: the same model run in float32, numpy in and out, without any effect on the model's
            state; what parity compares with. Eagerly, or with ``traced=True`` as Keras's predict() does.
        layers: for ``inspect`` and for messages.
        reader: what read the file, for instance ``Keras 3.15.1``.
        keras_version: the Keras that wrote the file, where the file says so.
        model_name: Keras's own, by which keras.applications' models are known; may be empty.
        warnings: what the user should know about the reading.
    """

    call: Callable[[list[tf.Tensor]], list[tf.Tensor]]
    inputs: tuple[InputSpec, ...]
    output_names: tuple[str, ...]
    keras3_variables: tuple[Any, ...]
    reference: Callable[..., list[np.ndarray]]
    layers: tuple[LayerInfo, ...]
    reader: str
    keras_version: str | None = None
    model_name: str = ""
    warnings: tuple[str, ...] = ()


def public_names(paths: Iterable[tuple[Sequence[object], str]]) -> tuple[str, ...]:
    """Name the leaves of a nested structure by the rule for inputs and outputs.

    A dict gives its keys, a leaf outside a dict the name of its layer; nesting is joined by
    ``_``. Where two leaves come out equal, the later one gets ``_1``, ``_2`` and so on, the
    first number that is free.

    Args:
        paths: for each leaf, in Keras's order, its path (dict keys are strings, positions in a
            list are integers) and the name of its layer.

    Returns:
        One name per leaf, all different.
    """
    wanted = []
    for path, layer in paths:
        parts = [str(part) for part in path if not isinstance(part, int)]
        if not path or isinstance(path[-1], int):
            parts.append(layer)
        wanted.append("_".join(part for part in parts if part) or layer)
    taken: set[str] = set()
    names = []
    for name in wanted:
        unique, number = name, 0
        while unique in taken or (number and unique in wanted):
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        names.append(unique)
    return tuple(names)


def dense_input(file: SourceFile, name: str, spec: Any, cure: str) -> InputSpec:
    """Return the input of that name for TensorFlow's ``spec`` of it.

    Args:
        cure: what to do where it is not dense.

    Raises:
        UnsupportedModelError: it is sparse or ragged, which TF.js does not have.
    """
    import tensorflow as tf

    if not isinstance(spec, tf.TensorSpec):
        raise UnsupportedModelError(
            f"The input {name!r} of {file.path} is a {type(spec).__name__.removesuffix('Spec')}; "
            "TF.js has dense tensors only.",
            cure,
        )
    return InputSpec(name, None if spec.shape.rank is None else tuple(spec.shape.as_list()), spec.dtype.name)


def reference_of(
    call: Callable[[list[tf.Tensor]], list[tf.Tensor]],
    inputs: tuple[InputSpec, ...],
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Callable[..., list[np.ndarray]]:
    """Return ``call`` as a function of numpy arrays, run within ``scope``.

    It runs eagerly, or with ``traced=True`` as Keras's predict() does. Its inputs are converted to the
    signature's dtypes.

    Raises (when called):
        UnsupportedModelError: the model itself fails on these inputs.
    """
    import tensorflow as tf

    def compiled(jit_compile: bool) -> Any:
        return tf.function(lambda *given: call(list(given)), autograph=False, jit_compile=jit_compile)

    def reference(arrays: list[np.ndarray], traced: bool = False) -> list[np.ndarray]:
        try:
            tensors = [
                tf.convert_to_tensor(array, spec.dtype) for array, spec in zip(arrays, inputs, strict=True)
            ]
            with scope():
                try:
                    outputs = compiled(False)(*tensors) if traced else call(tensors)
                except tf.errors.OpError:
                    # TensorFlow's kernels for the CPU know no channels_first; XLA, which Keras's own
                    # predict() uses, does.
                    outputs = compiled(True)(*tensors)
                return [np.asarray(output) for output in outputs]
        except Exception as error:  # TensorFlow's, Keras's, or a custom layer's own
            shapes = ", ".join(
                f"{spec.name} {np.shape(array)}" for array, spec in zip(arrays, inputs, strict=False)
            )
            raise UnsupportedModelError(
                f"The model itself fails in Keras on inputs of its signature ({shapes}): {reason(error)}",
                "If it only takes certain values or sizes, give some with --data FILE.npz.",
            ) from error

    return reference


def reason(error: BaseException) -> str:
    """Return the part of an exception that a person can use: one line, without configurations."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).strip() or type(error).__name__
    # "Exception encountered when calling X.call().\n\n<the error>\n\nArguments received by ..."
    calling = re.match(r"Exception encountered when calling ([\w.]+\(\))\.\s+(.+)", text, re.DOTALL)
    # "<class 'X'> could not be deserialized properly. ... config={...}. Exception encountered: <the error>"
    reading = re.match(r".*?class '?([\w.]+)'?.*Exception encountered: (.+)", text, re.DOTALL)
    if calling:
        text = f"{calling[1]}: {calling[2]}"
    elif reading:
        text = f"{reading[1].rpartition('.')[2]}: {reading[2]}"
    noise = r"\n|\s*(?:Full object config|config=\{|Please ensure you are using|See http)"
    return re.split(noise, text)[0].strip()[:300].rstrip(".") + "."


def open_model(
    file: SourceFile,
    *,
    signature: str | None = None,
    custom_objects: str | None = None,
    unsafe: bool = False,
) -> SourceModel:
    """Read a source; in the child process, with the TensorFlow backend.

    Args:
        file: what :func:`~tfjs_bundle.source.identify.identify` said.
        signature: the key of a SavedModel's signature; only for SavedModels.
        custom_objects: a Python file or module that defines the model's custom classes.
        unsafe: run Python code that the file carries (Lambda layers).

    Raises:
        SourceError: the file cannot be read: damaged inside, custom classes that are not known,
            Python code without ``unsafe``, NaN among the weights.
        UnsupportedModelError: it was read but cannot be traced, for instance a subclassed model
            whose input shapes are not known.
        UsageError: a signature that does not exist, a custom objects module that does not import.
    """
    from tfjs_bundle.source import custom

    if signature is not None and file.format != "savedmodel":
        raise UsageError(
            f"--signature {signature} makes no sense for {file.path}: only SavedModels have signatures.",
            "Leave --signature out.",
        )
    if file.format == "savedmodel":
        from tfjs_bundle.source import saved_model

        return saved_model.read(file, signature)
    if file.format not in ("keras", "h5"):
        raise SourceError(f"{file.path} is a TF.js model; it is not read by Keras.", "")
    from tfjs_bundle.source import keras3, legacy

    unsafe = unsafe or file.trusted
    keras3.reset()
    objects = custom.load_custom_objects(custom_objects, file.custom_objects)
    try:
        return keras3.read(file, objects, unsafe=unsafe)
    except keras3.Refused as refused:
        if not legacy.may_read(file):
            raise refused.as_source_error() from None
        return legacy.read(file, objects, refused, unsafe=unsafe)
