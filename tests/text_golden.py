"""What TensorFlow's own string ops make of awkward text, for the TypeScript ones to be held against.

    python tests/text_golden.py                     writes tests/unit/text_golden.json, which is committed
    python tests/text_golden.py --count 4000 --seed 7 -o /tmp/text.json
    TEXT_GOLDEN=/tmp/text.json npm test -- runtime/src/text

The file is ``{"<op>": [{"attributes", "inputs", "outputs"}]}``. A byte string is a JSON string of one
character (U+0000 to U+00FF) per byte; integers beyond 2^53 are digits in a string; an error is null.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from tfjs_bundle import regex

GOLDEN = Path(__file__).parent / "unit" / "text_golden.json"

#: Cases of each op and of each combination of its attributes in the committed file.
FEW = 2

Case = dict[str, Any]

PIECES: list[bytes] = [
    *(text.encode() for text in (
        "", "a", "The", "cat's", "e-mail", "HELLO", "x1", "42", "1,000.50", "C++", "[UNK]", "\\d",
        "$5", "\0", " ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x1f", "\x7f", "\x85", "\xa0",
        "\u2003", "\u2028", "\u3000", "\u200b", "\ufeff", ".", ",", "!?", "…", "—", "¡", "«»",
        "\u066b", "naïve", "Ünïcödé", "e\u0301", "STRAẞE", "straße", "ΌΣΟΣ", "Σ", "İstanbul", "ıI",
        "ǅ", "ﬁ", "ŉ", "Ⅷ", "Ⓐ", "K", "ſ", "Ⴀ", "Ꭰ", "𐐀", "𞤀", "ΑΣ.", "ΣΑΣ", "ΑΣ\u1c89",
        "\U00010570\u2c2f", "\u019bɤ\U00010597", "שלום", "مرحبا", "עִבְרִית", "日本語", "中",
        "한국어", "हिन्दी", "😀", "👩‍👩‍👧", "🇩🇪", "👍🏽", "\uffff", "\ud7ff", "\ue000", "\U0001f9ff",
        "\U0010ffff", "a" * 40, "long word " * 4,
    )),
    # Not UTF-8: lone continuation, cut sequences, overlong forms, a surrogate, above U+10FFFF, never used.
    b"\x80", b"\xbf", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xc0\xaf", b"\xe0\x80\x80",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5", b"\xff", b"\xfe\xff", b"\xc3\x28",
    b"\xe2\x28\xa1", b"\xf0\x28\x8c\xbc", b"\xf8\x88\x80\x80\x80",
]  # fmt: skip


class Text:
    """Draws awkward strings."""

    def __init__(self, seed: int, thorough: bool) -> None:
        self.random = random.Random(seed)
        self.thorough = thorough

    def any(self, most: int | None = None) -> bytes:
        """Return a string of up to ``most`` pieces; a thorough comparison has very long ones too."""
        count = self.random.randint(0, most or (12 if self.thorough else 5))
        text = b"".join(self.random.choice(PIECES) for _ in range(count))
        return text * 50 if self.thorough and self.random.random() < 0.01 else text

    def some(self, count: int) -> list[bytes]:
        return [self.any() for _ in range(count)]

    def tokens(self, most: int = 7) -> list[bytes]:
        return [self.any(2) for _ in range(self.random.randint(0, most))]


def main() -> None:
    """Ask TensorFlow, and write what it says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=GOLDEN)
    parser.add_argument("--count", type=int, default=FEW, help="cases of each combination of attributes")
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    text = Text(arguments.seed, thorough=arguments.count > FEW)
    golden: dict[str, list[Case]] = {}
    for name, make in OPS.items():
        golden[name] = [as_json(case) for case in make(text, arguments.count)]
    ops = []
    for name, cases in golden.items():
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in cases)
        ops.append(f"{json.dumps(name)}: [\n{lines}\n]")
    arguments.output.write_text("{" + ",\n".join(ops) + "}\n")
    count = sum(len(case["inputs"]) for cases in golden.values() for case in cases)
    print(f"Wrote {count} inputs of {len(golden)} ops to {arguments.output}")


