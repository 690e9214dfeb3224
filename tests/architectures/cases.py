"""The architectures as cases of the layer suite's runner."""

from __future__ import annotations

from collections.abc import Callable

import architectures
import models
from layer_case import LayerCase

#: Below this the outputs for different inputs are too alike for a comparison to show much; tolerances are a
#: hundredth of it.
LEAST_SPREAD = 0.01


def case(name: str, build: Callable[[], architectures.Built]) -> LayerCase:
    """Make the model with seeded weights and return it as a case; its example is what is predicted.

    Raises:
        AssertionError: the model's outputs hardly depend on its inputs.
    """
    model, example = architectures.seeded(build)
    found = architectures.spread(model, example)
    assert found > LEAST_SPREAD, f"the outputs of {name} differ by {found:.2g} only"
    return LayerCase(
        "architecture",
        name,
        lambda: model,
        examples=(tuple(example.values()),),
        options={"custom_objects": str(models.CUSTOM_LAYERS)},
    )
