/** Ops that take or give text. */

import { boolAsString, floatAsString, intAsString } from "../text/as-string.js";
import type { ByteString } from "../text/bytes.js";
import { type CaseEncoding, lower, upper } from "../text/case.js";
import { bucketFast, bucketStrong, cross } from "../text/hash.js";
import { join } from "../text/join.js";
import { ngrams } from "../text/ngrams.js";
import { regexFullMatcher, regexReplacer } from "../text/regex.js";
import { split } from "../text/split.js";
import { strip } from "../text/strip.js";
import { length, substr, type Unit } from "../text/substr.js";
import { unicodeDecode, unicodeEncode } from "../text/unicode.js";
import { decode, encode } from "../text/utf8.js";
import { reduceAxes } from "./arithmetic-ops.js";
import {
  type Attributes,
  asNumbers,
  asStrings,
  broadcastIndices,
  broadcastShape,
  InputError,
  list,
  type NumberDtype,
  numbers,
  type Op,
  sizeOf,
  strings,
  type Value,
} from "./value.js";

function text(attributes: Attributes, name: string): ByteString {
  return encode(String(attributes[name] ?? ""));
}

function unicodeOptions(attributes: Attributes) {
  return {
    errors: (attributes.errors ?? "replace") as "replace" | "ignore" | "strict",
    replacementChar: Number(attributes.replacement_char ?? 0xfffd),
    replaceControlCharacters: attributes.replace_control_characters === true,
  };
}

/** One string to one string. */
function mapped(work: (attributes: Attributes) => (bytes: ByteString) => ByteString): Op {
  return ([input], attributes) => {
    const { shape, data } = asStrings(input);
    return [strings(shape, Array.from(data, work(attributes)))];
  };
}

/** One string to one number. */
function measured(dtype: NumberDtype, work: (attributes: Attributes) => (bytes: ByteString) => number): Op {
  return ([input], attributes) => {
    const { shape, data } = asStrings(input);
    return [numbers(dtype, shape, Array.from(data, work(attributes)))];
  };
}

const stringSplit: Op = ([input, separator], attributes) => {
  const { data } = asStrings(input);
  const sep = asStrings(separator).data[0] ?? "";
  const indices: number[] = [];
  const values: ByteString[] = [];
  let widest = 0;
  for (let row = 0; row < data.length; row++) {
    const parts = split(data[row]!, sep, Number(attributes.maxsplit ?? -1));
    widest = Math.max(widest, parts.length);
    parts.forEach((part, column) => {
      indices.push(row, column);
      values.push(part);
    });
  }
  return [
    numbers("int64", [values.length, 2], indices),
    strings([values.length], values),
    numbers("int64", [2], [data.length, widest]),
  ];
};

const stringNGrams: Op = ([data, splits], attributes, dtypes) => {
  const tokens = Array.from(asStrings(data).data);
  const rows = list(splits);
  const options = {
    widths: attributes.ngram_widths as number[],
    separator: text(attributes, "separator"),
    leftPad: text(attributes, "left_pad"),
    rightPad: text(attributes, "right_pad"),
    padWidth: Number(attributes.pad_width ?? 0),
    preserveShortSequences: attributes.preserve_short_sequences === true,
  };
  const found: ByteString[] = [];
  const ends = [0];
  for (let row = 0; row + 1 < rows.length; row++) {
    for (const each of ngrams(tokens.slice(rows[row], rows[row + 1]), options)) found.push(each);
    ends.push(found.length);
  }
  return [strings([found.length], found), numbers(dtypes[1] as NumberDtype, [ends.length], ends)];
};

const decoded: Op = ([input], attributes, dtypes) => {
  const { data } = asStrings(input);
  const characters: number[] = [];
  const starts: number[] = [];
  const ends = [0];
  for (let i = 0; i < data.length; i++) {
    const { codePoints, offsets } = unicodeDecode(data[i]!, unicodeOptions(attributes));
    for (const code of codePoints) characters.push(code);
    for (const offset of offsets) starts.push(offset);
    ends.push(characters.length);
  }
  return [
    numbers(dtypes[0] as NumberDtype, [ends.length], ends),
    numbers("int32", [characters.length], characters),
    numbers("int64", [starts.length], starts),
  ].slice(0, dtypes.length);
};

const encoded: Op = ([values, splits], attributes) => {
  const characters = list(values);
  const rows = list(splits);
  const found: ByteString[] = [];
  for (let row = 0; row + 1 < rows.length; row++) {
    found.push(unicodeEncode(characters.slice(rows[row], rows[row + 1]), unicodeOptions(attributes)));
  }
  return [strings([found.length], found)];
};

const transcoded = mapped((attributes) => {
  const options = unicodeOptions(attributes);
  return (bytes) => unicodeEncode(unicodeDecode(bytes, options).codePoints, options);
});

const asString: Op = ([input], attributes) => {
  const { dtype, shape, data } = asNumbers(input);
  const options = {
    precision: Number(attributes.precision ?? -1),
    scientific: attributes.scientific === true,
    shortest: attributes.shortest === true,
    width: Number(attributes.width ?? -1),
    fill: String(attributes.fill ?? ""),
  };
  const write = (value: number): ByteString => {
    if (dtype === "bool") return boolAsString(value);
    return dtype === "float32" ? floatAsString(value, options) : intAsString(value, options);
  };
  return [strings(shape, Array.from(data, write))];
};

const DECIMAL = /^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)$/i;

