/** The public JavaScript API of a bundle that is an npm package: `loadModel`. Compiled to `index.js`. */

import { throwIfAborted } from "../errors.js";
import { type LoadOptions, load, type Model } from "../load.js";
import { directoryUrl } from "../manifest.js";
import { openPlain } from "../store.js";
import { build } from "./files.js";
import { inNode, placeOf } from "./place.js";

export { BundleError } from "../errors.js";
export type * from "../load.js";
export { type PrecacheEntry, precache } from "./precache.js";

/**
 * Load the package's model: fetch what the backend in use needs, check every byte, start the engine.
 *
 * In Node it computes in this process, on wasm or else on cpu.
 *
 * @throws BundleError with one of the codes `network`, `integrity`, `unsupported`, `quota`, `backend`,
 *   `aborted`; what cannot be verified is an error, never a result.
 */
export async function loadModel(options: LoadOptions = {}): Promise<Model> {
  throwIfAborted(options.signal);
  const { baseUrl } = options;
  const directory = baseUrl && directoryUrl(new URL(baseUrl, globalThis.document?.baseURI));
  return load(options, {
    build,
    store: openPlain(placeOf(directory)),
    workers: typeof Worker === "function",
    control: Promise.resolve({
      controlled: false,
      reason: "a package has no service worker; precache() says what the app's own has to store",
    }),
    script: startable,
  });
}

/** Scripts made of checked bytes, by their address: an app may load its model more than once. */
const made = new Map<string, string>();

/**
 * A script runs as the very bytes that were checked. Its own address will not do: bundlers would minify what is
 * called .js there, dev servers rewrite it, workers start from this page's origin only (assets may lie on a CDN),
 * and Node takes a .js for CommonJS wherever a package.json says so.
 */
function startable(url: string, bytes: ArrayBuffer): string {
  let address = made.get(url);
  if (!address) {
    address = inNode ? dataUrl(bytes) : URL.createObjectURL(new Blob([bytes], { type: SCRIPT_TYPE }));
    made.set(url, address);
  }
  return address;
}

const SCRIPT_TYPE = "text/javascript";

/** Node imports no blob: URLs. */
function dataUrl(bytes: ArrayBuffer): string {
  return `data:${SCRIPT_TYPE},${encodeURIComponent(new TextDecoder().decode(bytes))}`;
}
