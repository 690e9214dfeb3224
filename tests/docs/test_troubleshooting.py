"""docs/troubleshooting.md has every message that a refusal can begin with, and no other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from messages import messages, plain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"

#: Messages that are put together before they are given to the error; the page has what they come to.
ELSEWHERE = {
    "serve/server.py: what": ["Cannot listen on …, port …: …."],
    "site/templates.py: what": ["The template … does not render: …."],
    "source/identify.py: *_not_a_model(path, head)": [
        "… is one file of a SavedModel.",
        "… is not a Keras archive: it is no zip file, or its beginning is damaged.",
        "… is not an HDF5 file, or its beginning is damaged.",
        "… is not a TF.js model.json: it is not JSON.",
        "… is a TFLite model, which tfjs-bundle does not read.",
        "… looks like …, which tfjs-bundle does not read.",
        "… is not a model that tfjs-bundle reads.",
    ],
}


@cache
def listed() -> dict[int, set[str]]:
    """Return the messages on the page by the exit code of their section."""
    found: dict[int, set[str]] = {}
    code = None
    tokens = MarkdownIt().enable("table").parse(PAGE.read_text(encoding="utf-8"))
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            heading = re.match(r"Exit code (\d)", tokens[index + 1].content)
            code = int(heading[1]) if heading else None
        first = token.type == "td_open" and tokens[index - 1].type == "tr_open"
        if first and code is not None:
            spans = [each.content for each in tokens[index + 1].children or () if each.type == "code_inline"]
            found.setdefault(code, set()).update(plain(span) for span in spans)
    return found


def covers(pattern: str, message: str) -> bool:
    """Tell whether a message is the one on the page, where an ``…`` at the end stands for any rest."""
    return message == pattern or (pattern.endswith("…") and message.startswith(pattern[:-1]))


@cache
def told() -> list[tuple[int, str, str]]:
    found = []
    for message in messages():
        texts = [message.text] if message.text else ELSEWHERE[message.place]
        found += [(message.exit_code, text, message.place) for text in texts]
    return found


@pytest.mark.parametrize("code", range(2, 8))
def test_every_message_of_an_exit_code_is_on_the_page(code):
    patterns = listed()[code]
    missing = [
        f"{text}   ({place})"
        for each, text, place in told()
        if each == code and not any(covers(pattern, text) for pattern in patterns)
    ]
    assert not missing, "not in docs/troubleshooting.md:\n" + "\n".join(missing)


def test_every_message_on_the_page_is_in_the_code():
    by_code: dict[int, list[str]] = {}
    for code, text, _ in told():
        by_code.setdefault(code, []).append(text)
    for code, patterns in listed().items():
        for pattern in patterns:
            assert any(covers(pattern, text) for text in by_code[code]), f"no error says {pattern!r} any more"


def test_messages_that_are_put_together_elsewhere_are_still_there():
    dynamic = {message.place for message in messages() if not message.text}
    assert dynamic == set(ELSEWHERE)


def test_a_message_says_more_than_what_is_filled_in():
    for patterns in listed().values():
        for pattern in patterns:
            assert re.search(r"\w{2,}", pattern.replace("…", "")), pattern
