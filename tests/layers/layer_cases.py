"""All cases of the layer suite, and what of Keras has none yet."""

from __future__ import annotations

import inspect
from typing import Any

import cases_activations
import cases_attention
import cases_audio
import cases_augmentation
import cases_convolution
import cases_core
import cases_images
import cases_merging
import cases_normalization
import cases_ops
import cases_pooling
import cases_preprocessing
import cases_recurrent
import cases_reshaping
import cases_strings
from layer_case import LayerCase
from models import keras

#: One module for each family of layers.
FAMILIES = (
    cases_core,
    cases_convolution,
    cases_pooling,
    cases_activations,
    cases_merging,
    cases_reshaping,
    cases_normalization,
    cases_attention,
    cases_recurrent,
    cases_preprocessing,
    cases_strings,
    cases_audio,
    cases_images,
    cases_augmentation,
    cases_ops,
)

CASES: tuple[LayerCase, ...] = tuple(case for family in FAMILIES for case in family.CASES)

#: Public layers without a case, and why.
EXEMPT = {
    "Layer": "abstract: the base class",
    "Wrapper": "abstract: the base class of wrappers",
    "Lambda": "carries Python code and is refused without --unsafe; tested with custom objects",
    "TFSMLayer": "holds the path of a SavedModel, which a .keras file does not carry",
    "TorchModuleWrapper": "runs a PyTorch module; Keras refuses to load it on TensorFlow",
    "JaxLayer": "needs JAX, which is not installed",
    "FlaxLayer": "needs JAX and Flax, which are not installed",
}

#: Functions of ``keras.activations`` that are no activations.
_NOT_ACTIVATIONS = ("deserialize", "get", "serialize")


def uncovered() -> list[str]:
    """Return what the installed Keras has and no case covers, by public name, sorted.

    These are the public subclasses of ``Layer`` in ``keras.layers`` that are not in :data:`EXEMPT`, and the
    functions of ``keras.activations`` as ``activations.NAME``. A case covers every name of its layer.
    """
    public = _public()
    covered = {id(public[case.layer]) for case in CASES if case.layer in public}
    return sorted(name for name, thing in public.items() if name not in EXEMPT and id(thing) not in covered)


def unknown() -> list[str]:
    """Return what is named by a case or in :data:`EXEMPT` and is not in the installed Keras, sorted."""
    public = _public()
    return sorted({name for name in (*(case.layer for case in CASES), *EXEMPT) if name not in public})


def _public() -> dict[str, Any]:
    k = keras()
    layers = {
        name: thing
        for name, thing in vars(k.layers).items()
        if inspect.isclass(thing) and issubclass(thing, k.layers.Layer) and not name.startswith("_")
    }
    activations = {
        f"activations.{name}": thing
        for name, thing in vars(k.activations).items()
        if inspect.isfunction(thing) and not name.startswith("_") and name not in _NOT_ACTIVATIONS
    }
    return layers | activations
