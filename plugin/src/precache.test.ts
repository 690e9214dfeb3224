import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { precacheEntries } from "./precache.js";
import type { Prepared } from "./prepare.js";

const PATHS = ["shard.bin", "wasm.txt", "webgpu.txt"];
/** As the Python tool writes it: without what only other backends need. */
const PRECACHE = ["shard.bin", "wasm.txt"].map((url) => ({ url, revision: null }));

let prepared: Prepared;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), "package-"));
  prepared = { directory, digest: directory, reads: [] };
  await writeFile(join(directory, "precache.json"), JSON.stringify(PRECACHE));
  for (const path of PATHS) await writeFile(join(directory, path), `content of ${path}`);
});

afterEach(() => rm(prepared.directory, { recursive: true }));

function emitted(names: { [path: string]: string }) {
  return Object.entries(names).map(([path, fileName]) => ({ fileName, source: `content of ${path}` }));
}

test("files that were renamed by their content have no revision", async () => {
  const files = emitted({ "shard.bin": "assets/shard-abc.bin", "wasm.txt": "assets/wasm-def.txt" });
  expect(await precacheEntries(prepared, files)).toEqual([
    { url: "assets/shard-abc.bin", revision: null },
    { url: "assets/wasm-def.txt", revision: null },
  ]);
});

test("a file that kept its name has its sha256 as revision", async () => {
  const [entry] = await precacheEntries(prepared, emitted({ "shard.bin": "assets/shard.bin" }));
  expect(entry).toEqual({ url: "assets/shard.bin", revision: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

test("what only other backends need is left out", async () => {
  expect(await precacheEntries(prepared, emitted({ "webgpu.txt": "assets/webgpu-abc.txt" }))).toEqual([]);
});
