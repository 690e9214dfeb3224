/** Between JavaScript's strings (UTF-16) and bytes (UTF-8), and characters within bytes. */

import { type ByteString, fromArray, isAscii, toArray } from "./bytes.js";

const REPLACEMENT = 0xfffd;

/** The UTF-8 of `text`. UTF-8 has no lone surrogates: each becomes U+FFFD, the replacement character. */
export function encode(text: string): ByteString {
  return isAscii(text) ? text : fromArray(new TextEncoder().encode(text));
}

/** The text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. A byte order mark is a character like others. */
export function decode(bytes: ByteString): string {
  if (isAscii(bytes)) return bytes;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(toArray(bytes));
}

/** Whether `encode` would replace something. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

export interface CodePoints {
  /** What is not UTF-8 is -1, once for each maximal part of it (Unicode 3.9, U+FFFD substitution). */
  readonly codePoints: number[];
  /** Of each, in bytes from the start. */
  readonly offsets: number[];
}

/** The characters of UTF-8 bytes. */
export function codePointsOf(bytes: ByteString): CodePoints {
  const codePoints: number[] = [];
  const offsets: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    offsets.push(at);
    const length = sequenceAt(bytes, at);
    codePoints.push(length > 0 ? valueAt(bytes, at, length) : -1);
    at += Math.abs(length);
  }
  return { codePoints, offsets };
}

/**
 * How many bytes the character at `at` has; where it is none, minus the length of what is to be replaced
 * by one U+FFFD: the longest beginning of a character, or one byte.
 */
export function sequenceAt(bytes: ByteString, at: number): number {
  const lead = bytes.charCodeAt(at);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The first continuation byte rules out surrogates, overlong forms and what is above U+10FFFF.
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  for (let i = 1; i < length; i++) {
    const next = bytes.charCodeAt(at + i); // NaN at the end, which is no continuation
    const continues = i === 1 ? next >= low && next <= high : next >= 0x80 && next <= 0xbf;
    if (!continues) return -i;
  }
  return length;
}

function valueAt(bytes: ByteString, at: number, length: number): number {
  const lead = bytes.charCodeAt(at);
  if (length === 1) return lead;
  let value = lead & (0x7f >> length);
  for (let i = 1; i < length; i++) value = (value << 6) | (bytes.charCodeAt(at + i) & 0x3f);
  return value;
}

/** The UTF-8 of one code point; surrogates and what is no code point give `replacement`'s. */
export function encodeCodePoint(code: number, replacement = REPLACEMENT): ByteString {
  if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return encodeCodePoint(replacement);
  if (code < 0x80) return String.fromCharCode(code);
  if (code < 0x800) return String.fromCharCode(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
  const tail = [0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)] as const;
  if (code < 0x10000) return String.fromCharCode(0xe0 | (code >> 12), ...tail);
  return String.fromCharCode(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), ...tail);
}
