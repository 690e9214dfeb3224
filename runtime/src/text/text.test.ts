/**
 * Every operation against what TensorFlow made of the same strings (`tests/text_golden.py` asked it).
 * `TEXT_GOLDEN` names another file of that kind, with thousands of strings.
 */

// @ts-expect-error: Node's types are not installed, since nothing else here runs in Node
import { readFileSync } from "node:fs";
// @ts-expect-error: the same
import { env } from "node:process";
import { expect, test } from "vitest";
import { boolAsString, floatAsString, intAsString } from "./as-string.js";
import { fromArray, isAscii, toArray } from "./bytes.js";
import { type CaseEncoding, lower, upper } from "./case.js";
import { bucketFast, bucketStrong, cross } from "./hash.js";
import { join } from "./join.js";
import { ngrams } from "./ngrams.js";
import { regexFullMatcher, regexReplacer } from "./regex.js";
import { split } from "./split.js";
import { strip } from "./strip.js";
import { length, substr, type Unit } from "./substr.js";
import { unicodeDecode, unicodeEncode, unicodeSplit } from "./unicode.js";
import { decode, encode, hasLoneSurrogate } from "./utf8.js";

// biome-ignore lint/suspicious/noExplicitAny: each operation has attributes and values of its own
type Any = any;

interface Case {
  attributes: Record<string, Any>;
  inputs: Any[];
  outputs: Any[];
}

const COMMITTED = new URL("../../../tests/unit/text_golden.json", import.meta.url);
const golden = JSON.parse(readFileSync(env.TEXT_GOLDEN ?? COMMITTED, "utf8")) as Record<string, Case[]>;

/** For each operation, the function of one input that the attributes make. */
const OPERATIONS: Record<string, (attributes: Record<string, Any>) => (input: Any) => unknown> = {
  StringLower: (attributes) => (text) => lower(text, attributes.encoding as CaseEncoding),
  StringUpper: (attributes) => (text) => upper(text, attributes.encoding as CaseEncoding),
  StringStrip: () => strip,
  StringSplitV2: (attributes) => (text) => split(text, attributes.sep, attributes.maxsplit),
  StringLength: (attributes) => (text) => length(text, attributes.unit as Unit),
  Substr:
    ({ position, size, unit }) =>
    (text) => {
      try {
        return substr(text, position, size, unit);
      } catch {
        return null;
      }
    },
  StringJoin: (attributes) => (parts) => join(parts, attributes.separator),
  StringNGrams: (attributes) => (tokens) =>
    ngrams(tokens, {
      widths: attributes.ngram_widths,
      separator: attributes.separator,
      leftPad: attributes.left_pad,
      rightPad: attributes.right_pad,
      padWidth: attributes.pad_width,
      preserveShortSequences: attributes.preserve_short_sequences,
    }),
  UnicodeDecodeWithOffsets: (attributes) => (text) => {
    const { codePoints, offsets } = unicodeDecode(text, {
      errors: attributes.errors,
      replaceControlCharacters: attributes.replace_control_characters,
    });
    return [codePoints, offsets];
  },
  UnicodeSplit: () => (text) => unicodeSplit(text),
  UnicodeEncode: (attributes) => (codes) => unicodeEncode(codes, { errors: attributes.errors }),
  StringToHashBucketFast: (attributes) => (text) => bucketFast(text, attributes.num_buckets),
  StringToHashBucketStrong: (attributes) => (text) =>
    bucketStrong(text, attributes.num_buckets, attributes.key.map(BigInt)),
  SparseCross: (attributes) => (row) => number(cross(row.map(integer), attributes.num_buckets)),
  AsString:
    ({ T, ...options }) =>
    (value) => {
      if (T === "bool") return boolAsString(value);
      return T === "int64" ? intAsString(BigInt(value), options) : floatAsString(Number(value), options);
    },
  RegexReplace: ({ source, rewrite, replace_global }) => regexReplacer(source, rewrite, replace_global),
  RegexFullMatch: ({ source }) => regexFullMatcher(source),
};

/** Integers beyond 2^53 come as digits, which no string among the crossed features is. */
function integer(value: string | number): string | number | bigint {
  return typeof value === "string" && /^-?\d{16,}$/.test(value) ? BigInt(value) : value;
}

function number(value: bigint): number | string {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? String(value) : Number(value);
}

test("the file has cases of every operation, and no others", () => {
  expect(Object.keys(golden).sort()).toEqual(Object.keys(OPERATIONS).sort());
});

for (const [name, cases] of Object.entries(golden)) {
  test(`${name} gives what TensorFlow gives`, () => {
    for (const { attributes, inputs, outputs } of cases) {
      const compute = OPERATIONS[name]!(attributes);
      expect(inputs).toHaveLength(outputs.length);
      const wrong = inputs
        .map((input, index) => ({ input, expected: outputs[index], received: compute(input) }))
        .filter(({ expected, received }) => JSON.stringify(expected) !== JSON.stringify(received))
        .sort((a, b) => String(a.input).length - String(b.input).length);
      expect({ attributes, wrong: wrong.slice(0, 3) }).toEqual({ attributes, wrong: [] });
    }
  });
}

test("text becomes UTF-8 and comes back", () => {
  for (const text of ["", "plain", "é", "日本", "😀 \u0000", "\ufeffmark", "\u{10ffff}"]) {
    expect(decode(encode(text))).toBe(text);
    expect(hasLoneSurrogate(text)).toBe(false);
  }
  expect(encode("é")).toBe("\u00c3\u00a9");
  const long = "ü".repeat(100_000);
  expect(encode(long)).toHaveLength(200_000);
  expect(decode(encode(long))).toBe(long);
});

test("a lone surrogate is told and becomes the replacement character", () => {
  for (const text of ["a\ud800", "\udc00b", "\ude00\ud83d"]) {
    expect(hasLoneSurrogate(text)).toBe(true);
    expect(decode(encode(text))).toBe(text.replace(/[\ud800-\udfff]/gu, "\ufffd"));
  }
});

test("what is not UTF-8 is decoded as the Encoding Standard has it", () => {
  for (const bytes of [
    "\u00ff",
    "a\u00e2\u0082",
    "\u00f0\u009f\u0098!",
    "\u00ed\u00a0\u0080",
    "\u00c0\u00af",
  ]) {
    expect(decode(bytes)).toBe(new TextDecoder().decode(toArray(bytes)));
  }
});

test("bytes and their string are each other's reverse", () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => (index * 7) % 256);
  expect(toArray(fromArray(bytes)).every((byte, index) => byte === bytes[index])).toBe(true);
  expect(fromArray(bytes)).toHaveLength(bytes.length);
  expect(isAscii(fromArray(bytes))).toBe(false);
  expect(isAscii("\u007f\u0000")).toBe(true);
});

test("a replacement may be asked for again and again: no state stays behind", () => {
  const replace = regexReplacer("a", "b");
  expect([replace("aXa"), replace("a"), replace("aa")]).toEqual(["bXb", "b", "bb"]);
});

test("tens of thousands of words are hashed in a moment", () => {
  const began = performance.now();
  for (let index = 0; index < 20_000; index++) bucketFast(`some word of a text ${index}`, 1000);
  expect(performance.now() - began).toBeLessThan(5_000);
});
