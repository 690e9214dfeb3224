/**
 * Where an app's bundler has put the package's files. In a package this module is rendered anew, with an
 * entry per file; compiled, it stays a module of its own.
 */

import type { BackendName, Build, ManifestFile } from "../manifest.js";

export interface Asset extends Pick<ManifestFile, "path" | "role"> {
  /** Changes with the content; null where the path does so itself. */
  readonly revision: string | null;
  /** Only these backends need it; empty for all. */
  readonly backends: readonly BackendName[];
  /**
   * A function, since a module that a server's bundler turned into CommonJS has no address of its own, and must
   * be safe to import all the same.
   */
  url(): URL;
}

export const build: Build | null = null;
export const assets: readonly Asset[] = [];
