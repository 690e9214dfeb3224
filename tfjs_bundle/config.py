"""Options of a build: what they are, and where they stand.

An option may stand in ``tfjs-bundle.toml`` or in ``[tool.tfjs-bundle]`` of ``pyproject.toml``, under the
name it has on the command line; the command line wins. They are parsed once, here.
"""

from __future__ import annotations

import importlib.machinery
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tfjs_bundle.bundle import BACKENDS
from tfjs_bundle.errors import UsageError
from tfjs_bundle.site.hosting import HOSTS

CONVERTERS = ("native", "tensorflowjs")
FORMATS = ("site", "npm")
#: Looks for the smallest weights within :attr:`BuildOptions.budget`.
AUTO = "auto"
QUANTIZATIONS = ("none", "float16", "uint16", "uint8", "int8", AUTO)
#: Percentage points, where nothing is said.
DEFAULT_BUDGET = 0.5
#: What verification runs on unless it is told: in every browser, and without a GPU.
DEFAULT_BACKENDS = ("wasm", "cpu")
#: Of the current directory, the first one that is there.
_CONFIGURATION_FILES = ("tfjs-bundle.toml", "pyproject.toml")
_SHARD_SIZE = 4 << 20
_PATHS = (str, os.PathLike)
#: What the value of an option may be, and how that is called; the others are checked where they are used.
_TYPES: Mapping[str, tuple[Any, str]] = {
    "name": (str, "a text"),
    "signature": (str, "a text"),
    "task": (str, "a text"),
    "converter": (str, "a text"),
    "format": (str, "a text"),
    "package": (Mapping, "a table"),
    "unsafe": (bool, "true or false"),
    "allow_random": (bool, "true or false"),
    "verify": (bool, "true or false"),
    "cache": (bool, "true or false"),
    "hosting": (str, "a text"),
    "precompress": (bool, "true or false"),
    "custom_objects": (_PATHS, "a module or a path"),
    "template": (_PATHS, "a path"),
    "data": (_PATHS, "a path"),
    "quantize": (str, "a text"),
    "prune": ((int, float), "a number from 0 to below 1"),
    "budget": ((int, float), "a number of percentage points"),
    "labels": ((*_PATHS, list, Mapping), "a path, a list or a table of lists"),
    "preprocessing": (Mapping, "a table"),
    "form": (Mapping, "a table"),
    "examples": (list, "a list of tables"),
    "backends": ((str, list, tuple), "a list"),
}
_SIZE_KIND = "bytes, or a text such as `4M`"
_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class BuildOptions:
    """Everything that a build can be told.

    Attributes:
        name: shown on the page; the source's file name by default.
        signature: which signature of a SavedModel.
        labels: output name to class labels (input name to feature labels, for tables).
        task: what the model is for (:data:`tfjs_bundle.preprocessing.TASKS`); guessed from the signature by
            default.
        preprocessing: input name to image schema, or the schema itself where there is one input.
        form: input name to how the page asks for it (:mod:`tfjs_bundle.form`).
        examples: what the page offers to fill the form with.
        shard_size: no shard is larger, in bytes; 4M by default.
        hosting: where the site will be (:data:`tfjs_bundle.site.hosting.HOSTS`): the bundle gets the file
            that this host reads, and keeps to its limits.
        precompress: write ``.br`` and ``.gz`` twins beside the files; by default where the host sends them.
        format: ``site`` (a directory for static hosts) or ``npm`` (a package for an app's own build).
        package: members of package.json that replace ours.
        template: directory whose templates replace ours by name.
        converter: ``native`` or ``tensorflowjs``.
        custom_objects: a module, or a Python file, that registers the model's custom layers.
        unsafe: allow a model file to run Python code (Lambda layers).
        allow_random: allow random numbers at inference; parity is then skipped.
        verify: compare with Keras in a browser; where nothing is said, if there is one.
        backends: the ones to verify.
        data: a ``.npz`` file with inputs to verify with, and to measure compression on.
        quantize: ``none``, ``float16``, ``uint16``, ``uint8`` or ``int8`` (8 bits with a scale per channel);
            weights that the outputs would miss stay finer. ``auto`` tries all of them, pruned more and more,
            and takes the smallest that costs no more than ``budget`` on ``data``.
        prune: the share of the kernels' numbers that become 0, the smallest ones, from 0 to below 1; with
            ``auto`` the only share that is tried.
        budget: percentage points that the metric of ``data`` may lose with ``auto``; 0.5 by default.
        cache: keep what was converted and verified, and use what earlier builds kept
            (:mod:`tfjs_bundle.cache`).
    """

    name: str | None = None
    signature: str | None = None
    labels: Mapping[str, list[str]] | list[str] = field(default_factory=dict)
    task: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    examples: list[Any] = field(default_factory=list)
    shard_size: int = _SHARD_SIZE
    hosting: str = "any"
    precompress: bool | None = None
    format: str = "site"
    package: Mapping[str, Any] = field(default_factory=dict)
    template: Path | None = None
    converter: str = "native"
    custom_objects: str | None = None
    unsafe: bool = False
    allow_random: bool = False
    verify: bool | None = None
    backends: tuple[str, ...] = DEFAULT_BACKENDS
    data: Path | None = None
    quantize: str = "none"
    prune: float = 0.0
    budget: float | None = None
    cache: bool = True

    @property
    def sends_twins(self) -> bool:
        """Whether the site gets compressed twins of its files."""
        wanted = HOSTS[self.hosting].sends_twins if self.precompress is None else self.precompress
        return wanted and self.format == "site"


