"""What a model does with the text and the keys that it takes, as far as its program tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfjs_bundle.graph.ir import Node, node_name

if TYPE_CHECKING:
    from tfjs_bundle.graph.program import Program

#: Ops that hand their first input on, its values unchanged.
_HAND_ON = frozenset(("Identity", "Reshape", "ExpandDims", "Squeeze", "Cast", "Snapshot", "StopGradient"))

#: Ops that take a text apart.
_TAKING_APART = frozenset(("StringSplitV2", "UnicodeDecode", "UnicodeDecodeWithOffsets", "StringNGrams"))

_WORDS = frozenset(("StringLower", "StringUpper", "StringStrip", "RegexReplace", "StaticRegexReplace"))


@dataclass(frozen=True)
class InputUse:
    """What becomes of one public input.

    Attributes:
        dtype: as the source has it.
        keys: of the tables that it is looked up in, in the order of their values, each once; words of a text
            where the input is text.
        prose: it is text that is taken apart into words or characters.
        closed: anything but the keys is an error.
        narrow: it goes on to the graph as it is, where whole numbers have 32 bits.
    """

    dtype: str
    keys: tuple[str | int, ...] = ()
    prose: bool = False
    closed: bool = False
    narrow: bool = False


def input_uses(program: Program | None) -> Mapping[str, InputUse]:
    """Return the use of each input that ``program`` takes, by public name."""
    if program is None:
        return {}
    nodes = (*program.before, *program.after)
    checked = _ancestors(nodes, [check.tensor for check in program.checks])
    return {
        spec.name: _use(program, nodes, spec.tensor, spec.dtype, closed=node_name(spec.tensor) in checked)
        for spec in program.inputs
    }


def _use(program: Program, nodes: tuple[Node, ...], start: str, dtype: str, *, closed: bool) -> InputUse:
    tables = {table.name: table for table in program.tables}
    # the value itself, the same in other letters, parts of it
    whole, words, parts = {node_name(start)}, {node_name(start)}, set[str]()
    keys: dict[str | int, None] = {}
    for node in nodes:
        sources = {node_name(tensor) for tensor in node.inputs}
        if node.op == "LookupTableFindV2" and node_name(node.inputs[1]) in words | parts:
            found = program.keys(tables[node_name(node.inputs[0])])
            keys.update(dict.fromkeys(_plain(key) for key in found.tolist()))
        first = {node_name(node.inputs[0])} if node.inputs else set()
        if node.op in _HAND_ON and first & whole:
            whole.add(node.name)
        if node.op in _HAND_ON | _WORDS and first & words:
            words.add(node.name)
        if (node.op in _TAKING_APART and first & (words | parts)) or (
            sources & parts and node.op not in ("LookupTableFindV2",)
        ):
            parts.add(node.name)
    return InputUse(
        dtype,
        keys=tuple(keys),
        prose=dtype == "string" and bool(parts),
        closed=closed and bool(keys),
        narrow=start in program.feeds.values(),
    )


def _ancestors(nodes: tuple[Node, ...], tensors: list[str]) -> set[str]:
    by_name = {node.name: node for node in nodes}
    found: set[str] = set()
    waiting = [node_name(tensor) for tensor in tensors]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [node_name(tensor) for tensor in by_name[name].inputs] if name in by_name else []
    return found


def _plain(key: object) -> str | int:
    if isinstance(key, bytes):
        return key.decode(errors="replace")
    return key if isinstance(key, int) else str(key)
