/** `tfjsBundle()` for Vite: `import { loadModel } from "virtual:tfjs-bundle/NAME"`. */

import { dirname, join, relative, resolve, sep } from "node:path";
import type { Plugin, ResolvedConfig, ViteDevServer } from "vite";
import { TfjsBundleError } from "./errors.js";
import { type BundleOptions, type Order, type PluginOptions, readImport, readOrders } from "./options.js";
import { precacheEntries } from "./precache.js";
import { directoryOf, type Prepared, prepare, sourcesOf } from "./prepare.js";
import { writeTypes } from "./types.js";

export type { BundleOptions, PluginOptions };
export { TfjsBundleError };

const NAME = "tfjs-bundle";

/** Milliseconds without a change after which a file is taken to be written. */
const QUIET = 300;

/**
 * Make models importable: Keras models, which the Python tool builds whenever they have changed, or built packages.
 *
 * Development skips the comparison with Keras in a browser of the tool's own: every page makes its self-check.
 */
export default function tfjsBundle(
  models: BundleOptions | readonly BundleOptions[],
  options: PluginOptions = {},
): Plugin {
  let config: ResolvedConfig;
  let orders: Order[] = [];
  const packages = new Map<string, Promise<Prepared>>();

  /** Builds what is not built yet, once for all who wait for it. */
  function packageOf(order: Order): Promise<Prepared> {
    let prepared = packages.get(order.id);
    if (!prepared) {
      prepared = prepare(order, config.command === "serve" ? false : undefined);
      packages.set(order.id, prepared);
    }
    return prepared;
  }

  async function prepareAll(): Promise<void> {
    await Promise.all(orders.map(packageOf));
    await writeTypes(orders, config.root, options.types);
  }

  return {
    name: NAME,
    enforce: "pre",

    configResolved(resolved) {
      if (resolved.plugins.filter(({ name }) => name === NAME).length > 1) {
        throw new TfjsBundleError(
          "tfjsBundle() stands in the plugins twice.",
          "Give one of them all models.",
        );
      }
      config = resolved;
      orders = readOrders(models, config.root);
    },

    async buildStart() {
      // A dev server starts at once; whoever imports a model waits for it.
      if (config.command === "build") await prepareAll();
      else prepareAll().catch(() => undefined); // shown by the page that imports it
    },

    async resolveId(id, importer) {
      const asked = readImport(id, orders);
      if (asked) return join((await packageOf(asked.order)).directory, asked.module);
      // Vite would have browsers keep for ever what lies in node_modules, and show the last build after the next.
      const inside = importer && orders.some((each) => isInside(resolve(importer), directoryOf(each)));
      return inside && id.startsWith(".") ? resolve(dirname(importer), id) : undefined;
    },

    async generateBundle(_, bundle) {
      // Workbox leaves out, without a word, what it is not told to look for and what is larger than 2 MiB.
      const pwa = config.plugins.find(({ name }) => name === "vite-plugin-pwa")?.api;
      if (!pwa) return;
      const assets = Object.values(bundle).filter((file) => file.type === "asset");
      const prepared = await Promise.all(orders.map(packageOf));
      const entries = (await Promise.all(prepared.map((each) => precacheEntries(each, assets)))).flat();
      pwa.extendManifestEntries((others: unknown[]) => [...others, ...entries]);
    },

    configureServer(server) {
      for (const order of orders) {
        // What is bundled is watched, and what it is made of is not among that.
        const sources = new Set<string>();
        const watch = (paths: readonly string[]) => {
          for (const path of paths) sources.add(path);
          server.watcher.add([...paths]);
        };
        watch(sourcesOf(order));
        const rebuild = async () => {
          const before = await packages.get(order.id)?.catch(() => undefined);
          packages.delete(order.id);
          try {
            const after = await packageOf(order);
            watch(after.reads);
            await writeTypes(orders, config.root, options.types);
            return before?.digest !== after.digest;
          } catch (error) {
            // The pages go on with what they have, and so do those that are opened now.
            if (before) packages.set(order.id, Promise.resolve(before));
            throw error;
          }
        };
        packageOf(order).then(
          ({ reads }) => watch(reads),
          () => undefined, // shown by the page that imports it
        );
        follow(server, order, sources, rebuild);
      }
    },
  };
}

/**
 * Build again when what a model is made of has changed, and let the pages have it; show there what failed.
 *
 * @param rebuild resolves to whether the package is another one now
 */
function follow(
  server: ViteDevServer,
  order: Order,
  sources: ReadonlySet<string>,
  rebuild: () => Promise<boolean>,
): void {
  const { logger } = server.config;
  let failed = false;
  let timer: NodeJS.Timeout | undefined;

  const changed = (path: string) => {
    if (![...sources].some((source) => isInside(resolve(path), source))) return;
    clearTimeout(timer);
    timer = setTimeout(() => void attempt(), QUIET);
  };
  server.watcher.on("change", changed).on("add", changed).on("unlink", changed);

  async function attempt(): Promise<void> {
    try {
      if (!(await rebuild()) && !failed) return;
      logger.info(`${NAME}: ${order.id} has changed`, { timestamp: true });
      await reload(server, order, failed);
      failed = false;
    } catch (error) {
      failed = true;
      const message = error instanceof Error ? error.message : String(error);
      logger.error(`${NAME}: ${message}`, { timestamp: true });
      const where = order.kind === "model" ? order.model : order.directory;
      const err = { message, stack: "", plugin: NAME, id: relative(order.root, where) };
      server.environments.client.hot.send({ type: "error", err });
    }
  }
}

/** Replace the package's modules where the app accepts that, else load the pages again. */
async function reload(server: ViteDevServer, order: Order, whole: boolean): Promise<void> {
  const directory = directoryOf(order);
  for (const environment of Object.values(server.environments)) {
    const modules = [...environment.moduleGraph.idToModuleMap.values()].filter(
      ({ file }) => file && isInside(resolve(file), directory),
    );
    const changed = modules.filter(({ file }) => file?.endsWith("/files.js"));
    for (const module of modules) environment.moduleGraph.invalidateModule(module);
    if (whole || changed.length === 0) environment.hot.send({ type: "full-reload" });
    else for (const module of changed) await environment.reloadModule(module);
  }
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory + sep);
}
