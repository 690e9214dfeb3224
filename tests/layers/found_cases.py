"""Random models that found a fault, kept by their configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from case_tools import fresh_keras, seed_weights
from layer_case import LayerCase

FOUND = Path(__file__).with_name("found")


def _from_configuration(path: Path) -> Callable[[], Any]:
    def build() -> Any:
        return seed_weights(fresh_keras().models.model_from_json(path.read_text(encoding="utf-8")))

    return build


CASES = tuple(
    LayerCase("Random models", path.stem.replace("_", " "), _from_configuration(path), extremes=False)
    for path in sorted(FOUND.glob("*.json"))
)