def as_json(value: Any) -> Any:
    """Return ``value`` with bytes as text of one character per byte, and large integers as text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return str(value)
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    return value


def case(attributes: dict[str, Any], inputs: list[Any], outputs: Any) -> Case:
    return {"attributes": attributes, "inputs": inputs, "outputs": outputs}


def regex_classes(name: str) -> list[tuple[int, int]]:
    """Return the code points that RE2 takes for members of the class ``name``, as ranges."""
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    members = tf.strings.regex_full_match([chr(code) for code in codes], name).numpy().nonzero()[0]
    return [(codes[index], codes[index]) for index in members]


def attempt(compute: Callable[[], tf.Tensor]) -> Any:
    """Return what is computed, or None where TensorFlow refuses."""
    try:
        return compute().numpy()
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):  # the message quotes the string
        return None


def cases_of_case(op: Callable[..., tf.Tensor]) -> Callable[[Text, int], Iterator[Case]]:
    def make(text: Text, count: int) -> Iterator[Case]:
        for encoding in ("", "utf-8"):
            inputs = [*PIECES, *text.some(count)]
            yield case({"encoding": encoding}, inputs, op(inputs, encoding=encoding).numpy().tolist())

    return make


def strip(text: Text, count: int) -> Iterator[Case]:
    inputs = [bytes([byte]) + b"x" + bytes([byte]) for byte in range(256)] + text.some(count)
    yield case({}, inputs, tf.strings.strip(inputs).numpy().tolist())


def split(text: Text, count: int) -> Iterator[Case]:
    every = [b"a" + bytes([byte]) + b"b" for byte in range(256)]
    yield case({"sep": "", "maxsplit": -1}, every, split_rows(every, "", -1))
    for sep in ("", " ", ",", "a", "long", "é", "\n\n"):
        for maxsplit in (-1, 0, 1, 2, 3):
            inputs = [b"", sep.encode(), sep.encode() * 3, b" a  b\tc d ", *text.some(count)]
            attributes = {"sep": sep.encode(), "maxsplit": maxsplit}
            yield case(attributes, inputs, split_rows(inputs, sep, maxsplit))


def split_rows(inputs: list[bytes], sep: str, maxsplit: int) -> list[list[bytes]]:
    return tf.strings.split(inputs, sep or None, maxsplit).to_list()


def length(text: Text, count: int) -> Iterator[Case]:
    for unit in ("BYTE", "UTF8_CHAR"):
        inputs = [*PIECES, *text.some(count)]
        yield case({"unit": unit}, inputs, tf.strings.length(inputs, unit=unit).numpy().tolist())


def substr(text: Text, count: int) -> Iterator[Case]:
    for unit in ("BYTE", "UTF8_CHAR"):
        for position in (0, 1, 3, 7, -1, -3, -9):
            for size in (0, 1, 4, 100):
                inputs = text.some(max(2, count // 4))
                outputs = [
                    attempt(
                        lambda each=each, p=position, n=size, u=unit: tf.strings.substr(each, p, n, unit=u)
                    )
                    for each in inputs
                ]
                yield case({"unit": unit, "position": position, "size": size}, inputs, outputs)


def join(text: Text, count: int) -> Iterator[Case]:
    for separator in ("", " ", "é,"):
        rows = [[text.any(2) for _ in range(3)] for _ in range(count)]
        columns = [list(column) for column in zip(*rows, strict=True)]
        outputs = tf.strings.join(columns, separator).numpy().tolist()
        yield case({"separator": separator.encode()}, rows, outputs)


def ngrams(text: Text, count: int) -> Iterator[Case]:
    for widths in ([1], [2], [3], [1, 2], [2, 3], [1, 2, 3], [5]):
        for pad_width in (0, 1, -1, 4):
            for short in (False, True):
                rows = [[], [b"a"], *(text.tokens() for _ in range(count))]
                ragged = tf.ragged.constant(rows, dtype=tf.string, ragged_rank=1)
                attributes = {
                    "ngram_widths": widths, "separator": b" ", "left_pad": b"<", "right_pad": b">",
                    "pad_width": pad_width, "preserve_short_sequences": short,
                }  # fmt: skip
                made = tf.raw_ops.StringNGrams(
                    data=ragged.values, data_splits=ragged.row_splits, **attributes
                )
                outputs = tf.RaggedTensor.from_row_splits(made.ngrams, made.ngrams_splits).to_list()
                yield case(attributes, rows, outputs)


def unicode_decode(text: Text, count: int) -> Iterator[Case]:
    for errors in ("replace", "ignore"):
        for control in (False, True):
            inputs = [*PIECES, *text.some(count)]
            made = tf.raw_ops.UnicodeDecodeWithOffsets(
                input=inputs, input_encoding="UTF-8", errors=errors, replacement_char=0xFFFD,
                replace_control_characters=control,
            )  # fmt: skip
            codes, offsets = (
                tf.RaggedTensor.from_row_splits(values, made.row_splits).to_list()
                for values in (made.char_values, made.char_to_byte_starts)
            )
            outputs = [list(pair) for pair in zip(codes, offsets, strict=True)]
            yield case({"errors": errors, "replace_control_characters": control}, inputs, outputs)


def unicode_split(text: Text, count: int) -> Iterator[Case]:
    inputs = [*PIECES, *text.some(count)]
    yield case({}, inputs, tf.strings.unicode_split(inputs, "UTF-8").to_list())


def unicode_encode(text: Text, count: int) -> Iterator[Case]:
    edges = [
        0,
        1,
        0x7F,
        0x80,
        0x7FF,
        0x800,
        0xD7FF,
        0xD800,
        0xDFFF,
        0xE000,
        0xFFFF,
        0x10000,
        0x10FFFF,
        0x110000,
        -1,
    ]
    for errors in ("replace", "ignore"):
        rows = [[each] for each in edges]
        rows += [text.random.choices(edges, k=4) for _ in range(count)]
        ragged = tf.ragged.constant(rows, dtype=tf.int32, ragged_rank=1)
        outputs = tf.strings.unicode_encode(ragged, "UTF-8", errors=errors).numpy().tolist()
        yield case({"errors": errors}, rows, outputs)


def lengths(text: Text, count: int) -> list[bytes]:
    """Every branch of the hashes goes by length."""
    sizes = [*range(66), 127, 128, 129, 192, 193, 1000]
    return [text.random.randbytes(size) for size in sizes] + text.some(count)


def bucket_fast(text: Text, count: int) -> Iterator[Case]:
    for buckets in (1, 3, 1000, 2**31 - 1, 2**53 - 1):
        inputs = lengths(text, count) if buckets == 2**53 - 1 else text.some(count)
        outputs = tf.strings.to_hash_bucket_fast(inputs, buckets).numpy().tolist()
        yield case({"num_buckets": buckets}, inputs, outputs)


def bucket_strong(text: Text, count: int) -> Iterator[Case]:
    for key in ([133, 137], [0, 0], [-1, 2**62]):
        for buckets in (3, 2**53 - 1):
            inputs = lengths(text, count)[:: 1 if key[0] == 133 and buckets > 3 else 9]
            outputs = tf.strings.to_hash_bucket_strong(inputs, buckets, key).numpy().tolist()
            yield case({"num_buckets": buckets, "key": key}, inputs, outputs)


def cross(text: Text, count: int) -> Iterator[Case]:
    numbers = [0, 1, -1, 2**31, -(2**63), 2**63 - 1]
    for buckets in (0, 1, 7, 2**31):
        for kinds in ("ss", "si", "is", "ii", "sis"):
            columns = [
                text.some(count) if kind == "s" else text.random.choices(numbers, k=count) for kind in kinds
            ]
            inputs = [
                tf.constant([[each] for each in column], tf.string if kind == "s" else tf.int64)
                for kind, column in zip(kinds, columns, strict=True)
            ]
            outputs = tf.sparse.to_dense(tf.sparse.cross_hashed(inputs, buckets))[:, 0].numpy().tolist()
            yield case({"num_buckets": buckets}, [list(row) for row in zip(*columns, strict=True)], outputs)


def as_string(text: Text, count: int) -> Iterator[Case]:
    integers = [0, 1, -1, 10, -128, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)]
    integers += [text.random.randint(-(10**9), 10**9) for _ in range(count)]
    for fill, width in (("", -1), ("", 6), ("0", 6), ("-", 6), ("+", 6), (" ", 4)):
        outputs = tf.strings.as_string(tf.constant(integers, tf.int64), width=width, fill=fill)
        yield case({"T": "int64", "width": width, "fill": fill}, integers, outputs.numpy().tolist())
    flags = [True, False]
    yield case({"T": "bool"}, flags, tf.strings.as_string(flags).numpy().tolist())
    floats = [0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 0.125, 1e-7, 1e21, 1.7976931348623157e308, 2.3e-308, 1 / 3,
              123456.5, 1234567.5, 9.9999995, 999999.5, 0.0001, 0.00001, 1e22]  # fmt: skip
    floats += [float("inf"), float("-inf")]
    floats += [text.random.gauss(0, 1) * 10 ** text.random.randint(-12, 12) for _ in range(count)]
    for how in ({}, {"scientific": True}, {"shortest": True}):
        for precision in (-1, 0, 1, 3, 10) if text.thorough else (-1, 0):
            for fill, width in (("", -1), ("0", 12), ("-", 12), ("+", -1), (" ", 3))[
                :: 1 if text.thorough else 2
            ]:
                attributes = {**how, "precision": precision, "fill": fill, "width": width}
                outputs = tf.strings.as_string(tf.constant(floats, tf.float64), **attributes)
                yield case({"T": "float64", **attributes}, floats, outputs.numpy().tolist())
                if precision == -1:
                    single = tf.constant(floats, tf.float32)
                    outputs = tf.strings.as_string(single, **attributes).numpy().tolist()
                    yield case({"T": "float32", **attributes}, single.numpy().tolist(), outputs)


#: TextVectorization's own comes first.
PATTERNS: list[tuple[str, str]] = [
    (r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']', ""), (r"\s+", " "), (r"(?i)the|HELLO", "*"),
    (r"x*", "-"), (r"", "|"), (r"[^a-z]", "."), (r".", "."), (r"(?s).", "."), (r"\b", "|"),
    (r"\B", "|"), (r"^", "<"), (r"$", ">"), (r"(?m)^", "<"), (r"(?m)$", ">"), (r"\Aa|b\z", "?"),
    (r"(\w+)\W+(\w+)", r"\2-\1\\"), (r"(a|ab)(c|bcd)?", r"[\1|\2]"), (r"[[:punct:]]", ""),
    (r"[^[:space:][:alnum:]]+", "#"), (r"\d{2,3}?", "<\\0>"), (r"(?U)a+", "1"), (r"a{3}", "aaa+"),
    (r"\Q[UNK]\E", "?"), (r"<[^>]*>", " "), (r"[\x{1F600}-\x{1F64F}]", ":)"), (r"\x{85}|\xa0|é", "_"),
    (r"(?:é|ü)+", "e"), (r"(?P<name>l)(o)", r"\2\1"), (r"[^\x00-\x7F]+", ""), (r"(?i)[k-s]+", "_"),
    (r"[\d\-x]", "+"), (r"\pL+", "L"), (r"[\P{Latin}]", "."), (r"\p{^Lu}", ""), (r"(?i:\p{Lu})", "u"),
    (r"[[:^ascii:]\pN]", "@"), (r"^\s+|\s+$", ""), (r"(\s)\s*", r"\1"), (r"\C", "."),
]  # fmt: skip


#: Surrogates, overlong forms and what is above U+10FFFF.
MALFORMED = re.compile(
    rb"\xed[\xa0-\xbf][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|(\xf0[\x80-\x8f]|\xf4[\x90-\xbf])[\x80-\xbf]{2}"
)


def without_malformed(text: bytes) -> bytes:
    """Leave out what RE2 takes for characters and UTF-8 does not; cutting bytes off text never makes it."""
    while MALFORMED.search(text):
        text = MALFORMED.sub(b"", text)
    return text


def regex_replace(text: Text, count: int) -> Iterator[Case]:
    for pattern, rewrite in PATTERNS:
        if re.search(r"\\[pP]", pattern) and not text.thorough:
            continue  # thousands of ranges, which take seconds to find
        try:
            source = regex.translate(pattern, rewrite, expand=regex_classes)
        except regex.UntranslatablePatternError:
            continue
        for everywhere in (True, False):
            inputs = [b"", b"aaxx  the [UNK] THE", *map(without_malformed, text.some(count))]
            outputs = tf.strings.regex_replace(inputs, pattern, rewrite, everywhere).numpy().tolist()
            attributes = {
                "pattern": pattern,
                "source": source,
                "rewrite": rewrite.encode(),
                "replace_global": everywhere,
            }
            yield case(attributes, inputs, outputs)


def regex_full_match(text: Text, count: int) -> Iterator[Case]:
    for pattern in (r"[a-z]+|\d+", r".*", r"(?s).*", r"a|ab", r"(?i)the", r"x*", r"^a$", r"[^x]"):
        inputs = [
            b"",
            b"a",
            b"ab",
            b"THE\n",
            b"the",
            b"12",
            *(without_malformed(text.any(2)) for _ in range(count)),
        ]
        outputs = tf.strings.regex_full_match(inputs, pattern).numpy().tolist()
        yield case({"pattern": pattern, "source": regex.translate(pattern)}, inputs, outputs)


OPS: dict[str, Callable[[Text, int], Iterator[Case]]] = {
    "StringLower": cases_of_case(tf.strings.lower),
    "StringUpper": cases_of_case(tf.strings.upper),
    "StringStrip": strip,
    "StringSplitV2": split,
    "StringLength": length,
    "Substr": substr,
    "StringJoin": join,
    "StringNGrams": ngrams,
    "UnicodeDecodeWithOffsets": unicode_decode,
    "UnicodeSplit": unicode_split,
    "UnicodeEncode": unicode_encode,
    "StringToHashBucketFast": bucket_fast,
    "StringToHashBucketStrong": bucket_strong,
    "SparseCross": cross,
    "AsString": as_string,
    "RegexReplace": regex_replace,
    "RegexFullMatch": regex_full_match,
}

if __name__ == "__main__":
    main()
