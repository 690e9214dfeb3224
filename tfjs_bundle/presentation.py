"""What a person is told of the model: its name, its task, its labels, and how inputs are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfjs_bundle import form, preprocessing
from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import UsageError
from tfjs_bundle.graph.ir import Signature, TensorSpec
from tfjs_bundle.progress import Progress


@dataclass(frozen=True)
class Presentation:
    """See :class:`tfjs_bundle.bundle.Bundle` for the members."""

    name: str
    task: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    labels: Mapping[str, list[str]]
    preprocessing: Mapping[str, Any]
    form: Mapping[str, Any]
    examples: list[dict[str, Any]]

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return what pixels from 0 to 255 become, by input name."""
        found = {}
        for name, schema in self.preprocessing.items():
            ends = [
                pixel * scale + offset
                for scale, offset in zip(schema["scale"], schema["offset"], strict=True)
                for pixel in (0, 255)
            ]
            found[name] = (min(ends), max(ends))
        return found


def present(
    name: str,
    model_name: str,
    signature: Signature,
    options: BuildOptions,
    progress: Progress,
    uses: Mapping[str, form.Use] | None = None,
) -> Presentation:
    """Settle what the options leave open.

    Args:
        name: the source's, where the options give none.
        model_name: Keras's own, which tells how keras.applications' models take pictures.
        uses: what the model does with its inputs, by name.

    Raises:
        UsageError: labels, preprocessing, form or examples do not fit the signature.
    """
    inputs, outputs = _infos(signature.inputs), _infos(signature.outputs)
    task = options.task or preprocessing.default_task(inputs, outputs)
    if not options.task and any(use.keys and not use.prose for use in (uses or {}).values()):
        task = "table"  # words to look up, not a text
    schemas, warnings = preprocessing.resolve(options.preprocessing, inputs, task, model_name)
    for warning in warnings:
        progress.warn(warning)
    labels = _labels(options.labels, inputs, outputs)
    fields, examples = form.resolve(options.form, options.examples, inputs, uses or {})
    return Presentation(options.name or name, task, inputs, outputs, labels, schemas, fields, examples)


def _infos(specs: tuple[TensorSpec, ...]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(spec.name, spec.shape, spec.dtype, spec.source_dtype) for spec in specs)


def _labels(
    given: Mapping[str, list[str]] | list[str],
    inputs: tuple[TensorInfo, ...],
    outputs: tuple[TensorInfo, ...],
) -> dict[str, list[str]]:
    if not given:
        return {}
    if not isinstance(given, Mapping):
        if len(outputs) != 1:
            names = ", ".join(info.name for info in outputs)
            raise UsageError(
                f"The labels do not say which of the outputs ({names}) they are for.",
                "Give a table [labels] with a list for each output in tfjs-bundle.toml.",
            )
        given = {outputs[0].name: given}
    shapes = {info.name: info.shape for info in (*inputs, *outputs)}
    result = {}
    for name, labels in given.items():
        if name not in shapes:
            raise UsageError(
                f"There are labels for {name!r}, which the model does not have.",
                f"It has {', '.join(shapes)}.",
            )
        shape = shapes[name]
        classes = shape[-1] if shape else None
        # one number is the probability of the second of two classes
        if classes is not None and len(labels) != classes and not (classes == 1 and len(labels) == 2):
            raise UsageError(
                f"There are {len(labels)} labels for {name!r}, which has {classes} values.",
                "Give one label per value.",
            )
        result[name] = [str(label) for label in labels]
    return result
