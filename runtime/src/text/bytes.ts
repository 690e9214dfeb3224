/**
 * How preprocessing holds text: TensorFlow's strings are bytes, and so are these.
 *
 * A `ByteString` is a JavaScript string with one character (0 to 255) per byte. Engines store such a string
 * in one byte per character, concatenate and slice it without copying, and hash it as the key of a `Map`,
 * which a `Uint8Array` cannot be. What is not UTF-8, after an operation that cuts bytes, stays what it is.
 */
export type ByteString = string;

/** How many characters `String.fromCharCode` is given at once: engines limit the number of arguments. */
const PIECE = 0x2000;

/** One character per byte. */
export function fromArray(bytes: Uint8Array): ByteString {
  let text = "";
  for (let start = 0; start < bytes.length; start += PIECE) {
    text += String.fromCharCode(...bytes.subarray(start, start + PIECE));
  }
  return text;
}

/** The reverse of `fromArray`. */
export function toArray(text: ByteString): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Whether there is nothing but ASCII in it, in which case text and its UTF-8 are the same string. */
export function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII has control characters
  return !/[^\x00-\x7f]/.test(text);
}

/** The whitespace of C's `isspace`, which is what TensorFlow splits at and strips: no byte above 127. */
export function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
