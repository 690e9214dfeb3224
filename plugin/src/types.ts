/** Types of `virtual:tfjs-bundle/…`, so that a wrong input name does not compile. */

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MODULES, type Order, type PluginOptions } from "./options.js";
import { directoryOf } from "./prepare.js";

const FILE = "tfjs-bundle-env.d.ts";

/** Write the types of every package that is there; the file is for the app's repository. */
export async function writeTypes(orders: readonly Order[], root: string, types: PluginOptions["types"]) {
  if (types === false) return;
  const source = join(root, "src");
  const path = types ? resolve(root, types) : join(existsSync(source) ? source : root, FILE);
  const modules = await Promise.all(orders.map(declare));
  const text = ["// Written by tfjs-bundle; overwritten when a model changes.", ...modules].join("\n\n");
  const before = await readFile(path, "utf8").catch(() => "");
  // An unchanged file is not touched: type checkers and dev servers watch it.
  if (before !== text) await writeFile(path, text);
}

async function declare(order: Order): Promise<string> {
  const modules = [...MODULES].map(async ([suffix, module]) => {
    const types = await readFile(join(directoryOf(order), `${module}.d.ts`), "utf8");
    const inside = types
      .trim()
      .replace(/^(export )?declare /gm, "$1")
      .replace(/ from "\.\/index\.js"/g, ` from ${JSON.stringify(order.id)}`)
      .replace(/^(?=.)/gm, "  ");
    return `declare module ${JSON.stringify(order.id + suffix)} {\n${inside}\n}\n`;
  });
  return (await Promise.all(modules)).join("\n");
}
