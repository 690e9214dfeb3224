/**
 * RegexReplace, StaticRegexReplace, RegexFullMatch and StaticRegexFullMatch.
 *
 * The pattern is a JavaScript regular expression that the build made of TensorFlow's RE2 pattern
 * (`tfjs_bundle/regex.py`), or refused to: it matches whole characters and holds no flags. Bytes that are not
 * UTF-8 match nothing in RE2; here they become lone surrogates, which such a pattern never matches.
 */

import { type ByteString, fromArray, isAscii } from "./bytes.js";
import { decode, encodeCodePoint, sequenceAt } from "./utf8.js";

/** Where RE2 has `$&`: a part that is copied, or the number of a group. */
type Rewrite = readonly (ByteString | number)[];

/** Replaces in one string after another. */
export type Replacer = (bytes: ByteString) => ByteString;

/**
 * @param source for `new RegExp(source, "u")`.
 * @param rewrite RE2's: `\0` is the match, `\1` to `\9` are groups, `\\` is a backslash.
 * @param global every match, or the first alone.
 */
export function regexReplacer(source: string, rewrite: ByteString, global = true): Replacer {
  const pattern = new RegExp(source, "gu");
  const parts = parseRewrite(rewrite);
  return (bytes) => (isAscii(bytes) ? replaceText(bytes) : restore(replaceText(expose(bytes))));

  function replaceText(text: string): string {
    let result = "";
    let copied = 0; // up to here the text is in the result
    let end = -1; // of the last match
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const start = match.index;
      const empty = match[0] === "";
      // RE2 takes no empty match where the last one ended.
      if (!empty || start !== end) {
        result += text.slice(copied, start);
        for (const part of parts) result += typeof part === "string" ? part : (match[part] ?? "");
        copied = end = start + match[0].length;
        if (!global) break;
      }
      if (empty) pattern.lastIndex = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
    }
    return copied === 0 && result === "" ? text : result + text.slice(copied);
  }
}

/** Whether all of a string matches. `source` is as in `regexReplacer`, without anchors. */
export function regexFullMatcher(source: string): (bytes: ByteString) => boolean {
  const pattern = new RegExp(`^(?:${source})$`, "u");
  return (bytes) => pattern.test(isAscii(bytes) ? bytes : expose(bytes));
}

function parseRewrite(rewrite: ByteString): Rewrite {
  const parts: (string | number)[] = [];
  for (const part of rewrite.match(/\\[0-9]|\\\\|[^\\]+/g) ?? []) {
    if (part === "\\\\") parts.push("\\");
    else if (part.startsWith("\\")) parts.push(Number(part[1]));
    else parts.push(decode(part));
  }
  return parts;
}

/** Text in which byte B that is not UTF-8 is the lone surrogate U+DC00 + B. */
function expose(bytes: ByteString): string {
  let text = "";
  let from = 0; // of what is UTF-8
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceAt(bytes, at);
    if (size > 0) {
      at += size;
      continue;
    }
    text += decode(bytes.slice(from, at));
    for (const end = at - size; at < end; at++) text += String.fromCharCode(0xdc00 + bytes.charCodeAt(at));
    from = at;
  }
  return text + decode(bytes.slice(from));
}

/** The reverse of `expose`. */
function restore(text: string): ByteString {
  if (!/\p{Surrogate}/u.test(text)) return fromArray(new TextEncoder().encode(text));
  let bytes = "";
  for (const character of text) {
    const code = character.codePointAt(0)!;
    bytes += code >= 0xdc00 && code <= 0xdcff ? String.fromCharCode(code - 0xdc00) : encodeCodePoint(code);
  }
  return bytes;
}
