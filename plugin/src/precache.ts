/** What a service worker stores of a model so that it works offline, by the names that a build has given. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
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

/** Find the files of a package among what a build has emitted: by their bytes, since names are the bundler's. */
export async function precacheEntries(
  prepared: Prepared,
  emitted: Iterable<Emitted>,
): Promise<PrecacheEntry[]> {
  const names = new Map([...emitted].map(({ fileName, source }) => [sha256(source), fileName]));
  // By paths in the package: what runs in every browser.
  const list = await readFile(join(prepared.directory, "precache.json"), "utf8");
  const wanted = JSON.parse(list) as PrecacheEntry[];
  const entries = wanted.map(async ({ url: path }) => {
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
