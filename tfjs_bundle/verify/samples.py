"""What inputs are tried with that are text, or keys of a vocabulary."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfjs_bundle.graph.vocabulary import InputUse

#: Text that tells implementations apart: nothing, white space of all kinds, letters of other scripts and
#: directions, characters of two to four bytes and of several code points, markup, controls, length.
AWKWARD = (
    "",
    " ",
    "a",
    "The cat sat on the mat.",
    "ÀÉÎ grüßt ŒUVRE, STRASSE und straße",
    "  leading,\tinner\n\r\nand trailing\v\f  ",
    "no\u00a0break\u2003em\u3000ideographic\u200bzero",
    "42 3.14 -7e5 １２",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "<p>Some <b>bold</b> &amp; <br/>markup</p>",
    "don't well-known e-mail@example.org #tag",
    "emoji 😀👩‍👩‍👧‍👦🇩🇪 end",
    "combining e\u0301 n\u0303 \u1100\u1161\u11a8",
    "مرحبا بالعالم",
    "שלום עולם \u200f!",
    "İstanbul ıIiİ ΑΣ ς ﬁ ǅ K",
    "漢字かな交じり文。テスト",
    "\ufeffmark \u0000nul \u007fdel \u0085nel",
    "word " * 300 + "end",
)

#: Keys that a vocabulary has no reason to have.
_NUMBERS = (0, 1, -1, 2, 42, 1234567, 2**31 - 1, -(2**31))
_WIDE_NUMBERS = (2**31, -(2**31) - 1, 2**40, -(2**53) + 1, 2**53 - 1)

#: Of a vocabulary, so many words are tried: the first and the last.
_WORDS = 24

#: Rows of the case that tries all of them.
MOST_ROWS = 64


def pools(uses: Mapping[str, InputUse]) -> dict[str, tuple[Any, ...]]:
    """Return the values to try for each input that is text or keys, by its name."""
    found = {name: _pool(use) for name, use in uses.items()}
    return {name: pool for name, pool in found.items() if pool}


def _pool(use: InputUse) -> tuple[Any, ...]:
    half = _WORDS // 2
    keys = use.keys if len(use.keys) <= _WORDS else use.keys[:half] + use.keys[-half:]
    if use.dtype == "string":
        words: list[Any] = [str(key) for key in keys]
        if use.prose:
            words += [" ".join(words), ", ".join(word.upper() for word in reversed(words[:8])) + "!"]
        more: tuple[Any, ...] = (*AWKWARD, *(word.upper() for word in words[:4]))
    elif use.dtype in ("int64", "uint64", "uint32") and not use.narrow:
        words, more = list(keys), _NUMBERS + _WIDE_NUMBERS
    elif use.dtype in ("int32", "int64"):
        words, more = list(keys), _NUMBERS
    else:
        return ()
    if use.dtype.startswith("u"):
        more = tuple(number for number in more if number >= 0 and (use.dtype != "uint32" or number < 2**32))
    return tuple(dict.fromkeys([*words] if use.closed else [*words, *more]))


def pick(pool: Sequence[Any], shape: Sequence[int], name: str, index: int) -> np.ndarray:
    """Fill ``shape`` with values of ``pool`` in a fixed shuffled order, each once before any comes again."""
    order = np.random.Generator(np.random.PCG64(zlib.crc32(f"{name}/{index}".encode()))).permutation(
        len(pool)
    )
    size = math.prod(shape)
    values = [pool[order[at % len(pool)]] for at in range(size)]
    array = np.empty(size, object if isinstance(pool[0], str) else np.int64)
    array[:] = values
    return array.reshape(tuple(shape))


def is_wide(value: Any) -> bool:
    """Say whether a value is a whole number that 32 bits do not hold."""
    return isinstance(value, int) and not -(2**31) <= value < 2**31


def rows(found: Mapping[str, Sequence[Any]], shapes: Mapping[str, Sequence[int]]) -> int:
    """Return the rows that it takes to try every value of every pool, :data:`MOST_ROWS` at most."""
    needed = [math.ceil(len(pool) / max(1, math.prod(shapes[name][1:]))) for name, pool in found.items()]
    return min(MOST_ROWS, max(needed, default=1))
