"""Fixtures for tests that convert models with TensorFlow and need no browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from models import Sample

from tfjs_bundle import convert
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert import Converted
from tfjs_bundle.source.identify import identify


@dataclass(frozen=True)
class Conversion:
    """A sample, its conversion, and what the build's own reference predicts for the sample's inputs."""

    sample: Sample
    converted: Converted
    reference: dict[str, np.ndarray]

    @property
    def inputs(self) -> list[np.ndarray]:
        return list(self.sample.inputs.values())


@pytest.fixture(scope="session")
def conversion(child, sample, tmp_path_factory) -> Callable[[str], Conversion]:
    """A function from a sample's name to its conversion by the native converter; each made once."""
    workspace = tmp_path_factory.mktemp("traces")
    made: dict[str, Conversion] = {}

    def get(name: str) -> Conversion:
        if name not in made:
            model = sample(name)
            options = BuildOptions(custom_objects=model.custom_objects)
            converted = convert.convert(identify(model.path), options, child, workspace)
            made[name] = Conversion(model, converted, convert.predict(converted, model.inputs, child))
        return made[name]

    return get
