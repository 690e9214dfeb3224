"""The messages of refusals, as the code has them: with ``…`` for what is filled in."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfjs_bundle import errors

PACKAGE = Path(errors.__file__).parent
EXIT_CODES = {
    name: refusal.exit_code
    for name, refusal in inspect.getmembers(errors, inspect.isclass)
    if refusal is not errors.BundleError and issubclass(refusal, errors.BundleError)
}


@dataclass(frozen=True)
class Message:
    """What one call of a refusal's class says first; ``text`` is empty where that is not written there."""

    exit_code: int
    text: str
    place: str


def messages() -> Iterator[Message]:
    """Give every message of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EXIT_CODES:
                place = f"{path.relative_to(PACKAGE)}: {ast.unparse(node.args[0])[:60]}"
                yield Message(EXIT_CODES[node.func.id], plain(_text(node.args[0])), place)


def plain(text: str) -> str:
    """Return a message with one space between words, and one ``…`` for all that is filled in at one place."""
    return re.sub("…([ ./]?…)+", "…", " ".join(text.split()))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return (_text(node.left) or "…") + (_text(node.right) or "…")
    return ""
