/** What a service worker stores of a model so that it works offline, by the names that a build has given. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { readFiles } from "./package.js";
import type { Prepared } from "./prepare.js";

/** As Workbox takes them; `url` is relative to the build's directory. */
export interface PrecacheEntry {
  url: string;
  /** Null where the name changes with the content. */
  revision: string | null;
}

interface Emitted {
  readonly fileName: string;
  readonly source: string | Uint8Array;
}

/** What runs in every browser; as `precache()` of the package has it. */
const BACKENDS = ["wasm", "cpu"];

/** Find the files of a package among what a build has emitted: by their bytes, since names are the bundler's. */
export async function precacheEntries(
  prepared: Prepared,
  emitted: Iterable<Emitted>,
): Promise<PrecacheEntry[]> {
  const names = new Map([...emitted].map(({ fileName, source }) => [sha256(source), fileName]));
  const { assets } = await readFiles(prepared);
  const wanted = assets.filter(
    ({ backends }) => !backends.length || backends.some((b) => BACKENDS.includes(b)),
  );
  const entries = wanted.map(async ({ path }) => {
    const hash = sha256(await readFile(join(prepared.directory, path)));
    const url = names.get(hash);
    if (url === undefined) return []; // the app imports another model, or none
    return [{ url, revision: basename(url) === basename(path) ? hash : null }];
  });
  return (await Promise.all(entries)).flat();
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