def options(
    given: Mapping[str, Any], config: Path | None = None, *, use_directory: bool = True
) -> BuildOptions:
    """Merge the configuration file with what was given, which wins.

    Args:
        given: by the names of :class:`BuildOptions`; ``None`` means not given. ``labels`` may be a path.
        config: the file named by the user.
        use_directory: without ``config``, take the one of the current directory if there is one.

    Raises:
        UsageError: the file cannot be read, or an option is unknown or makes no sense.
    """
    return _checked(_merged(given, config, use_directory))


def files(given: Mapping[str, Any], config: Path | None = None, *, use_directory: bool = True) -> list[Path]:
    """Return the files and directories that :func:`options` and a build with these options read.

    Configuration files that could be there but are not are among them, and a configuration file that cannot
    be read stands alone.
    """
    directory = [Path.cwd() / name for name in _CONFIGURATION_FILES] if use_directory else []
    places = [config] if config else directory
    try:
        values = _merged(given, config, use_directory)
    except UsageError:
        values = dict(given)
    named = [values.get(name) for name in ("labels", "template", "data")]
    custom = values.get("custom_objects")
    if isinstance(custom, _PATHS):
        named.append(_source_of(os.fspath(custom)))
    return [*places, *(Path(path) for path in named if isinstance(path, _PATHS))]


def _source_of(module: str) -> str | None:
    """Return the file of a module that is given as a file or by its name, without importing anything."""
    if module.endswith(".py"):
        return module
    top = module.partition(".")[0]
    spec = importlib.machinery.PathFinder.find_spec(top, [str(Path.cwd()), *sys.path])
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).parent) if spec.submodule_search_locations else spec.origin


def _merged(given: Mapping[str, Any], config: Path | None, use_directory: bool) -> dict[str, Any]:
    values, base = _read(config, Path.cwd()) if config or use_directory else ({}, Path.cwd())
    for name in ("template", "data"):
        if isinstance(values.get(name), str):
            values[name] = base / values[name]
    if isinstance(values.get("labels"), str):
        values["labels"] = base / values["labels"]
    custom = values.get("custom_objects")
    if isinstance(custom, str) and custom.endswith(".py"):
        values["custom_objects"] = str(base / custom)
    values.update({name: value for name, value in given.items() if value is not None})
    return values


