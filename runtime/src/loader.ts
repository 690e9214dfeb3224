/** The public JavaScript API of a bundle that is a site: `loadModel`. Compiled to `loader.js`. */

import { throwIfAborted } from "./errors.js";
import { load, type LoadOptions as Options } from "./load.js";
import { directoryUrl, readBuild } from "./manifest.js";
import { registerOffline } from "./offline.js";
import { openStore } from "./store.js";

export { BundleError } from "./errors.js";
export type * from "./load.js";

export interface LoadOptions extends Options {
  /** Register the bundle's service worker, so that the page works offline; for pages in the bundle's directory. */
  serviceWorker?: boolean;
}

/**
 * Load the bundle's model: download what the backend in use needs, check every byte, start the engine.
 *
 * @throws BundleError with one of the codes `network`, `integrity`, `unsupported`, `quota`, `backend`,
 *   `aborted`; what cannot be verified is an error, never a result.
 */
export async function loadModel(options: LoadOptions = {}) {
  throwIfAborted(options.signal);
  const baseUrl = directoryUrl(new URL(options.baseUrl ?? import.meta.url, globalThis.document?.baseURI));
  const build = readBuild("__TFJS_BUNDLE_BUILD__");
  // The service worker needs no less time to be installed than the files to come: it begins first.
  const control = options.serviceWorker
    ? registerOffline(baseUrl, build).control()
    : Promise.resolve({ controlled: false, reason: "this page did not ask for it" } as const);
  const store = await openStore(baseUrl);
  return load(options, { store, build, control, workers: true, script: (url) => url });
}
