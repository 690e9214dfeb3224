"""A model that the caller holds in memory, handed to the child process as files.

Runs in the caller's process, where Keras is imported already and may run on any backend.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from tfjs_bundle.errors import SourceError
from tfjs_bundle.source.identify import SourceFile, identify, safe_name

_LIBRARIES = ("keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "builtins")


def save_for_child(model: Any, directory: str | Path) -> SourceFile:
    """Save a model that lives in this process so that the child process can read it.

    A Keras 3 model becomes a ``.keras`` file, whatever backend Keras runs on here; its custom
    classes and functions go along in a second file, so no ``--custom-objects`` is needed. A
    tf_keras model becomes a SavedModel. The model is the caller's own, so code in it (a Lambda)
    is not refused.

    Args:
        model: a built ``keras.Model`` or ``tf_keras.Model``.
        directory: an existing directory, which must outlive the child's reading.

    Returns:
        The :class:`SourceFile`. Its ``sha256`` leaves the time of saving out: the same model gives
        the same hash.

    Raises:
        SourceError: ``model`` is no Keras model, was never built, or cannot be saved.
    """
    directory = Path(directory)
    keras, tf_keras = sys.modules.get("keras"), sys.modules.get("tf_keras")
    if keras is not None and isinstance(model, keras.Model):
        return _save_keras3(keras, model, directory)
    if tf_keras is not None and isinstance(model, tf_keras.Model):
        return _save_tf_keras(model, directory)
    raise SourceError(
        f"A {type(model).__module__}.{type(model).__qualname__} is not a Keras model.",
        "Give a keras.Model, or the path of a saved model.",
    )


def _save_keras3(keras: Any, model: Any, directory: Path) -> SourceFile:
    if not model.built:
        raise SourceError(
            f"The model {model.name!r} was never built: it has no weights and no input shapes yet.",
            "Call it once on real data, or start it with a keras.Input.",
        )
    path = directory / f"{safe_name(model.name)}.keras"
    try:
        model.save(path)
    except Exception as error:  # the user's get_config may raise anything
        raise SourceError(
            f"The model {model.name!r} cannot be saved: {type(error).__name__}: {error}",
            "Make `model.save('model.keras')` work first; custom layers need a get_config().",
        ) from error
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        digest = hashlib.sha256()
        for name in sorted(set(archive.namelist()) - {"metadata.json"}):
            content = hashlib.sha256()
            with archive.open(name) as stream:
                while chunk := stream.read(2**20):
                    content.update(chunk)
            digest.update(f"{name}\0{content.hexdigest()}\n".encode())
    objects = _custom_objects(keras, model, config)
    pickled = directory / "custom_objects.pkl"
    if objects:
        pickled.write_bytes(_pickle(model, objects))
    return dataclasses.replace(
        identify(path),
        sha256=digest.hexdigest(),
        trusted=True,
        custom_objects=pickled if objects else None,
    )


def _save_tf_keras(model: Any, directory: Path) -> SourceFile:
    path = directory / safe_name(model.name)
    try:
        model.save(path, save_format="tf", include_optimizer=False)
    except Exception as error:  # as above
        raise SourceError(
            f"The model {model.name!r} cannot be saved: {type(error).__name__}: {error}",
            "Make `model.save('model', save_format='tf')` work first.",
        ) from error
    return dataclasses.replace(identify(path), trusted=True)


def _custom_objects(keras: Any, model: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Return the user's own classes and functions that the saved model names."""
    candidates: dict[str, Any] = {}
    for layer in model._flatten_layers():
        for value in (type(layer), *vars(layer).values()):
            thing = value if isinstance(value, (type, FunctionType)) else type(value)
            candidates.setdefault(thing.__name__, thing)
            candidates.setdefault(keras.saving.get_registered_name(thing), thing)
    candidates.update(keras.saving.get_custom_objects())
    return {
        name: candidates[name]
        for name in sorted(set(_names(config)) & candidates.keys())
        if str(getattr(candidates[name], "__module__", "")).split(".")[0] not in _LIBRARIES
    }


def _names(config: Any) -> Iterator[str]:
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _names(item)
    elif isinstance(config, dict):
        for key in ("class_name", "registered_name"):
            if isinstance(config.get(key), str):
                yield config[key]
        if config.get("class_name") == "function" and isinstance(config.get("config"), str):
            yield config["config"]
        for value in config.values():
            yield from _names(value)


def _pickle(model: Any, objects: dict[str, Any]) -> bytes:
    """Pickle by name what the child can import, and by value what lives in a script or notebook."""
    local = [name for name, thing in objects.items() if not _importable(thing)]
    if not local:
        return pickle.dumps(objects)
    try:
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError:
        raise SourceError(
            f"The model {model.name!r} uses {', '.join(local)}, defined in a script or notebook, "
            "which another process cannot import.",
            "Move it to a module of its own and import it from there, or `pip install cloudpickle`.",
        ) from None
    try:
        return cloudpickle.dumps(objects)
    except Exception as error:  # whatever the class holds on to
        raise SourceError(
            f"The custom classes of the model {model.name!r} ({', '.join(local)}) cannot be handed to "
            f"another process: {type(error).__name__}: {error}",
            "Move them to a module of their own and import them from there.",
        ) from error


def _importable(thing: Any) -> bool:
    if thing.__module__ == "__main__":
        return False
    found: Any = sys.modules.get(thing.__module__)
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is thing
