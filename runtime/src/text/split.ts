/** StringSplitV2, for one string. */

import { type ByteString, isSpace } from "./bytes.js";

/**
 * The parts of `bytes`.
 *
 * @param separator `""` splits at runs of C's whitespace and gives no empty parts; anything else splits at
 *   every occurrence, and what lies between two of them may be empty.
 * @param maxSplit splits at most; -1 for no limit. What is left is the last part, even where it is empty.
 */
export function split(bytes: ByteString, separator: ByteString = "", maxSplit = -1): ByteString[] {
  if (maxSplit === 0) return [bytes];
  if (separator === "") return splitAtSpace(bytes, maxSplit);
  if (maxSplit < 0) return bytes.split(separator);
  const parts: ByteString[] = [];
  let start = 0;
  while (parts.length < maxSplit) {
    const end = bytes.indexOf(separator, start);
    if (end < 0) break;
    parts.push(bytes.slice(start, end));
    start = end + separator.length;
  }
  parts.push(bytes.slice(start));
  return parts;
}

function splitAtSpace(bytes: ByteString, maxSplit: number): ByteString[] {
  const parts: ByteString[] = [];
  let start = skipSpace(bytes, 0);
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && !isSpace(bytes.charCodeAt(end))) end++;
    parts.push(bytes.slice(start, end));
    start = skipSpace(bytes, end);
    if (parts.length === maxSplit) {
      parts.push(bytes.slice(start));
      break;
    }
  }
  return parts;
}

function skipSpace(bytes: ByteString, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes.charCodeAt(at))) at++;
  return at;
}
