"""What one case of the layer suite is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: One example: a value for each input of the model, in the order of its inputs.
Example = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class LayerCase:
    """One model around one layer (or activation) in one configuration.

    Attributes:
        layer: what is tested: a class of ``keras.layers`` by its public name (``"Conv2D"``), or
            ``"activations.gelu"``.
        variant: the configuration, in a few words: ``"strides 2, same"``; unique within the layer.
        build: makes the model, with seeded weights; it is saved as ``.keras`` and built from that file.
        examples: what is predicted, awkward values included; by default examples are drawn from the model's
            inputs, of batch sizes 1 and 3, of several sizes where sizes are unknown, with zeros and with
            large values.
        extremes: whether the examples that are drawn have large values among them; where layers are stacked
            at random these differ by what float32 rounds away.
        refusal: a regular expression that the refusal's message must match, where the case is known not to
            run anywhere; the table shows it as refused.
        sampled: whether it is in the sample that runs with every test run: the quickest case that shows the
            most of its layer, one or two for each layer.
        atol: absolute tolerance relative to the largest absolute value of the expected output, where the
            layer's own arithmetic leaves no more than this (say why beside it).
        options: of the build, for instance ``custom_objects``.
    """

    layer: str
    variant: str
    build: Callable[[], Any]
    examples: tuple[Example, ...] | None = None
    extremes: bool = True
    refusal: str | None = None
    sampled: bool = False
    atol: float = 1e-4
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The case's name in the table and in pytest."""
        return f"{self.layer}: {self.variant}"
