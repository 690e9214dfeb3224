"""The reference pages say what the code says."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click
import pytest

from tfjs_bundle.cli import cli
from tfjs_bundle.config import BuildOptions

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import generate  # noqa: E402


@pytest.mark.parametrize("name", ["cli.md", "config.md"])
def test_a_page_of_the_reference_is_what_the_code_gives(name):
    written = (generate.REFERENCE / name).read_text(encoding="utf-8")
    assert written == generate.pages()[name], f"docs/reference/{name} is stale: run `make docs`"


def test_every_command_and_every_option_is_in_the_reference():
    page = generate.pages()["cli.md"]
    for name, command in cli.commands.items():
        section = page.partition(f"## tfjs-bundle {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            if isinstance(option, click.Option):
                assert all(flag in section for flag in (*option.opts, *option.secondary_opts)), option


def test_every_option_of_a_build_has_a_meaning_in_the_reference():
    rows = generate.pages()["config.md"].splitlines()
    for field in dataclasses.fields(BuildOptions):
        (row,) = (row for row in rows if row.startswith(f"| `{field.name.replace('_', '-')}` |"))
        assert row.split("|")[-2].strip(), row


def test_every_option_of_build_on_the_command_line_may_stand_in_a_file():
    known = {field.name for field in dataclasses.fields(BuildOptions)}
    only_there = {"source", "output", "config", "as_json"}
    assert {option.name for option in cli.commands["build"].params} - only_there <= known


def test_the_help_names_the_exit_codes_of_the_errors():
    told = " ".join((cli.help or "").split())
    for code in (0, *range(2, 8)):
        assert f"{code} " in told.partition("Exit codes: ")[2]
        assert code in generate.exit_codes()
