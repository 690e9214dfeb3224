/** UnicodeDecode, UnicodeDecodeWithOffsets and UnicodeEncode, for UTF-8. */

import type { ByteString } from "./bytes.js";
import { codePointsOf, encodeCodePoint } from "./utf8.js";

export interface UnicodeOptions {
  /** What to do with what is not UTF-8; `strict` is an error. */
  errors?: "replace" | "ignore" | "strict";
  /** The code point that stands for it. */
  replacementChar?: number;
  /** Whether control characters below U+0020 are replaced too. */
  replaceControlCharacters?: boolean;
}

export interface Decoded {
  readonly codePoints: number[];
  /** Of each character, in bytes. */
  readonly offsets: number[];
}

/** The characters of one string, as TensorFlow's UnicodeDecode has them; throws for `strict`. */
export function unicodeDecode(bytes: ByteString, options: UnicodeOptions = {}): Decoded {
  const { errors = "replace", replacementChar = 0xfffd, replaceControlCharacters = false } = options;
  const found = codePointsOf(bytes);
  const kept: Decoded = { codePoints: [], offsets: [] };
  found.codePoints.forEach((code, index) => {
    let value = code;
    if (code < 0) {
      if (errors === "strict") throw new RangeError("a string is not UTF-8");
      if (errors === "ignore") return;
      value = replacementChar;
    } else if (replaceControlCharacters && code < 0x20) {
      if (errors === "ignore") return;
      value = replacementChar;
    }
    kept.codePoints.push(value);
    kept.offsets.push(found.offsets[index]!);
  });
  return kept;
}

/** What `tf.strings.unicode_split` makes of one string: a string for each character. */
export function unicodeSplit(bytes: ByteString, options: UnicodeOptions = {}): ByteString[] {
  return unicodeDecode(bytes, options).codePoints.map((code) => encodeCodePoint(code));
}

/** One string of code points, as TensorFlow's UnicodeEncode to UTF-8; throws for `strict`. */
export function unicodeEncode(codePoints: ArrayLike<number>, options: UnicodeOptions = {}): ByteString {
  const { errors = "replace", replacementChar = 0xfffd } = options;
  let text = "";
  for (let i = 0; i < codePoints.length; i++) {
    const code = codePoints[i]!;
    const valid = code >= 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    if (!valid && errors === "strict") throw new RangeError(`${code} is not a code point`);
    if (!valid && errors === "ignore") continue;
    text += encodeCodePoint(valid ? code : replacementChar);
  }
  return text;
}
