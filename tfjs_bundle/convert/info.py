"""What the caller may know of the model that the child process holds."""

from __future__ import annotations

from dataclasses import dataclass

from tfjs_bundle.source.model import InputSpec, LayerInfo


@dataclass(frozen=True)
class ModelInfo:
    """The plain-value part of a :class:`tfjs_bundle.source.model.SourceModel`; see there.

    ``versions`` are those of TensorFlow and Keras in the child process.
    """

    inputs: tuple[InputSpec, ...]
    output_names: tuple[str, ...]
    layers: tuple[LayerInfo, ...]
    reader: str
    keras_version: str | None
    model_name: str
    versions: dict[str, str]
