/** `tfjsBundle()` for Rollup, which knows no assets: this plugin emits them. */

import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Plugin } from "rollup";
import { TfjsBundleError } from "./errors.js";
import { type BundleOptions, type PluginOptions, readImport, readOrders } from "./options.js";
import { filesModule, readFiles, writeFiles } from "./package.js";
import { type Prepared, prepare, sourcesOf } from "./prepare.js";
import { writeTypes } from "./types.js";

export type { BundleOptions, PluginOptions };
export { TfjsBundleError };

/** Make models importable, and emit their files; in watch mode models are built again when they change. */
export default function tfjsBundle(
  models: BundleOptions | readonly BundleOptions[],
  options: PluginOptions = {},
): Plugin {
  const root = process.cwd();
  const orders = readOrders(models, root);
  const packages = new Map<string, Prepared>();

  return {
    name: "tfjs-bundle",

    async buildStart() {
      for (const order of orders) {
        for (const path of sourcesOf(order)) this.addWatchFile(path);
        const prepared = await prepare(order, this.meta.watchMode ? false : undefined);
        for (const path of prepared.reads) this.addWatchFile(path);
        packages.set(order.id, prepared);
      }
      await writeTypes(orders, root, options.types);
    },

    resolveId(id) {
      const asked = readImport(id, orders);
      return asked && join(packages.get(asked.order.id)!.directory, asked.module);
    },

    async load(id) {
      const prepared = [...packages.values()].find((each) => filesModule(each) === id);
      if (!prepared) return null;
      const files = await readFiles(prepared);
      const emitted = await Promise.all(
        files.assets.map(async (asset) =>
          this.emitFile({
            type: "asset",
            name: basename(asset.path),
            source: await readFile(join(prepared.directory, asset.path)),
          }),
        ),
      );
      return writeFiles(files, (_, index) => `new URL(import.meta.ROLLUP_FILE_URL_${emitted[index]})`);
    },
  };
}