def parse_size(text: str | int) -> int:
    """Return a number of bytes: ``4M`` is 4,194,304.

    Raises:
        UsageError: it is no size, or smaller than 1 KiB.
    """
    match = re.fullmatch(r"(\d+)\s*([KMG]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    size = int(match[1]) * _SIZE_UNITS[match[2].upper()] if match else 0
    if size < 1024:
        raise UsageError(f"{text!r} is no shard size.", "Give bytes, at least 1K, for instance 4M.")
    return size


def value_kind(name: str) -> str:
    """Return what the value of an option is called, as messages and the reference call it."""
    return _TYPES[name][1] if name in _TYPES else _SIZE_KIND


def read_labels(path: Path) -> list[str]:
    """Read one label per line.

    Raises:
        UsageError: the file cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The labels {path} cannot be read: {error}.", "Give a UTF-8 file, one label a line."
        ) from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise UsageError(f"The labels file {path} is empty.", "Write one label per line.")
    return [line.strip() for line in lines]


def _read(config: Path | None, directory: Path) -> tuple[dict[str, Any], Path]:
    """Return the options of the configuration file and the directory that its paths are relative to."""
    if config is not None:
        table = _tool_table(config) if config.name == "pyproject.toml" else _toml(config)
        return _normalized(table), config.parent
    own, project = (directory / name for name in _CONFIGURATION_FILES)
    if own.is_file():
        return _normalized(_toml(own)), directory
    if project.is_file():
        return _normalized(_tool_table(project)), directory
    return {}, directory


def _tool_table(project: Path) -> dict[str, Any]:
    """Return ``[tool.tfjs-bundle]`` of a pyproject.toml, empty where there is none."""
    tools = _toml(project).get("tool", {})
    table = tools.get("tfjs-bundle", {}) if isinstance(tools, dict) else tools
    if not isinstance(table, dict):
        raise UsageError(f"[tool.tfjs-bundle] of {project} must be a table, not {table!r}.", "Correct it.")
    return table


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "Name a TOML file with --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Correct it.") from None


def _normalized(table: Mapping[str, Any]) -> dict[str, Any]:
    values = {name.replace("-", "_"): value for name, value in table.items()}
    if "backend" in values:  # as on the command line
        values["backends"] = values.pop("backend")
    return values


def _checked(values: dict[str, Any]) -> BuildOptions:
    known = {each.name for each in fields(BuildOptions)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(f"There is no option {unknown[0]!r}.", f"Options are {', '.join(sorted(known))}.")
    _check_types(values)
    if isinstance(values.get("backends"), str):
        values["backends"] = [values["backends"]]
    if "backends" in values:
        _among(values["backends"], BACKENDS, "backend")
        values["backends"] = tuple(dict.fromkeys(values["backends"]))
    if "converter" in values:
        _among([values["converter"]], CONVERTERS, "converter")
    if "format" in values:
        _among([values["format"]], FORMATS, "format")
    if "quantize" in values:
        _among([values["quantize"]], QUANTIZATIONS, "quantization")
    if "prune" in values:
        values["prune"] = _share(values["prune"])
    _check_budget(values)
    if values.get("task") is not None:
        from tfjs_bundle.preprocessing import TASKS

        _among([values["task"]], tuple(TASKS), "task")
    if "shard_size" in values:
        values["shard_size"] = parse_size(values["shard_size"])
    if "hosting" in values:
        _among([values["hosting"]], tuple(HOSTS), "hosting preset")
        host = HOSTS[values["hosting"]]
        if host.largest_file is not None and values.get("shard_size", 0) > host.largest_file:
            raise UsageError(
                f"{host.title} takes no file larger than {host.largest_file:,} bytes, and shards of "
                f"{values['shard_size']:,} are asked for.",
                "Give a smaller --shard-size.",
            )
    if isinstance(values.get("labels"), (str, os.PathLike)):
        values["labels"] = read_labels(Path(values["labels"]))
    for name in ("template", "data"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    if values.get("custom_objects") is not None:
        values["custom_objects"] = os.fspath(values["custom_objects"])
    return BuildOptions(**values)


def _check_types(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        wanted = _TYPES.get(name)
        if wanted and value is not None and not isinstance(value, wanted[0]):
            raise UsageError(f"The option {name!r} must be {wanted[1]}, not {value!r}.", "Correct it.")
    labels = values.get("labels")
    lists = list(labels.values()) if isinstance(labels, Mapping) else [labels]
    for each in lists:
        if isinstance(each, list) and not all(isinstance(label, str) for label in each):
            raise UsageError(f"The labels must be texts, not {each!r}.", "Put each one in quotes.")
        if isinstance(labels, Mapping) and not isinstance(each, list):
            raise UsageError(f"The labels of an output must be a list, not {each!r}.", "Correct it.")


def _share(value: float) -> float:
    if isinstance(value, bool) or not 0 <= value < 1:
        raise UsageError(
            f"The option 'prune' must be from 0 to below 1, not {value!r}.",
            "Give the share of the weights that become 0, for instance 0.5.",
        )
    return float(value)


def _check_budget(values: Mapping[str, Any]) -> None:
    auto, budget = values.get("quantize") == AUTO, values.get("budget")
    if auto and values.get("data") is None:
        raise UsageError(
            "The quantization 'auto' needs data to measure on.",
            "Name a .npz file with --data: inputs by name, and labels as `y` if there are any.",
        )
    if budget is None:
        return
    if not auto:
        raise UsageError(
            f"A budget of {budget!r} says nothing to the quantization {values.get('quantize', 'none')!r}.",
            "Give --quantize auto, which looks for the smallest weights within the budget.",
        )
    if isinstance(budget, bool) or not 0 <= budget <= 100:
        raise UsageError(
            f"A budget of {budget!r} makes no sense.",
            "Give percentage points from 0 to 100, for instance 0.5.",
        )


def _among(given: Any, known: tuple[str, ...], what: str) -> None:
    for each in given:
        if each not in known:
            raise UsageError(f"There is no {what} {each!r}.", f"Use one of {', '.join(known)}.")
