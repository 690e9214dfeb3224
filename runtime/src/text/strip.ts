/** StringStrip. */

import { type ByteString, isSpace } from "./bytes.js";

/** Without C's whitespace at both ends. */
export function strip(bytes: ByteString): ByteString {
  let start = 0;
  let end = bytes.length;
  while (start < end && isSpace(bytes.charCodeAt(start))) start++;
  while (end > start && isSpace(bytes.charCodeAt(end - 1))) end--;
  return bytes.slice(start, end);
}
