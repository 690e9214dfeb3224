/** StringLower and StringUpper. */

import type { ByteString } from "./bytes.js";
import { decode, encode } from "./utf8.js";

/** `""` changes ASCII letters only, whatever the bytes around them mean. */
export type CaseEncoding = "" | "utf-8";

export function lower(bytes: ByteString, encoding: CaseEncoding = ""): ByteString {
  if (encoding === "") return bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return encode(decode(upToNul(bytes)).toLowerCase());
}

export function upper(bytes: ByteString, encoding: CaseEncoding = ""): ByteString {
  if (encoding === "") return bytes.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  return encode(decode(upToNul(bytes)).toUpperCase());
}

/** TensorFlow hands text to ICU as C does, where it ends with the first NUL. */
function upToNul(bytes: ByteString): ByteString {
  const end = bytes.indexOf("\0");
  return end < 0 ? bytes : bytes.slice(0, end);
}
