"""Code that comes with a model: custom classes that the user names, and code inside the file.

Runs in the child process. Python code inside a model file (a Lambda's function) is only ever
run when the user asked for it; a module named with ``--custom-objects`` is the user's own.
"""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tfjs_bundle.errors import SourceError, UsageError

_LIBRARIES = ("keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "builtins", "typing", "abc")
_imported: list[str] = []

#: Ops that reach outside the model: no browser has them, and the reference must not run them.
OUTSIDE_OPS = frozenset(
    [
        *("ReadFile", "WriteFile", "MatchingFiles", "ImmutableConst"),
        *("Save", "SaveV2", "SaveSlices", "MergeV2Checkpoints", "Restore", "RestoreV2", "RestoreSlice"),
        *("TFRecordReaderV2", "WholeFileReaderV2", "TextLineReaderV2", "FixedLengthRecordReaderV2"),
        *("TextLineDataset", "TFRecordDataset", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2"),
        *("InitializeTableFromTextFile", "InitializeTableFromTextFileV2", "LoadAndRemapMatrix"),
        *("CreateSummaryFileWriter", "CreateSummaryDbWriter", "DebugIdentity", "DebugIdentityV2"),
        *("PyFunc", "PyFuncStateless", "EagerPyFunc", "RemoteCall", "RpcCall", "RemoteFusedGraphExecute"),
    ]
)

#: Of these, what no SavedModel has for its own bookkeeping: it writes elsewhere, or calls code.
RUNNING_OPS = frozenset(
    [
        *("WriteFile", "PyFunc", "PyFuncStateless", "EagerPyFunc"),
        *("RemoteCall", "RpcCall", "RemoteFusedGraphExecute", "CreateSummaryFileWriter"),
        *("CreateSummaryDbWriter", "DebugIdentity", "DebugIdentityV2"),
    ]
)

#: Where TensorFlow keeps functions that compute and do nothing else.
_COMPUTING = frozenset(
    [
        *("__operators__", "audio", "bitwise", "dtypes", "image", "linalg", "math", "nn", "quantization"),
        *("ragged", "random", "sets", "signal", "sparse", "strings"),
        *("keras.activations", "keras.backend", "keras.losses", "keras.metrics"),
    ]
)
#: Of TensorFlow's functions outside of any module, those that do more.
_NOT_COMPUTING = frozenset(
    [
        *("import_graph_def", "load_file_system_library", "load_library", "load_op_library"),
        *("matching_files", "numpy_function", "print", "py_func", "py_function", "read_file", "write_file"),
    ]
)


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


def refuse_reaching_out(path: Path, config: Any) -> None:
    """Refuse layers of Keras 2 that call a TensorFlow function by its name, unless it only computes.

    tf_keras calls whatever the file names while it reads it, functions that delete files among them.

    Args:
        config: the model's configuration, as the file has it.

    Raises:
        SourceError: naming the layer and the function.
    """
    for class_name, inner in _configs(config):
        named = ""
        if class_name in ("TFOpLambda", "SlicingOpLambda"):
            named = str(inner.get("function"))
        elif class_name == "ClassMethod":
            named = str(inner.get("cls_symbol"))
        elif class_name == "TensorFlowOpLayer":
            ops = set(re.findall(r"""\bop['"]?\s*:\s*['"](\w+)""", str(inner.get("node_def"))))
            named = next(iter(sorted(ops & OUTSIDE_OPS)), "")
        if named and not _only_computes(named, a_class=class_name == "ClassMethod"):
            raise SourceError(
                f"{path} calls tf.{named} in the layer {inner.get('name')!r} ({class_name}): "
                "reading it would run that.",
                "If you trust the file, pass --unsafe; better, build the model without that call and save it "
                "again.",
            )


def _only_computes(symbol: str, *, a_class: bool) -> bool:
    if a_class:
        return symbol.rpartition(".")[2] in ("RaggedTensor", "SparseTensor", "Tensor")
    if symbol in OUTSIDE_OPS:
        return False
    module, _, name = re.sub(r"^compat\.v[12]\.", "", symbol).rpartition(".")
    if module:
        return module in _COMPUTING
    return name not in _NOT_COMPUTING and not name[:1].isupper()  # classes open sessions and readers


def _configs(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _configs(item)
    elif isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and isinstance(config.get("config"), dict):
            yield config["class_name"].rpartition(">")[2], config["config"]
        for value in config.values():
            yield from _configs(value)


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
