/** From an order to a package on disk: built by the Python tool where its source or options are new. */

import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TfjsBundleError } from "./errors.js";
import type { OptionValue, Order } from "./options.js";
import { findTool, runTool } from "./tool.js";

/** A package made by `tfjs-bundle build --format npm`, ready to be imported. */
export interface Prepared {
  readonly directory: string;
  /** The bundle's own digest: another one, another model. */
  readonly digest: string;
  /** Every file and directory whose change asks for another build. */
  readonly reads: readonly string[];
}

/** Where packages that a plugin has built are kept, in the app's own node_modules. */
const CACHE = join("node_modules", ".cache", "tfjs-bundle");
const RECORD = "built.json";

/** What the last build of a package was made from. */
interface Record {
  readonly words: readonly string[];
  /** Path to sha256; null for what could be there and is not. */
  readonly files: Readonly<{ [path: string]: string | null }>;
  /** Whether it was compared with Keras. */
  readonly verified: boolean;
}

/** Where the package of `order` is, or will be. */
export function directoryOf(order: Order): string {
  return order.kind === "directory" ? order.directory : join(order.root, CACHE, order.name, "package");
}

/** What is known to be read before the tool has said what else it reads. */
export function sourcesOf(order: Order): string[] {
  if (order.kind === "directory") return [join(order.directory, "bundle.json")];
  const { model } = order;
  if (!model.endsWith(".json") || !existsSync(model)) return [model];
  const shards = readdirSync(dirname(model)).filter((name) => name.endsWith(".bin"));
  return [model, ...shards.map((name) => join(dirname(model), name))];
}

/** Builds that run now: two compilers of one app ask for the same package at once. */
const running = new Map<string, Promise<unknown>>();

/**
 * Make sure that the package is there and of the present source and options.
 *
 * @param verify whether it has to be compared with Keras in a browser; undefined leaves that to the tool, which
 *   does it where there is one. The option `verify` of the model has precedence.
 * @throws TfjsBundleError what is wrong with the source, the options, the tool, or the directory
 */
export async function prepare(order: Order, verify?: boolean): Promise<Prepared> {
  if (order.kind === "directory") return read(order, sourcesOf(order));
  const place = dirname(directoryOf(order));
  const turn = (running.get(place) ?? Promise.resolve()).then(() => prepareModel(order, place, verify));
  running.set(
    place,
    turn.catch(() => undefined),
  );
  return turn;
}

async function prepareModel(
  order: Order & { kind: "model" },
  place: string,
  verifyByDefault?: boolean,
): Promise<Prepared> {
  const { given, root } = order;
  const { verify = verifyByDefault, ...options } = given.options ?? {};
  const tool = findTool(root, given);
  const labels = Array.isArray(given.labels) ? join(place, "labels.txt") : given.labels;
  const asked = [order.model, "--format", "npm", ...argumentsFor(labels ? { labels, ...options } : options)];
  const words = [(await runTool(tool, ["--version"], root)).trim(), ...asked, ...[given.labels ?? []].flat()];
  const before = await readRecord(place);
  const there = existsSync(join(directoryOf(order), "bundle.json"));
  if (
    there &&
    before &&
    (before.verified || verify === false) &&
    (await isFresh(before, words, sourcesOf(order)))
  ) {
    return read(order, Object.keys(before.files));
  }

  await mkdir(place, { recursive: true });
  if (labels !== given.labels) await writeFile(labels as string, `${[given.labels].flat().join("\n")}\n`);
  const verification = verify === undefined ? [] : argumentsFor({ verify });
  const output = ["--output", directoryOf(order), "--json"];
  // Hashed before they are read: what changes meanwhile is built again.
  const sources = await hashes(sourcesOf(order));
  const told = JSON.parse(await runTool(tool, ["build", ...asked, ...verification, ...output], root));
  const files = { ...(await hashes(told.reads)), ...sources };
  const record: Record = { words, files, verified: verify !== false };
  await writeFile(join(place, RECORD), JSON.stringify(record));
  return read(order, Object.keys(files));
}

/** `{ shardSize: "2M", verify: false }` is `--shard-size 2M --no-verify`. */
function argumentsFor(options: Readonly<{ [name: string]: OptionValue }>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (typeof value === "boolean") return [value ? `--${flag}` : `--no-${flag}`];
    return [value].flat().flatMap((each) => [`--${flag}`, String(each)]);
  });
}

async function isFresh(
  record: Record,
  words: readonly string[],
  sources: readonly string[],
): Promise<boolean> {
  if (JSON.stringify(record.words) !== JSON.stringify(words)) return false;
  const now = await hashes([...Object.keys(record.files), ...sources]);
  return Object.entries(now).every(([path, hash]) => record.files[path] === hash);
}

async function readRecord(place: string): Promise<Record | undefined> {
  try {
    return JSON.parse(await readFile(join(place, RECORD), "utf8"));
  } catch {
    return undefined; // never built, or interrupted while it was written
  }
}

async function hashes(paths: readonly string[]): Promise<{ [path: string]: string | null }> {
  return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await hashOf(path)])));
}

/** Return the sha256 of a file, or of all that is in a directory; null where there is nothing. */
async function hashOf(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return null;
  const digest = createHash("sha256");
  if (found.isDirectory()) {
    const names = (await readdir(path)).filter((name) => name !== "__pycache__").sort();
    digest.update(JSON.stringify(await hashes(names.map((name) => join(path, name)))));
  } else {
    for await (const chunk of createReadStream(path)) digest.update(chunk);
  }
  return digest.digest("hex");
}

async function read(order: Order, reads: readonly string[]): Promise<Prepared> {
  const directory = directoryOf(order);
  try {
    const manifest = JSON.parse(await readFile(join(directory, "bundle.json"), "utf8"));
    if (existsSync(join(directory, "index.js"))) return { directory, digest: manifest.digest, reads };
  } catch {
    // said below
  }
  throw new TfjsBundleError(
    `${directory} is not a package of tfjs-bundle.`,
    `Make it: tfjs-bundle build model.keras --format npm -o ${directory}`,
  );
}
