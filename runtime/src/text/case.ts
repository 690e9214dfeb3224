/** StringLower and StringUpper. */

import type { ByteString } from "./bytes.js";
import { decode, encode } from "./utf8.js";

/** `""` changes ASCII letters only, whatever the bytes around them mean. */
export type CaseEncoding = "" | "utf-8";

/**
 * Characters with a case that Unicode has had since version 14: TensorFlow 2.21 has the tables of 13, where
 * they have none and end a word, which matters to a sigma. Browsers have later ones.
 */
const LATER =
  /([\u1c89\u1c8a\u2c2f\u2c5f\ua7c0\ua7c1\ua7cb-\ua7dc\u{10570}-\u{105bc}\u{10d50}-\u{10d85}\u{16ea0}-\u{16ed3}])/u;
/** And those older ones that have got an upper case since. */
const LATER_UPPER = new RegExp(`${LATER.source}|([\\u019b\\u0264])`, "u");

export function lower(bytes: ByteString, encoding: CaseEncoding = ""): ByteString {
  if (encoding === "") return bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return encode(mapped(decode(upToNul(bytes)), LATER, (text) => text.toLowerCase()));
}

export function upper(bytes: ByteString, encoding: CaseEncoding = ""): ByteString {
  if (encoding === "") return bytes.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  return encode(mapped(decode(upToNul(bytes)), LATER_UPPER, (text) => text.toUpperCase()));
}

function mapped(text: string, later: RegExp, map: (text: string) => string): string {
  if (!later.test(text)) return map(text);
  return text
    .split(later)
    .map((part) => (part === undefined || later.test(part) ? (part ?? "") : map(part)))
    .join("");
}

/** TensorFlow hands text to ICU as C does, where it ends with the first NUL. */
function upToNul(bytes: ByteString): ByteString {
  const end = bytes.indexOf("\0");
  return end < 0 ? bytes : bytes.slice(0, end);
}
