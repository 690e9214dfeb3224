"""The architectures as cases of the layer suite's runner."""

from __future__ import annotations

from collections.abc import Callable

import architectures
import models
from layer_case import LayerCase

#: Below this the outputs for different inputs are too alike for a comparison to show much; tolerances are a
#: hundredth of it.
LEAST_SPREAD = 0.01

#: Above this the outputs are made of rounding: backends that are right may differ by more than a tolerance.
MOST_SENSITIVITY = 3e-5


def case(name: str, build: Callable[[], architectures.Built]) -> LayerCase:
    """Make the model with seeded weights and return it as a case; its example is what is predicted.

    Raises:
        AssertionError: the model's outputs hardly depend on its inputs, or as much on their last digits.
    """
    model, example = architectures.seeded(build)
    found = architectures.spread(model, example)
    assert found > LEAST_SPREAD, f"the outputs of {name} differ by {found:.2g} only"
    moved = architectures.sensitivity(model, example)
    assert moved < MOST_SENSITIVITY, f"the outputs of {name} change by {moved:.2g} when inputs change by 1e-7"
    return LayerCase(
        "architecture",
        name,
        lambda: model,
        examples=(tuple(example.values()),),
        options={"custom_objects": str(models.CUSTOM_LAYERS)},
    )
