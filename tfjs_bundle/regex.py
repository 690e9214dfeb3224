"""TensorFlow's regular expressions, which are RE2's, as the browser's.

TensorFlow's RegexReplace and RegexFullMatch run RE2 (https://github.com/google/re2/wiki/Syntax) over UTF-8;
the page has JavaScript's ``RegExp``. The two look alike and differ in what ``\\s``, ``\\w``, ``$``, ``.`` and
letters of either case match, in loops over what may be empty, and in groups within loops. So the pattern is
read here, while building, and written anew without flags: every class as its code points. What would not
match the same text in the same places is refused.

The result is for ``new RegExp(source, "u")`` over text in which bytes that are not UTF-8 are lone surrogates:
RE2 never matches such bytes, and no class written here has surrogates in it.

RE2's promise of linear time does not carry over: a pattern with nested loops can take the browser long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

Range = tuple[int, int]

#: From a class that depends on RE2's own Unicode tables (``\\p{Lu}``, ``(?i:é)``) to its code points.
Expand = Callable[[str], Iterable[Range]]

LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
DIGIT = ((0x30, 0x39),)
WORD = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
PERL = {"d": DIGIT, "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)), "w": WORD}
POSIX: dict[str, tuple[Range, ...]] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": WORD,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
CONTROL = {"a": 0x07, "f": 0x0C, "t": 0x09, "n": 0x0A, "r": 0x0D, "v": 0x0B}

#: The other case of these ASCII letters is outside of ASCII too: the Kelvin sign and the long s.
BEYOND_ASCII = {"k": 0x212A, "s": 0x017F}


class UntranslatablePatternError(ValueError):
    """A pattern that cannot be made to match in the browser what it matches in TensorFlow; says why."""


@dataclass(frozen=True)
class _Flags:
    ignore_case: bool = False
    multi_line: bool = False
    dot_all: bool = False
    ungreedy: bool = False


@dataclass(frozen=True)
class _Piece:
    """A translated part: its source, whether it may match nothing, and the groups in it.

    ``unsure`` are the groups that a match of the part may leave out.
    """

    source: str
    nullable: bool
    groups: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()


def translate(pattern: str, rewrite: str = "", *, expand: Expand | None = None) -> str:
    """Return the JavaScript source of an RE2 ``pattern`` that TensorFlow has accepted.

    Args:
        pattern: RE2 syntax, as in ``tf.strings.regex_replace``.
        rewrite: what matches are replaced by, where they are: ``\\0`` to ``\\9`` and ``\\\\``.
        expand: gives the code points of classes for which RE2 has tables; without it they are refused.

    Raises:
        UntranslatablePatternError: there is no source that matches the same.
    """
    wanted = _groups_of(rewrite)
    parser = _Parser(pattern, wanted, expand)
    piece = parser.alternatives()
    if parser.at < len(pattern):
        raise parser.refuse("it has a parenthesis too many")
    beyond = [group for group in wanted if group > parser.groups]
    if beyond:
        raise UntranslatablePatternError(
            f"the replacement {rewrite!r} wants group {beyond[0]}, of which the pattern {pattern!r} has "
            f"{parser.groups}"
        )
    return piece.source


def _groups_of(rewrite: str) -> frozenset[int]:
    rest = re.sub(r"\\[0-9\\]|[^\\]", "", rewrite, flags=re.DOTALL)
    if rest:
        raise UntranslatablePatternError(f"the replacement {rewrite!r} has a backslash before something else")
    escapes = re.findall(r"\\([0-9\\])", rewrite)
    return frozenset(int(escape) for escape in escapes if escape not in ("\\", "0"))


class _Parser:
    """Reads RE2's syntax from left to right; each method takes one construct and returns its translation."""

    def __init__(self, pattern: str, wanted: frozenset[int], expand: Expand | None) -> None:
        self.pattern, self.wanted, self.expand = pattern, wanted, expand
        self.at = 0
        self.groups = 0
        self.flags = _Flags()

    def refuse(self, why: str) -> UntranslatablePatternError:
        return UntranslatablePatternError(f"the pattern {self.pattern!r} cannot run in a browser: {why}")

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        found = self.peek(text)
        if found:
            self.at += len(text)
        return found

    def match(self, expression: str) -> re.Match[str] | None:
        found = re.compile(expression).match(self.pattern, self.at)
        if found:
            self.at = found.end()
        return found

    def alternatives(self) -> _Piece:
        """Take everything up to the end or the closing parenthesis; flags set in it end with it."""
        outside = self.flags
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        self.flags = outside
        if len(branches) == 1:
            return branches[0]
        groups = frozenset().union(*(branch.groups for branch in branches))
        source = "|".join(branch.source for branch in branches)
        return _Piece(source, any(branch.nullable for branch in branches), groups, groups)

    def sequence(self) -> _Piece:
        pieces: list[_Piece] = []
        while self.at < len(self.pattern) and not self.peek("|") and not self.peek(")"):
            if self.take("\\Q"):
                text, end, _ = self.pattern[self.at :].partition("\\E")
                self.at += len(text) + len(end)
                literals = [self.literal(ord(character)) for character in text]
                if literals:
                    pieces += [*literals[:-1], self.repeated(literals[-1])]
                continue
            piece = self.atom()
            if piece is not None:
                pieces.append(self.repeated(piece))
        return _Piece(
            "".join(piece.source for piece in pieces),
            all(piece.nullable for piece in pieces),
            frozenset().union(*(piece.groups for piece in pieces)),
            frozenset().union(*(piece.unsure for piece in pieces)),
        )

    def repeated(self, piece: _Piece) -> _Piece:
        """Take what says how often ``piece`` is there, if anything does."""
        found = self.match(r"[*+?]|\{(\d+)(?:(,)(\d*))?\}")
        if not found:
            return piece
        operator = found[0]
        if operator.startswith("{"):
            least = int(found[1])
            most = (int(found[3]) if found[3] else None) if found[2] else least
        else:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[operator]
        lazy = self.take("?") != self.flags.ungreedy
        if re.compile(r"[*+?]|\{\d+(,\d*)?\}").match(self.pattern, self.at):
            raise self.refuse("a repetition is repeated")
        if piece.nullable:
            # JavaScript gives up an iteration that matches nothing, RE2 does not.
            raise self.refuse("something that may be empty is repeated")
        if most != 1 and self.wanted & piece.unsure:
            # JavaScript forgets groups with each iteration, RE2 keeps the last.
            raise self.refuse("the replacement wants a group that is not in every round of a repetition")
        unsure = piece.groups if least == 0 else piece.unsure
        return _Piece(f"{piece.source}{operator}{'?' if lazy else ''}", least == 0, piece.groups, unsure)

    def atom(self) -> _Piece | None:
        """Take one thing that may be repeated; None for flags, which are nothing by themselves."""
        if self.peek("("):
            return self.group()
        if self.peek("["):
            return self.bracket()
        if self.peek("\\"):
            return self.escape()
        character = self.pattern[self.at]
        self.at += 1
        if character == "^":
            return _Piece(r"(?:^|(?<=\n))" if self.flags.multi_line else "^", nullable=True)
        if character == "$":
            return _Piece(r"(?:$|(?=\n))" if self.flags.multi_line else "$", nullable=True)
        if character == ".":
            return _Piece(_write(_complement([] if self.flags.dot_all else [(0x0A, 0x0A)])), nullable=False)
        if character in "*+?":
            raise self.refuse(f"there is nothing for {character} to repeat")
        return self.literal(ord(character))

    def group(self) -> _Piece | None:
        outside = self.flags
        flags = self.match(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
        number = 0
        if flags:
            for letters, value in ((flags[1], True), (flags[2] or "", False)):
                for letter in letters:
                    name = {"i": "ignore_case", "m": "multi_line", "s": "dot_all", "U": "ungreedy"}[letter]
                    self.flags = replace(self.flags, **{name: value})
            if flags[3] == ")":
                return None
        elif self.match(r"\(\?P?<\w+>") or (self.peek("(") and not self.peek("(?") and self.take("(")):
            self.groups += 1
            number = self.groups
        else:
            raise self.refuse(f"{self.pattern[self.at : self.at + 4]!r} is not known")
        inside = self.alternatives()
        self.flags = outside
        if not self.take(")"):
            raise self.refuse("a parenthesis is missing")
        own = frozenset({number} if number else ())
        opening = "(" if number else "(?:"
        return _Piece(f"{opening}{inside.source})", inside.nullable, inside.groups | own, inside.unsure)

    def literal(self, code: int) -> _Piece:
        ranges = self.folded([(code, code)])
        return _Piece(_write_character(code) if len(ranges) == 1 else _write(ranges), nullable=False)

    def escape(self) -> _Piece:
        if self.take("\\A"):
            return _Piece("^", nullable=True)
        if self.take("\\z"):
            return _Piece("$", nullable=True)
        if self.take("\\b"):
            return _Piece(r"\b", nullable=True)
        if self.take("\\B"):
            raise self.refuse("\\B also matches between the bytes of one character")
        if self.take("\\C"):
            raise self.refuse("\\C matches a byte, not a character")
        ranges = self.class_escape()
        if ranges is not None:
            return _Piece(_write(ranges), nullable=False)
        return self.literal(self.character_escape())

    def class_escape(self) -> list[Range] | None:
        """Take ``\\d`` and its like; None where there is something else."""
        perl = self.match(r"\\([dswDSW])")
        if perl:
            ranges = list(PERL[perl[1].lower()])
            return _complement(ranges) if perl[1].isupper() else ranges
        if self.peek("\\p") or self.peek("\\P"):
            unicode = self.match(r"\\[pP](?:\{\^?\w+\}|[A-Z])")
            if not unicode:
                raise self.refuse("a Unicode class has no name")
            return self.expanded(unicode[0])
        return None

    def character_escape(self) -> int:
        found = self.match(r"\\x\{([0-9A-Fa-f]+)\}|\\x([0-9A-Fa-f]{2})")
        if found:
            return int(found[1] or found[2], 16)
        found = self.match(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
        if found:
            return int(found[1], 8)
        found = self.match(r"\\([aftnrv])")
        if found:
            return CONTROL[found[1]]
        found = self.match(r"\\([!-/:-@\[-^`{-~ ])")
        if found:
            return ord(found[1])
        raise self.refuse(f"{self.pattern[self.at : self.at + 2]!r} is not known")

    def bracket(self) -> _Piece:
        self.at += 1
        negated = self.take("^")
        ranges: list[Range] = []
        first = True
        while first or not self.peek("]"):
            first = False
            if self.at >= len(self.pattern):
                raise self.refuse("a bracket is missing")
            posix = self.match(r"\[:(\^?)(\w+):\]")
            if posix:
                if posix[2] not in POSIX:
                    raise self.refuse(f"[:{posix[2]}:] is not known")
                named = list(POSIX[posix[2]])
                ranges += self.folded(_complement(named) if posix[1] else named)
                continue
            escaped = self.class_escape()
            if escaped is not None:
                ranges += escaped
                continue
            low = self.class_character()
            high = low
            if self.peek("-") and not self.pattern.startswith("-]", self.at):
                self.at += 1
                high = self.class_character()
            if high < low:
                raise self.refuse("a range ends before it begins")
            ranges += self.folded([(low, high)])
        self.at += 1
        ranges = _merge(ranges)
        return _Piece(_write(_complement(ranges) if negated else ranges), nullable=False)

    def class_character(self) -> int:
        if self.peek("\\"):
            return self.character_escape()
        if self.at >= len(self.pattern):
            raise self.refuse("a bracket is missing")
        self.at += 1
        return ord(self.pattern[self.at - 1])

    def folded(self, ranges: list[Range]) -> list[Range]:
        """Return ``ranges`` with the other cases of their letters where case is ignored."""
        if not self.flags.ignore_case:
            return ranges
        result = list(ranges)
        for low, high in ranges:
            if high > 0x7F and (low, high) != (0x80, LAST):
                text = f"\\x{{{max(low, 0x80):X}}}-\\x{{{high:X}}}"
                result += self.expanded(f"(?i:[{text}])")
            for code in range(low, min(high, 0x7F) + 1):
                letter = chr(code)
                if letter.isalpha():
                    result += [(ord(other), ord(other)) for other in {letter.lower(), letter.upper()}]
                    beyond = BEYOND_ASCII.get(letter.lower())
                    result += [(beyond, beyond)] if beyond else []
        return _merge(result)

    def expanded(self, name: str) -> list[Range]:
        if self.flags.ignore_case and not name.startswith("(?i"):
            name = f"(?i:{name})"
        if self.expand is None:
            raise self.refuse(f"what {name} matches depends on the version of Unicode")
        return _merge(self.expand(name))


def _merge(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _complement(ranges: Iterable[Range]) -> list[Range]:
    result: list[Range] = []
    start = 0
    for low, high in _merge(ranges):
        if low > start:
            result.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        result.append((start, LAST))
    return result


def _write(ranges: Iterable[Range]) -> str:
    """Return a class of exactly these code points, without surrogates."""
    parts = []
    low_surrogate, high_surrogate = SURROGATES
    for low, high in _merge(ranges):
        for start, end in ((low, min(high, low_surrogate - 1)), (max(low, high_surrogate + 1), high)):
            if start == end:
                parts.append(_write_code(start))
            elif start < end:
                parts.append(f"{_write_code(start)}-{_write_code(end)}")
    return f"[{''.join(parts)}]"


def _write_character(code: int) -> str:
    if SURROGATES[0] <= code <= SURROGATES[1]:
        return "[]"  # which matches nothing, as no text has it
    return _write_code(code)


def _write_code(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\u{{{code:x}}}"
