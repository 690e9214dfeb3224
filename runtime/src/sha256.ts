/** sha256 by the browser's own code; there only in a secure context, so always in a service worker. */

/** Return the sha256 of `data` as 64 hexadecimal digits. */
export async function nativeSha256(data: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
