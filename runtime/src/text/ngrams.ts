/** StringNGrams, for one row of tokens. */

import type { ByteString } from "./bytes.js";

export interface NGramOptions {
  /** How many tokens make one n-gram; the n-grams of each width follow those of the one before. */
  readonly widths: readonly number[];
  readonly separator: ByteString;
  readonly leftPad: ByteString;
  readonly rightPad: ByteString;
  /** Pads at each end, at most a width less one; -1 for just that. */
  readonly padWidth: number;
  /** Whether a row too short for any n-gram gives one of all its tokens. */
  readonly preserveShortSequences: boolean;
}

/** What `tf.strings.ngrams` takes where nothing else is said. */
export const NGRAM_DEFAULTS: Omit<NGramOptions, "widths"> = {
  separator: " ",
  leftPad: "",
  rightPad: "",
  padWidth: 0,
  preserveShortSequences: false,
};

export function ngrams(tokens: readonly ByteString[], options: NGramOptions): ByteString[] {
  const result: ByteString[] = [];
  for (const width of options.widths) {
    const padding = paddingFor(width, options);
    const count = Math.max(0, tokens.length + 2 * padding - width + 1);
    for (let index = 0; index < count; index++) result.push(ngram(tokens, index, count, width, options));
  }
  if (options.preserveShortSequences && result.length === 0 && tokens.length > 0) {
    result.push(ngram(tokens, 0, 1, tokens.length + 2 * Math.max(0, options.padWidth), options));
  }
  return result;
}

function paddingFor(width: number, { padWidth }: NGramOptions): number {
  return padWidth < 0 ? width - 1 : Math.min(padWidth, width - 1);
}

function ngram(
  tokens: readonly ByteString[],
  index: number,
  count: number,
  width: number,
  options: NGramOptions,
): ByteString {
  const padding = paddingFor(width, options);
  const left = Math.max(0, padding - index);
  const right = Math.max(0, padding - (count - index - 1));
  const start = Math.max(0, index - padding);
  return [
    ...Array<ByteString>(left).fill(options.leftPad),
    ...tokens.slice(start, start + Math.max(0, width - left - right)),
    ...Array<ByteString>(right).fill(options.rightPad),
  ].join(options.separator);
}
