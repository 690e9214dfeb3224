"""Write docs/reference/ from the code: the command line, the configuration, the exit codes.

    python docs/generate.py

Nothing in those pages is written by hand, and a test fails where they are not what this gives.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from tfjs_bundle import errors, preprocessing
from tfjs_bundle.cli import cli
from tfjs_bundle.config import BuildOptions, value_kind

REFERENCE = Path(__file__).resolve().parent / "reference"
_NOTE = "<!-- Written by `make docs` from the code; change it there. -->"
#: What :func:`exit_codes` says of the codes that no class of errors.py has.
_OTHER_CODES = {0: "Done.", 1: "A bug of tfjs-bundle, with a traceback.", 130: "Interrupted by Ctrl-C."}


def pages() -> dict[str, str]:
    """Return the text of each page by its name in docs/reference/."""
    return {"cli.md": _command_line(), "config.md": _configuration()}


def exit_codes() -> dict[int, str]:
    """Return what each exit code means, by code."""
    meanings = {
        refusal.exit_code: re.sub(r" \(exit code \d+\)", "", _summary(refusal))
        for refusal in errors.BundleError.__subclasses__()
    }
    return dict(sorted({**_OTHER_CODES, **meanings}.items()))


def _command_line() -> str:
    parts = [
        _NOTE,
        "# Command line",
        _paragraphs(cli),
        "Options may also stand in a file: [config.md](config.md). The command line wins.",
    ]
    root = click.Context(cli, info_name="tfjs-bundle", **cli.context_settings)
    for name, command in cli.commands.items():
        context = click.Context(command, info_name=name, parent=root, **command.context_settings)
        usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
        records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
        rows = [(f"`{record[0]}`", record[1]) for record in records if record and record[1]]
        parts += [f"## tfjs-bundle {name}", f"`{usage}`", _paragraphs(command)]
        parts.append(_table(("option", "what it does"), rows))
    parts += [
        "## Exit codes",
        "After any code but 0 the output is as it was. [Troubleshooting](../troubleshooting.md) has the "
        "messages.",
        _table(("code", "meaning"), ((str(code), meaning) for code, meaning in exit_codes().items())),
    ]
    return _joined(parts)


def _configuration() -> str:
    return _joined(
        [
            _NOTE,
            "# Configuration",
            "Every option of a build may stand in `tfjs-bundle.toml`, or under `[tool.tfjs-bundle]` of "
            "`pyproject.toml`, in the directory that the command runs in; `--config FILE` names another. "
            "The command line wins. Paths are relative to the file. `tfjs_bundle.build()` takes the same "
            "options by the same names, with `_` for `-`, and reads a file only where `config=` names one.",
            _table(("option", "value", "default", "what it is"), _options()),
            "## Tasks",
            "What the model is for, and so what its page looks like: `task`.",
            _table(("task", "page"), ((f"`{name}`", text) for name, text in preprocessing.TASKS.items())),
            "## Pictures",
            "`[preprocessing.<input>]` says how a picture becomes that input. What is left out follows from "
            "the input's shape and the task. Each step is specified in "
            "[the bundle format](../bundle-format.md#a-preprocessing-entry).",
            _table(("member", "what it is"), _attributes(preprocessing.ImageSchema)),
            "`family` stands for `channels`, `scale` and `offset` of a module of keras.applications: "
            + ", ".join(f"`{name}`" for name in sorted(preprocessing.FAMILIES))
            + ".",
            "## Words, numbers and examples",
            "`[form.<input>]` and `[[examples]]` say how the page asks for inputs of one value, and what it "
            "offers to fill them with: [the members](../static-bundle.md#words-and-numbers).",
        ]
    )


def _options() -> Iterator[tuple[str, str, str, str]]:
    meanings = dict(_attributes(BuildOptions))
    for field in dataclasses.fields(BuildOptions):
        name = field.name.replace("_", "-")
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        key = f"`{field.name}`"
        yield f"`{name}`", value_kind(field.name), _default(default), meanings[key]


def _default(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{value}`"


def _attributes(owner: type) -> list[tuple[str, str]]:
    """Return name and meaning of each entry under ``Attributes:`` of a docstring."""
    section = inspect.cleandoc(owner.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.split(r"^ {4}(?=\S)", section, flags=re.MULTILINE)[1:]
    found = []
    for entry in entries:
        names, _, text = " ".join(entry.split()).partition(": ")
        marked = ", ".join(f"`{name.strip()}`" for name in names.split(","))
        found.append((marked, _markdown(text)))
    return found


def _markdown(text: str) -> str:
    """Return reStructuredText as our docstrings write it as Markdown, without references into the code."""
    text = re.sub(r" \(:\w+:`[^`]*`\)", "", text)
    text = re.sub(r":\w+:`[~.]*(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def _summary(owner: Any) -> str:
    return inspect.cleandoc(owner.__doc__ or "").partition("\n\n")[0]


def _paragraphs(command: click.Command) -> str:
    """Return a command's help text, without the lists that have a section of their own."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(" ".join(text.split()) for text in paragraphs if not text.startswith("\b"))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(head), "|".join("---" for _ in head)]
    lines += [" | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" if index != 1 else f"|{line}|" for index, line in enumerate(lines))


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
