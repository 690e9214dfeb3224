"""Code that comes with a model: custom classes that the user names, and code inside the file.

Runs in the child process. Python code inside a model file (a Lambda's function) is only ever
run when the user asked for it; a module named with ``--custom-objects`` is the user's own.
"""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tfjs_bundle.errors import SourceError, UsageError

_LIBRARIES = ("keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "builtins", "typing", "abc")
_imported: list[str] = []


def load_custom_objects(module: str | None, pickled: Path | None = None) -> dict[str, Any]:
    """Import the user's module and return the classes and functions that a model may name.

    The module's own decorators (``keras.saving.register_keras_serializable``) run on import;
    what is not registered is offered by its plain name. A file is imported anew each time, so
    that an edited file is seen by the next build.

    Args:
        module: a ``.py`` file, a package's directory, or a dotted module name; looked up from
            the current directory too.
        pickled: classes by registered name, as :mod:`tfjs_bundle.source.in_memory` wrote them.

    Raises:
        UsageError: the module does not exist or cannot be imported.
    """
    found: dict[str, Any] = {}
    if pickled is not None:
        _search(Path.cwd())
        # written by our own caller a moment ago, never part of a file that a user gives us
        with pickled.open("rb") as stream:
            found.update(pickle.load(stream))  # noqa: S301
    if module is not None:
        found.update(_public_names(_import(module)))
    return found


def _import(module: str) -> ModuleType:
    for name in [
        name for name in sys.modules if f"{name}.".startswith(tuple(f"{first}." for first in _imported))
    ]:
        del sys.modules[name]
    _imported.clear()
    path = Path(module)
    try:
        if path.suffix == ".py" or path.is_dir():
            return _import_path(path)
        _search(Path.cwd())
        _imported.append(module)
        return importlib.import_module(module)
    except UsageError:
        raise
    except BaseException as error:  # the user's code may raise anything, SystemExit included
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UsageError(
            f"--custom-objects {module} cannot be imported: {type(error).__name__}: {error}",
            "Give a .py file or a module that Python can import; import it yourself to see the whole error.",
        ) from None


def _import_path(path: Path) -> ModuleType:
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"--custom-objects {path}: there is no file {file}.", "Check the path.")
    file = file.resolve()
    package = file.name == "__init__.py"
    name = file.parent.name if package else file.stem
    _search(file.parent.parent if package else file.parent)
    existing = sys.modules.get(name)
    if existing is not None and getattr(existing, "__file__", None) != str(file):
        name = f"_custom_objects_{name}"  # never in the place of a module that others use
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)] if package else None
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _imported.append(name)
    spec.loader.exec_module(module)
    return module


def _search(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def _public_names(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and str(getattr(value, "__module__", "")).split(".")[0] not in _LIBRARIES
    }


def refuse_code(path: Path, config: dict[str, Any], *, unsafe: bool, named_functions: bool = True) -> None:
    """Refuse Python code inside a model's configuration, unless the user trusts the file.

    Args:
        config: the model's configuration, as the file has it.
        unsafe: the user's ``--unsafe``.
        named_functions: whether a Lambda of a function that is only named is fine (Keras 3
            takes it from the registered custom objects; tf_keras would take it from any module).

    Raises:
        SourceError: a Lambda or another object carries code; the message names its layer.
    """
    if unsafe:
        return
    layers = list(dict.fromkeys(_layers_with_code(config, "", named_functions)))
    if layers:
        raise SourceError(
            f"{path} carries Python code in {_listed(layers)}: reading it would run that code.",
            "If you trust the file, pass --unsafe; better, replace the Lambda by a layer class or a "
            "keras.ops call and save the model again.",
        )


def _layers_with_code(config: Any, layer: str, named_functions: bool) -> Iterator[str]:
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _layers_with_code(item, layer, named_functions)
        return
    if not isinstance(config, dict):
        return
    inner = config.get("config")
    class_name = config.get("class_name")
    if isinstance(inner, dict) and isinstance(inner.get("name"), str) and class_name:
        layer = f"the layer {inner['name']!r} ({class_name})"
    if class_name == "__lambda__":
        yield layer or "a lambda"
    if class_name == "Lambda" and isinstance(inner, dict):
        kinds = {inner.get(f"{part}_type") for part in ("function", "output_shape", "mask")}
        if "lambda" in kinds or not named_functions:
            yield layer
    for value in config.values():
        yield from _layers_with_code(value, layer, named_functions)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
