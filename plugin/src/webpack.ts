/** `tfjsBundle()` for webpack 5. */

import { join } from "node:path";
import type { Compiler, WebpackPluginInstance } from "webpack";
import { TfjsBundleError } from "./errors.js";
import { type BundleOptions, type PluginOptions, readImport, readOrders, VIRTUAL } from "./options.js";
import { directoryOf, type Prepared, prepare, sourcesOf } from "./prepare.js";
import { writeTypes } from "./types.js";

export type { BundleOptions, PluginOptions };
export { TfjsBundleError };

const NAME = "tfjs-bundle";

/** Make models importable; in watch mode models are built again when they change. */
export default function tfjsBundle(
  models: BundleOptions | readonly BundleOptions[],
  options: PluginOptions = {},
): WebpackPluginInstance {
  return { apply: (compiler: Compiler) => apply(compiler, models, options) };
}

function apply(
  compiler: Compiler,
  models: BundleOptions | readonly BundleOptions[],
  options: PluginOptions,
): void {
  const orders = readOrders(models, compiler.context);
  const packages = new Map<string, Prepared>();

  compiler.hooks.beforeCompile.tapPromise(NAME, async () => {
    const verify = compiler.watchMode ? false : undefined;
    for (const order of orders) packages.set(order.id, await prepare(order, verify));
    await writeTypes(orders, compiler.context, options.types);
  });

  // webpack would take "virtual:" for a scheme, as in "https:", and resolve no such request.
  new compiler.webpack.NormalModuleReplacementPlugin(new RegExp(`^${VIRTUAL}`), (request) => {
    const asked = readImport(request.request, orders);
    if (asked) request.request = join(directoryOf(asked.order), asked.module);
  }).apply(compiler);

  compiler.hooks.afterCompile.tap(NAME, (compilation) => {
    for (const order of orders) {
      compilation.fileDependencies.addAll(packages.get(order.id)?.reads ?? sourcesOf(order));
    }
  });
}
