/** `tfjsBundle()` for esbuild, which knows no assets by address: this plugin makes imports of them. */

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Plugin, PluginBuild } from "esbuild";
import { TfjsBundleError } from "./errors.js";
import { type BundleOptions, type PluginOptions, readImport, readOrders, VIRTUAL } from "./options.js";
import { filesModule, readFiles, writeFiles } from "./package.js";
import { type Prepared, prepare } from "./prepare.js";
import { writeTypes } from "./types.js";

export type { BundleOptions, PluginOptions };
export { TfjsBundleError };

const NAME = "tfjs-bundle";

/** Make models importable, and emit their files; in watch mode models are built again when they change. */
export default function tfjsBundle(
  models: BundleOptions | readonly BundleOptions[],
  options: PluginOptions = {},
): Plugin {
  return { name: NAME, setup: (build) => setup(build, models, options) };
}

function setup(
  build: PluginBuild,
  models: BundleOptions | readonly BundleOptions[],
  options: PluginOptions,
): void {
  const { absWorkingDir: root = process.cwd(), format, publicPath } = build.initialOptions;
  if (format !== "esm" && !publicPath) {
    throw new TfjsBundleError(
      "A script that is no module does not know where it is, so it could not find the model's files.",
      'Build with format: "esm", or say where the output will be served: publicPath.',
    );
  }
  const orders = readOrders(models, root);
  const packages = new Map<string, Prepared>();
  const prepared = (path: string) => [...packages.values()].find((each) => filesModule(each) === path);

  build.onStart(() =>
    refusing(async () => {
      for (const order of orders) packages.set(order.id, await prepare(order));
      await writeTypes(orders, root, options.types);
    }),
  );

  build.onResolve({ filter: new RegExp(`^${VIRTUAL}`) }, ({ path }) =>
    refusing(() => {
      const { order, module } = readImport(path, orders)!;
      const found = packages.get(order.id);
      // What could not be prepared has been told, and is not to be told again as an import of nothing.
      if (!found) return { path, external: true };
      return { path: join(found.directory, module), watchFiles: [...found.reads] };
    }),
  );

  build.onLoad({ filter: /[\\/]files\.js$/ }, async ({ path }) => {
    const found = prepared(path);
    if (!found) return undefined;
    const files = await readFiles(found);
    const imports = files.assets.map(
      (asset, index) =>
        `import file${index} from ${JSON.stringify(`${NAME}:${join(found.directory, asset.path)}`)};`,
    );
    const urls = writeFiles(files, (_, index) => `new URL(file${index}, import.meta.url)`);
    return { contents: [...imports, urls].join("\n"), resolveDir: dirname(path) };
  });

  // Whatever loaders the app has for .bin, .json or .js: these are files.
  build.onResolve({ filter: new RegExp(`^${NAME}:`) }, ({ path }) => ({
    path: path.slice(NAME.length + 1),
    namespace: NAME,
  }));
  build.onLoad({ filter: /.*/, namespace: NAME }, async ({ path }) => ({
    contents: await readFile(path),
    loader: "file",
  }));
}

/** esbuild shows errors that are returned; those that are thrown come with our own stack. */
async function refusing<Result>(act: () => Promise<Result> | Result) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof TfjsBundleError)) throw error;
    return { errors: [{ text: error.what, notes: [{ text: error.cure }] }] };
  }
}
