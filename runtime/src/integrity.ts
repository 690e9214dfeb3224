/** sha256 of bytes in any page, with the browser's own code where it has it. */

import { nativeSha256, toHex } from "./sha256.js";

/** Bytes hashed between two turns of the event loop where JavaScript does the work (about 30 MB/s). */
const SLICE = 1 << 20;

/** Return the sha256 of `data` as 64 hexadecimal digits. */
export async function sha256Hex(data: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> {
  // A page on plain http has no `crypto.subtle`; it still must not run on damaged bytes.
  if (globalThis.crypto?.subtle) return nativeSha256(data);
  const { sha256 } = await import("@noble/hashes/sha2.js");
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const hash = sha256.create();
  for (let start = 0; start < bytes.length; start += SLICE) {
    hash.update(bytes.subarray(start, start + SLICE));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return toHex(hash.digest());
}
