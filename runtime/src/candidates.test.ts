import { expect, test } from "vitest";
import { type Candidate, candidatesFor, type Device, runtimeFiles, usefulThreads } from "./candidates.js";
import type { Manifest, ManifestFile } from "./manifest.js";

const CAPABLE: Device = { webgpu: "hardware", webgl: "hardware", wasm: "simd", threads: 1 };
const manifestOf = (lacking: string[] = [], files: Partial<ManifestFile>[] = []) =>
  ({
    backends: Object.fromEntries(
      ["webgpu", "webgl", "wasm", "cpu"].map((name) => [
        name,
        lacking.includes(name) ? { supported: false, missing_ops: ["Einsum"] } : { supported: true },
      ]),
    ),
    files,
  }) as unknown as Manifest;
const tried = (...given: Parameters<typeof candidatesFor>) =>
  candidatesFor(...given).map(({ backend, variant }) => (variant ? `${backend}:${variant}` : backend));

test("auto tries graphics cards first, then wasm, then cpu", () => {
  expect(tried("auto", manifestOf(), CAPABLE)).toEqual(["webgpu", "webgl", "wasm:simd", "cpu"]);
});

test("auto begins with what the model supports", () => {
  expect(tried("auto", manifestOf(["webgpu", "wasm"]), CAPABLE)).toEqual(["webgl", "cpu"]);
});

test("software adapters are tried only by name", () => {
  const device: Device = { ...CAPABLE, webgpu: "software", webgl: "software" };
  expect(tried("auto", manifestOf(), device)).toEqual(["wasm:simd", "cpu"]);
  expect(tried("webgl", manifestOf(), device)).toEqual(["webgl"]);
  expect(candidatesFor("webgl", manifestOf(), device)[0]!.anyAdapter).toBe(true);
});

test("threads are tried before one thread, and only with SIMD", () => {
  expect(tried("wasm", manifestOf(), { ...CAPABLE, threads: 4 })).toEqual([
    "wasm:threaded-simd",
    "wasm:simd",
  ]);
  expect(tried("wasm", manifestOf(), { ...CAPABLE, threads: 4, wasm: "plain" })).toEqual(["wasm:plain"]);
});

test("an order is kept, and what cannot run is left out of it", () => {
  expect(tried(["cpu", "webgl", "wasm"], manifestOf(["wasm"]), CAPABLE)).toEqual(["cpu", "webgl"]);
});

test("nothing to try is an error that says why for each", () => {
  const device: Device = { webgpu: "none", webgl: "software", wasm: "none", threads: 1 };
  expect(() => candidatesFor("auto", manifestOf(["cpu"]), device)).toThrow(
    "unsupported: no backend can run this model here: webgpu is not available in this browser; " +
      "webgl has no graphics card to run on; wasm is not available in this browser; " +
      "cpu cannot run this model (it lacks Einsum).",
  );
});

test("the page keeps a core to itself, unless that would leave no threads", () => {
  expect([1, 2, 3, 4, 8, 64].map(usefulThreads)).toEqual([1, 2, 2, 3, 7, 8]);
});

test("a visit takes only the files of its backend and its variant", () => {
  const files = [
    { path: "engine", role: "engine", part: "engine" },
    { path: "worker", role: "worker", part: "worker" },
    { path: "core", role: "runtime", part: "tfjs" },
    { path: "sha", role: "runtime", part: "lazy-sha256" },
    { path: "shared", role: "backend", part: "tfjs", backends: ["cpu", "wasm"] },
    { path: "gl", role: "backend", part: "backend-webgl", backends: ["webgl"] },
    { path: "wasm", role: "backend", part: "backend-wasm", backends: ["wasm"] },
    { path: "plain", role: "backend", part: "wasm-plain", backends: ["wasm"] },
    { path: "simd", role: "backend", part: "wasm-simd", backends: ["wasm"] },
    { path: "threads", role: "backend", part: "wasm-threaded-simd", backends: ["wasm"] },
    { path: "thread", role: "backend", part: "wasm-thread", backends: ["wasm"] },
    { path: "demo", role: "demo" },
  ] as Partial<ManifestFile>[];
  const paths = (candidate: Partial<Candidate>, worker = true) =>
    runtimeFiles(manifestOf([], files), { anyAdapter: false, backend: "wasm", ...candidate }, worker).map(
      ({ path }) => path,
    );
  expect(paths({ variant: "simd" })).toEqual(["engine", "worker", "core", "shared", "wasm", "simd"]);
  expect(paths({ variant: "threaded-simd" }, false)).toEqual([
    "engine",
    "core",
    "shared",
    "wasm",
    "threads",
    "thread",
  ]);
  expect(paths({ backend: "webgl" })).toEqual(["engine", "worker", "core", "gl"]);
});
