/** Where the package's files are: where the app's bundler says, or in Node beside this module. */

import { BundleError } from "../errors.js";
import { pathUrl } from "../manifest.js";
import type { Place } from "../store.js";
import { type Asset, assets } from "./files.js";

/** The little of Node that is needed, without its types and without an import that bundlers would follow. */
interface NodeProcess {
  versions?: { node?: string };
  getBuiltinModule?(name: "node:fs/promises"): { readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> };
}

const node = (globalThis as { process?: NodeProcess }).process;

/** Whether this is a server or a script, where modules are imported, but nothing is shown and no worker starts. */
export const inNode = typeof node?.versions?.node === "string" && typeof Worker === "undefined";

/**
 * The address of an asset, without the word by which Vite knows not to inline it.
 *
 * @throws BundleError `unsupported` where Vite has moved the package's modules away from its other files.
 */
export function addressOf(asset: Asset): string {
  const url = asset.url();
  if (/\/\.vite\/deps\w*\//.test(url.pathname)) {
    throw new BundleError(
      "unsupported",
      "Vite has pre-bundled the model's package, and its files are not where it looks for them. Name the " +
        "package in `optimizeDeps.exclude` of the Vite configuration.",
    );
  }
  url.searchParams.delete("no-inline");
  return url.href;
}

/** Return where the files are; in the directory `baseUrl` instead of where the bundler put them, if given. */
export function placeOf(baseUrl?: string): Place {
  const byPath = new Map(assets.map((asset) => [asset.path, asset]));
  return {
    url: ({ path }) => {
      if (baseUrl) return pathUrl(baseUrl, path);
      const asset = byPath.get(path);
      if (!asset) throw new BundleError("integrity", `the package has no ${path}. Install it again.`);
      return addressOf(asset);
    },
    fetch: (url, init) => (url.startsWith("file:") ? readLocally(url) : fetch(url, init)),
  };
}

async function readLocally(url: string): Promise<Response> {
  const files = node?.getBuiltinModule?.("node:fs/promises");
  if (!files) {
    throw new BundleError(
      "unsupported",
      "files are read from disk by Node 20.16 or later; elsewhere the package must be served over http or https.",
    );
  }
  try {
    return new Response(await files.readFile(new URL(url)));
  } catch (error) {
    throw new BundleError(
      "unsupported",
      `the package's files are not beside its code (${url} cannot be read). Have the bundler of the server leave ` +
        "the package external, or say where it is by `baseUrl`.",
      { cause: error },
    );
  }
}
