import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ModelOptions, readOrders } from "./options.js";
import { prepare } from "./prepare.js";
import { findTool } from "./tool.js";

/** Stands for the Python tool: notes how it was called, and writes the little of a package that is looked at. */
const TOOL = `#!${process.execPath}
const { appendFileSync, mkdirSync, writeFileSync } = require("node:fs");
const given = process.argv.slice(2);
if (given[0] === "--version") {
  console.log("tfjs-bundle, version 1");
} else {
  appendFileSync("calls.jsonl", JSON.stringify(given) + "\\n");
  const output = given[given.indexOf("--output") + 1];
  mkdirSync(output, { recursive: true });
  writeFileSync(output + "/bundle.json", JSON.stringify({ digest: "d" }));
  writeFileSync(output + "/index.js", "");
  console.log(JSON.stringify({ reads: [given[1], process.cwd() + "/classes.txt"] }));
}
`;

// Each starts a few processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "plugin-"));
  await writeFile(join(root, "tool"), TOOL);
  await chmod(join(root, "tool"), 0o755);
  await writeFile(join(root, "model.keras"), "one");
});

afterEach(() => rm(root, { recursive: true }));

async function build(more: Partial<ModelOptions> = {}, verify?: boolean): Promise<void> {
  const [order] = readOrders(
    { model: "model.keras", command: join(root, "tool"), ...more } as ModelOptions,
    root,
  );
  await prepare(order!, verify);
}

async function calls(): Promise<string[][]> {
  const text = await readFile(join(root, "calls.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("an unchanged model is built once", async () => {
  await build();
  await build();
  expect(await calls()).toHaveLength(1);
});

test("two who ask at once wait for one build", async () => {
  await Promise.all([build(), build()]);
  expect(await calls()).toHaveLength(1);
});

test("a changed model is built again", async () => {
  await build();
  await writeFile(join(root, "model.keras"), "two");
  await build();
  expect(await calls()).toHaveLength(2);
});

test("a file that the tool looked for, and that is there now, asks for another build", async () => {
  await build();
  await writeFile(join(root, "classes.txt"), "cat");
  await build();
  expect(await calls()).toHaveLength(2);
});

test("other options ask for another build", async () => {
  await build({ labels: ["cat", "dog"] });
  await build({ labels: ["cat", "cow"] });
  expect(await calls()).toHaveLength(2);
});

test("a package that was not compared with Keras will not do where it has to be", async () => {
  await build({}, false);
  await build({}, undefined);
  await build({}, false);
  expect((await calls()).map((given) => given.includes("--no-verify"))).toEqual([true, false]);
});

test("options become those of the command line", async () => {
  await build({ options: { shardSize: "2M", backend: ["wasm", "cpu"], unsafe: true, verify: false } });
  const [given] = await calls();
  const asked = given!.slice(2, given!.indexOf("--output"));
  expect(asked.join(" ")).toBe(
    "--format npm --shard-size 2M --backend wasm --backend cpu --unsafe --no-verify",
  );
});

test("the tool is taken from a .venv above the app where no environment is active", async () => {
  const app = join(root, "apps", "one");
  await mkdir(app, { recursive: true });
  await mkdir(join(root, ".venv", "bin"), { recursive: true });
  await writeFile(join(root, ".venv", "bin", "tfjs-bundle"), "");
  expect(findTool(app, {}, { PATH: "" })).toEqual([join(root, ".venv", "bin", "tfjs-bundle")]);
});

test("a name that cannot be imported is refused", () => {
  expect(() => readOrders({ model: "my model.keras" }, root)).toThrow("Give a `name` of letters");
});

test("two models of one name are refused", () => {
  const models = [{ model: "a/model.keras" }, { model: "b/model.keras" }];
  expect(() => readOrders(models, root)).toThrow("Two models are called");
});
