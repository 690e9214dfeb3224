"""From a source to a GraphModel, and the reference predictions that parity compares with.

Importing this package imports nothing heavy: a build that finds its model in the cache converts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfjs_bundle.convert.child import Child
from tfjs_bundle.errors import SourceError, UnsupportedModelError, UsageError
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.kernels import layer_of

if TYPE_CHECKING:
    import numpy as np

    from tfjs_bundle.config import BuildOptions
    from tfjs_bundle.convert.info import ModelInfo
    from tfjs_bundle.source.identify import SourceFile

#: Ops that draw random numbers.
_RANDOM_OPS = frozenset(
    [
        "RandomUniform",
        "RandomUniformInt",
        "RandomStandardNormal",
        "TruncatedNormal",
        "RandomGamma",
        "RandomShuffle",
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "StatelessRandomUniform",
        "StatelessRandomUniformInt",
        "StatelessRandomUniformV2",
        "StatelessRandomUniformIntV2",
        "StatelessRandomUniformFullInt",
        "StatelessRandomUniformFullIntV2",
        "StatelessRandomNormal",
        "StatelessRandomNormalV2",
        "StatelessTruncatedNormal",
        "StatelessTruncatedNormalV2",
        "StatelessRandomGammaV2",
        "StatelessRandomGammaV3",
        "StatelessMultinomial",
        "StatelessShuffle",
    ]
)


@dataclass(frozen=True)
class Converted:
    """A model as our IR, and where its reference comes from.

    Attributes:
        graph: as converted, before any of our passes.
        info: what the child knows of the Keras model or SavedModel; ``None`` for a TF.js ``model.json``.
        random: it draws random numbers at inference, so that nothing can be compared.
    """

    graph: GraphModel
    info: ModelInfo | None
    random: bool

    @property
    def model_name(self) -> str:
        """Keras's own name for the model, empty where there is none."""
        return self.info.model_name if self.info else ""


def convert(file: SourceFile, options: BuildOptions, child: Child, workspace: Path) -> Converted:
    """Read ``file`` and convert it.

    Args:
        workspace: a directory that outlives the result, whose weights are mapped from a file there.

    Raises:
        SourceError, UnsupportedModelError, UsageError: see there.
    """
    from tfjs_bundle.convert import native, tensorflowjs
    from tfjs_bundle.graph import serde

    if file.format == "tfjs-layers":
        raise SourceError(
            f"{file.path} is a TensorFlow.js layers model, which cannot be read yet.",
            "Build from the Keras file that it was converted from.",
        )
    if file.format == "tfjs-graph":
        if options.signature is not None:
            raise UsageError("A TensorFlow.js model has one signature.", "Leave --signature out.")
        info, graph = None, serde.load(file.path)
        file.refuse_if_changed()
        _refuse_nan(graph)
        _refuse_reaching_out(graph)
    else:
        info = child.call(
            "open",
            file,
            {
                "signature": options.signature,
                "custom_objects": options.custom_objects,
                "unsafe": options.unsafe,
            },
        )
        file.refuse_if_changed()  # what was identified is what stands in the manifest and keys the cache
        converters = {"native": native.convert, "tensorflowjs": tensorflowjs.convert}
        graph = converters[options.converter](child, info, workspace)
    return Converted(graph, info, _draws_random_numbers(graph, options.allow_random))


def predict(converted: Converted, inputs: dict[str, np.ndarray], child: Child) -> dict[str, np.ndarray]:
    """Return the reference's outputs by name for ``inputs`` by name, in the dtypes that TF.js has.

    The reference is the Keras model itself in float32, run eagerly, where the trace's own faults would show.
    Some of Keras's layers of pictures then keep the bytes that they are given, where its predict() gives
    floats, as the trace does: these are traced here too. For a TF.js ``model.json`` it is the graph as it was
    read, run by TensorFlow's kernels.
    """
    from tfjs_bundle.graph.dtypes import tfjs_tensor

    signature = converted.graph.signature
    values = [inputs[spec.name].astype(_numpy_dtype(spec.source_dtype)) for spec in signature.inputs]
    if converted.info is None:
        outputs = child.call("run_graph", converted.graph, values)
    else:
        outputs = child.call("predict", values, False)
        if any(
            tfjs_tensor(value).dtype.kind != spec.dtype[0] and spec.dtype != "string"
            for value, spec in zip(outputs, signature.outputs, strict=True)
        ):
            outputs = child.call("predict", values, True)
    return {spec.name: tfjs_tensor(value) for spec, value in zip(signature.outputs, outputs, strict=True)}


def _draws_random_numbers(graph: GraphModel, allowed: bool) -> bool:
    random = sorted(graph.ops() & _RANDOM_OPS)
    if random and not allowed:
        raise UnsupportedModelError(
            f"The model draws random numbers at inference: {random[0]} in {layer_of(graph, random[0])}.",
            "Its predictions cannot be compared with Keras. Remove the sampling, or give --allow-random.",
        )
    return bool(random)


def _refuse_nan(graph: GraphModel) -> None:
    import numpy as np

    for name, value in graph.weights().items():
        if value.dtype.kind == "f" and np.isnan(value).any():
            raise SourceError(
                f"The weight {name!r} contains NaN.", "Every prediction would be NaN: train again."
            )


def _refuse_reaching_out(graph: GraphModel) -> None:
    """The reference runs the graph as it was read: with what no output needs, and with every op there is."""
    from tfjs_bundle.source.custom import OUTSIDE_OPS

    found = sorted(graph.ops() & {*OUTSIDE_OPS, "PrintV2"})  # which may print to a file
    if found:
        raise UnsupportedModelError(
            f"The model reaches outside itself: {found[0]} in {layer_of(graph, found[0])}.",
            "Do not use this model: it may be hostile.",
        )


def _numpy_dtype(name: str) -> Any:
    return {"string": object, "bfloat16": "float32"}.get(name, name)
