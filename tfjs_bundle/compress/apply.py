"""What a recipe makes of a graph: which weights are pruned and quantized, by what that does to outputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tfjs_bundle.compress.prune import allocate, pruned, sensitivities
from tfjs_bundle.compress.quantize import FLOAT16_MAX, SCHEMES, Choice, Damage, choose
from tfjs_bundle.compress.weights import Weight, weights_of, with_values
from tfjs_bundle.graph.encodings import Encoding
from tfjs_bundle.graph.ir import GraphModel

__all__ = ["SCHEMES", "Compressed", "Damage", "Recipe", "Sensitivity", "TensorResult", "compress"]


@dataclass(frozen=True)
class Recipe:
    """What is done to the weights.

    Attributes:
        quantize: one of :data:`SCHEMES`.
        prune: the share of the kernels' numbers that become 0, from 0 to below 1.
    """

    quantize: str = "none"
    prune: float = 0.0

    def __str__(self) -> str:
        names = ["float32" if self.quantize == "none" else self.quantize]
        return " + ".join([*names, f"{self.prune:.0%} pruned"][: 2 if self.prune else 1])


@dataclass(frozen=True)
class TensorResult:
    """What became of one weight.

    Attributes:
        name: of the constant, as :meth:`GraphModel.weights` has it.
        layer: in words, ``layer 'conv1'`` or ``node 'x'``.
        shape: its shape.
        scheme: ``float32`` (left alone) or one of :data:`SCHEMES`.
        sparsity: the share of zeros.
        size: bytes before compression by the host, scales included.
        moved: how far rounding it moved the outputs, relative to their spread (or itself, where the outputs
            could not be asked).
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    scheme: str
    sparsity: float
    size: int
    moved: float


@dataclass(frozen=True)
class Compressed:
    """A graph after compression, and what was done.

    Attributes:
        graph: its constants are the decoded numbers.
        tensors: one entry per weight that was large enough, in the graph's order.
        warnings: sentences.
    """

    graph: GraphModel
    tensors: tuple[TensorResult, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def schemes(self) -> dict[str, int]:
        """How many weights are written by each scheme."""
        return dict(Counter(tensor.scheme for tensor in self.tensors))

    @property
    def sparsity(self) -> float:
        """The share of zeros among the numbers of all :attr:`tensors`."""
        numbers = [math.prod(tensor.shape) for tensor in self.tensors]
        zeros = sum(tensor.sparsity * count for tensor, count in zip(self.tensors, numbers, strict=True))
        return zeros / max(sum(numbers), 1)


@dataclass
class Sensitivity:
    """What was measured of one graph, kept for the next recipe.

    Attributes:
        damage: asks the outputs; ``None`` where there is nobody to ask.
    """

    damage: Damage | None = None
    pruning: dict[str, tuple[float, ...]] | None = None
    quantizing: dict[str, dict[str, Choice]] = field(default_factory=dict)


def compress(graph: GraphModel, recipe: Recipe, sensitivity: Sensitivity | None = None) -> Compressed:
    """Prune, then quantize the weights of ``graph``, which stays as it is.

    Args:
        graph: lowered and optimized.
        sensitivity: pass the same one for several recipes of one graph, and each weight is measured once.
    """
    known = sensitivity or Sensitivity()
    weights = weights_of(graph)
    if recipe == Recipe() or not weights:
        return Compressed(graph)
    values = _prune(weights, recipe.prune, known)
    if recipe.quantize != "none" and recipe.quantize not in known.quantizing:
        known.quantizing[recipe.quantize] = choose(weights, recipe.quantize, known.damage)
    choices = known.quantizing.get(recipe.quantize, {})
    encodings: dict[str, Encoding] = {}
    tensors, warnings = [], []
    for weight in weights:
        choice = choices.get(weight.name, Choice())
        value = values.get(weight.name, weight.value)
        if choice.encoding is not None:
            value = choice.encoding.decode(choice.encoding.encode(value))
            encodings[weight.name] = choice.encoding
            values[weight.name] = value
        if recipe.quantize == "float16":
            warnings += _beyond_float16(weight)
        tensors.append(_result(weight, choice, value))
    compressed = replace(
        with_values(graph, values),
        encodings={**graph.encodings, **encodings},
    )
    return Compressed(compressed, tuple(tensors), tuple(warnings))


def _prune(weights: list[Weight], fraction: float, known: Sensitivity) -> dict[str, np.ndarray]:
    kernels = [weight for weight in weights if weight.kernel]
    if not fraction or not kernels:
        return {}
    if known.pruning is None:
        known.pruning = sensitivities(kernels, known.damage)
    shares: Mapping[str, float] = allocate(kernels, known.pruning, fraction)
    return {kernel.name: pruned(kernel.value, shares[kernel.name]) for kernel in kernels}


def _beyond_float16(weight: Weight) -> list[str]:
    largest = float(np.abs(weight.value).max())
    if largest <= FLOAT16_MAX:
        return []
    return [
        f"The weights of {weight.layer} stay float32: they reach {largest:.3g}, and float16 ends "
        f"at {FLOAT16_MAX:.0f}."
    ]


def _result(weight: Weight, choice: Choice, value: np.ndarray) -> TensorResult:
    encoding = choice.encoding
    width = 4 if encoding is None else 1 if encoding.dtype == "uint8" else 2
    scales = 0 if encoding is None or encoding.channels is None else 4 * encoding.channels.size
    zeros = 1 - float(np.count_nonzero(value)) / value.size
    return TensorResult(
        weight.name,
        weight.layer,
        value.shape,
        choice.scheme,
        zeros,
        value.size * width + scales,
        choice.moved,
    )
