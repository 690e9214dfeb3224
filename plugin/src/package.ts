/** What lies in a package, for bundlers that have to be told. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Prepared } from "./prepare.js";

/** A file that is fetched when a model is loaded; the rest of it is the package's own affair. */
export interface Asset {
  readonly path: string;
  readonly backends: readonly string[];
}

interface Files {
  readonly build: unknown;
  readonly assets: readonly Asset[];
}

/** The module of a package that says where its files are. */
export function filesModule({ directory }: Prepared): string {
  return join(directory, "files.js");
}

export async function readFiles(prepared: Prepared): Promise<Files> {
  // Node keeps modules by their address, and the next build has the same one.
  return import(`${pathToFileURL(filesModule(prepared)).href}?${prepared.digest}`);
}

/** Write `files.js` anew, with the expression `url` for the address of each asset. */
export function writeFiles({ build, assets }: Files, url: (asset: Asset, index: number) => string): string {
  const entries = assets.map(
    (asset, index) => `  { ...${JSON.stringify(asset)}, url: () => ${url(asset, index)} },`,
  );
  return [
    `export const build = ${JSON.stringify(build)};`,
    "export const assets = [",
    ...entries,
    "];\n",
  ].join("\n");
}
