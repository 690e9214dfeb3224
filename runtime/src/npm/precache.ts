/** What an app's own service worker stores so that the model works offline. */

import type { BackendName } from "../manifest.js";
import { assets } from "./files.js";
import { addressOf } from "./place.js";

/** One entry of a precache list, as Workbox takes them. */
export interface PrecacheEntry {
  url: string;
  /** Null where the address changes with the content. */
  revision: string | null;
}

/**
 * Return every file that the model needs offline on any of `backends`; by default on those that are in every
 * browser.
 */
export function precache(backends: readonly BackendName[] = ["wasm", "cpu"]): PrecacheEntry[] {
  return assets
    .filter((asset) => asset.backends.length === 0 || asset.backends.some((name) => backends.includes(name)))
    .map((asset) => ({ url: addressOf(asset), revision: asset.revision }));
}
