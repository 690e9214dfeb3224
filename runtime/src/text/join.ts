/** StringJoin and ReduceJoin, for one element of the result. */

import type { ByteString } from "./bytes.js";

export function join(parts: readonly ByteString[], separator: ByteString = ""): ByteString {
  return parts.join(separator);
}
