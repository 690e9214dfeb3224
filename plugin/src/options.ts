/** What an app says of its models, checked and resolved once, before anything is built. */

import { basename, extname, resolve } from "node:path";
import { TfjsBundleError } from "./errors.js";

/** One option of `tfjs-bundle build`: `--name value`, `--name` or `--no-name`, or several of the same name. */
export type OptionValue = string | number | boolean | readonly (string | number)[];

interface Shared {
  /** What is imported: `virtual:tfjs-bundle/NAME`. By default the file's or directory's name. */
  name?: string;
}

/** A Keras model, which the Python tool builds when it has changed. */
export interface ModelOptions extends Shared {
  /** A `.keras` or `.h5` file, a SavedModel directory, or a TensorFlow.js `model.json`. */
  model: string;
  bundle?: undefined;
  /** The classes in their order, or a text file with one per line. */
  labels?: string | readonly string[];
  /** Any other option of `tfjs-bundle build`, in camel case: `{ shardSize: "2M", verify: false }`. */
  options?: Readonly<Record<string, OptionValue>>;
  /** The Python that tfjs-bundle is installed for; by default that of the active or a nearby environment. */
  python?: string;
  /** The command itself, where it is not called `tfjs-bundle`. */
  command?: string;
}

/** The output of `tfjs-bundle build --format npm`. */
export interface DirectoryOptions extends Shared {
  bundle: string;
  model?: undefined;
}

export type BundleOptions = ModelOptions | DirectoryOptions;

export interface PluginOptions {
  /**
   * Where the types of `virtual:tfjs-bundle/…` are written; `false` for nowhere. By default
   * `tfjs-bundle-env.d.ts`, in `src/` where there is one.
   */
  types?: string | false;
}

/** A {@link BundleOptions} with its name known and its paths absolute. */
export type Order = { readonly name: string; readonly id: string; readonly root: string } & (
  | { readonly kind: "model"; readonly model: string; readonly given: ModelOptions }
  | { readonly kind: "directory"; readonly directory: string }
);

export const VIRTUAL = "virtual:tfjs-bundle/";

/**
 * Resolve what was given to a plugin, against the app's directory.
 *
 * @throws TfjsBundleError
 */
export function readOrders(given: BundleOptions | readonly BundleOptions[], root: string): Order[] {
  const orders = [given].flat().map((each) => readOrder(each as BundleOptions, root));
  const twice = orders.find((order, index) => orders.findIndex(({ name }) => name === order.name) !== index);
  if (twice) {
    throw new TfjsBundleError(
      `Two models are called ${JSON.stringify(twice.name)}.`,
      "Give one of them another `name`.",
    );
  }
  return orders;
}

function readOrder(given: BundleOptions, root: string): Order {
  const source = given.model ?? given.bundle;
  if (typeof source !== "string" || (given.model && given.bundle)) {
    throw new TfjsBundleError(
      "A model takes either `model` or `bundle`.",
      'Say tfjsBundle({ model: "model.keras" }), or tfjsBundle({ bundle: "dist-npm" }).',
    );
  }
  const path = resolve(root, source);
  const name = given.name ?? basename(path, given.model ? extname(path) : "");
  if (!/^[\w.-]+$/.test(name)) {
    throw new TfjsBundleError(
      `${JSON.stringify(name)} cannot be imported.`,
      "Give a `name` of letters, digits, dots, underscores and hyphens.",
    );
  }
  const common = { name, id: VIRTUAL + name, root };
  return given.model !== undefined
    ? { ...common, kind: "model", model: path, given }
    : { ...common, kind: "directory", directory: path };
}

/** What can be imported of each model, and the module of its package. */
export const MODULES: ReadonlyMap<string, string> = new Map([
  ["", "index"],
  ["/precache", "precache"],
]);

/** An order, and which module of its package an import asks for. */
export interface Asked<Each extends Order = Order> {
  readonly order: Each;
  readonly module: string;
}

/**
 * Return what an import asks for; undefined where the import is none of ours.
 *
 * @throws TfjsBundleError there is no such model
 */
export function readImport<Each extends Order>(id: string, orders: readonly Each[]): Asked<Each> | undefined {
  if (!id.startsWith(VIRTUAL)) return undefined;
  for (const order of orders) {
    const module = id.startsWith(order.id) ? MODULES.get(id.slice(order.id.length)) : undefined;
    if (module) return { order, module: `${module}.js` };
  }
  const known = orders.map((order) => order.id).join(", ");
  throw new TfjsBundleError(`There is no ${id}.`, `The plugin was given ${known || "no model"}.`);
}
