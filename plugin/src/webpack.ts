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

  // An error that is thrown here would end a watch; one of the compilation is mended by the next.
  let refusal: Error | undefined;
  compiler.hooks.beforeCompile.tapPromise(NAME, async () => {
    const verify = compiler.watchMode ? false : undefined;
    refusal = undefined;
    try {
      for (const order of orders) packages.set(order.id, await prepare(order, verify));
      await writeTypes(orders, compiler.context, options.types);
    } catch (error) {
      if (!(error instanceof TfjsBundleError)) throw error;
      refusal = error;
    }
  });

  // webpack would take "virtual:" for a scheme, as in "https:", and resolve no such request.
  new compiler.webpack.NormalModuleReplacementPlugin(new RegExp(`^${VIRTUAL}`), (request) => {
    const asked = readImport(request.request, orders);
    if (asked) request.request = join(directoryOf(asked.order), asked.module);
  }).apply(compiler);

  compiler.hooks.afterCompile.tap(NAME, (compilation) => {
    if (refusal) compilation.errors.unshift(new compiler.webpack.WebpackError(`${NAME}: ${refusal.message}`));
    for (const order of orders) {
      compilation.fileDependencies.addAll(packages.get(order.id)?.reads ?? sourcesOf(order));
    }
  });
}