const stringToNumber: Op = ([input], _, [dtype]) => {
  const { shape, data } = asStrings(input);
  const read = (bytes: ByteString): number => {
    const trimmed = strip(bytes);
    const whole = /^[+-]?\d+$/.test(trimmed);
    if (dtype === "float32" ? !DECIMAL.test(trimmed) : !whole) {
      throw new InputError(`${JSON.stringify(decode(bytes))} is not a number`);
    }
    if (dtype === "float32") {
      const word = /^([+-]?)(inf|nan)/i.exec(trimmed);
      if (word?.[2]?.toLowerCase() === "nan") return Number.NaN;
      if (word) return word[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      return Math.fround(Number(trimmed));
    }
    const value = Number(trimmed);
    const limit = dtype === "int32" ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
    if (value > limit || value < -limit - (dtype === "int32" ? 1 : 0)) {
      throw new InputError(`${trimmed} is too large a number`);
    }
    return value;
  };
  return [numbers(dtype as NumberDtype, shape, Array.from(data, read))];
};

const substring: Op = ([input, position, size], attributes) => {
  const { shape, data } = asStrings(input);
  const positions = asNumbers(position);
  const sizes = asNumbers(size);
  const result = broadcastShape(shape, positions.shape);
  const own = broadcastIndices(shape, result);
  const other = broadcastIndices(positions.shape, result);
  const unit = String(attributes.unit ?? "BYTE") as Unit;
  const cut = (_: unknown, at: number): ByteString => {
    try {
      return substr(data[own(at)]!, positions.data[other(at)]!, sizes.data[other(at)]!, unit);
    } catch (error) {
      throw error instanceof RangeError ? new InputError(error.message) : error;
    }
  };
  return [strings(result, Array.from({ length: sizeOf(result) }, cut))];
};

const stringJoin: Op = (inputs, attributes) => {
  const parts = inputs.map(asStrings);
  const shape = parts.find((part) => part.shape.length > 0)?.shape ?? [];
  const separator = text(attributes, "separator");
  const whole = (_: unknown, at: number) =>
    join(
      parts.map(({ data }) => data[data.length === 1 ? 0 : at]!),
      separator,
    );
  return [strings(shape, Array.from({ length: sizeOf(shape) }, whole))];
};

const reduceJoin: Op = ([input, axes], attributes) => {
  const value = asStrings(input);
  const separator = text(attributes, "separator");
  const { shape, groups } = reduceAxes(value, list(axes), attributes.keep_dims === true);
  return [
    strings(
      shape,
      groups.map((group) =>
        join(
          group.map((at) => value.data[at]!),
          separator,
        ),
      ),
    ),
  ];
};

const fullMatch = measured("bool", (attributes) => {
  const matches = regexFullMatcher(String(attributes.source));
  return (bytes) => (matches(bytes) ? 1 : 0);
});

/** SparseCross of dense columns: every combination of a row's values, joined or hashed. */
const sparseCross: Op = (inputs, attributes, [, dtype]) => {
  if (Number(attributes.N ?? 0) > 0) throw new Error("sparse columns cannot be crossed");
  const columns = inputs as readonly Value[];
  const hashed = attributes.hashed_output !== false;
  const buckets = Number(attributes.num_buckets ?? 0);
  const key = BigInt((attributes.hash_key as number | string | undefined) ?? 0);
  const rows = columns[0]?.shape[0] ?? 0;
  const indices: number[] = [];
  const values: (number | ByteString)[] = [];
  let widest = 0;
  for (let row = 0; row < rows; row++) {
    let combinations: (ByteString | number)[][] = [[]];
    for (const column of columns) {
      const width = column.shape[1] ?? 1;
      const own = Array.from({ length: width }, (_, at) => column.data[row * width + at]!);
      combinations = combinations.flatMap((left) => own.map((right) => [...left, right]));
    }
    combinations.forEach((combination, column) => {
      indices.push(row, column);
      values.push(hashed ? Number(cross(combination, buckets, key)) : join(combination.map(String), "_X_"));
    });
    widest = Math.max(widest, combinations.length);
  }
  const crossed =
    dtype === "string"
      ? strings([values.length], values as ByteString[])
      : numbers("int64", [values.length], values as number[]);
  return [numbers("int64", [values.length, 2], indices), crossed, numbers("int64", [2], [rows, widest])];
};

export const TEXT_OPS: Readonly<Record<string, Op>> = {
  AsString: asString,
  ReduceJoin: reduceJoin,
  RegexFullMatch: fullMatch,
  RegexReplace: mapped((attributes) =>
    regexReplacer(
      String(attributes.source),
      text(attributes, "rewrite"),
      attributes.replace_global !== false,
    ),
  ),
  SparseCross: sparseCross,
  StringJoin: stringJoin,
  StringLength: measured(
    "int32",
    (attributes) => (bytes) => length(bytes, String(attributes.unit ?? "BYTE") as Unit),
  ),
  StringLower: mapped(
    (attributes) => (bytes) => lower(bytes, String(attributes.encoding ?? "") as CaseEncoding),
  ),
  StringNGrams: stringNGrams,
  StringSplitV2: stringSplit,
  StringStrip: mapped(() => strip),
  StringToHashBucketFast: measured("int64", (attributes) => {
    const buckets = Number(attributes.num_buckets);
    return (bytes) => bucketFast(bytes, buckets);
  }),
  StringToHashBucketStrong: measured("int64", (attributes) => {
    const [first, second] = (attributes.key as (number | string)[]).map(BigInt) as [bigint, bigint];
    const buckets = Number(attributes.num_buckets);
    return (bytes) => bucketStrong(bytes, buckets, [first, second]);
  }),
  StringToNumber: stringToNumber,
  StringUpper: mapped(
    (attributes) => (bytes) => upper(bytes, String(attributes.encoding ?? "") as CaseEncoding),
  ),
  Substr: substring,
  UnicodeDecode: decoded,
  UnicodeDecodeWithOffsets: decoded,
  UnicodeEncode: encoded,
  UnicodeTranscode: transcoded,
};
