/** StringLength and Substr, for one string. */

import type { ByteString } from "./bytes.js";

/** Characters are counted by their first bytes, without asking whether the bytes are UTF-8. */
export type Unit = "BYTE" | "UTF8_CHAR";

export function length(bytes: ByteString, unit: Unit = "BYTE"): number {
  if (unit === "BYTE") return bytes.length;
  let count = 0;
  for (let i = 0; i < bytes.length; i++) if (!continues(bytes, i)) count++;
  return count;
}

/**
 * @param position from the start, or from the end where it is negative.
 * @param size at most so many; fewer where the string ends before.
 * @throws RangeError where `position` is beyond either end.
 */
export function substr(bytes: ByteString, position: number, size: number, unit: Unit = "BYTE"): ByteString {
  const start = unit === "BYTE" ? byteStart(bytes, position) : characterStart(bytes, position);
  if (start === null) {
    throw new RangeError(`position ${position} is beyond a string of ${length(bytes, unit)}`);
  }
  if (unit === "BYTE") return size < 0 ? bytes.slice(start) : bytes.slice(start, start + size);
  return bytes.slice(start, forward(bytes, start, size).at);
}

function byteStart(bytes: ByteString, position: number): number | null {
  const start = position < 0 ? position + bytes.length : position;
  return start >= 0 && start <= bytes.length ? start : null;
}

function characterStart(bytes: ByteString, position: number): number | null {
  if (position >= 0) {
    const { at, complete } = forward(bytes, 0, position);
    return complete ? at : null;
  }
  let at = bytes.length;
  for (let left = -position; left > 0; left--) {
    if (at === 0) return null;
    do at--;
    while (at > 0 && continues(bytes, at));
  }
  return at;
}

function forward(bytes: ByteString, from: number, count: number): { at: number; complete: boolean } {
  let at = from;
  let left = count;
  for (; left > 0 && at < bytes.length; left--) {
    do at++;
    while (at < bytes.length && continues(bytes, at));
  }
  return { at, complete: left <= 0 };
}

function continues(bytes: ByteString, at: number): boolean {
  return (bytes.charCodeAt(at) & 0xc0) === 0x80;
}
