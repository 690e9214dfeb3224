import { describe, expect, it } from "vitest";
import {
  cacheName,
  checkManifest,
  directoryUrl,
  filesFor,
  fileUrl,
  isContentNamed,
  type Manifest,
  type ManifestFile,
  parseManifest,
  pathUrl,
  readBuild,
  staysInside,
} from "./manifest.js";

const SHA = "ab".repeat(32);

function file(path: string, extra: Partial<ManifestFile> = {}): ManifestFile {
  return { path, size: 3, sha256: SHA, role: "weights", ...extra };
}

function manifest(extra: Record<string, unknown> = {}): Manifest {
  return {
    schema_version: 1,
    name: "digits",
    digest: SHA,
    created_with: {},
    source: {},
    signature: { inputs: [], outputs: [] },
    preprocessing: {},
    labels: {},
    task: "tensors",
    files: [file("model/a.bin")],
    backends: { cpu: { supported: true } },
    requires_loader: false,
    warnings: [],
    ...extra,
  } as Manifest;
}

describe("a manifest", () => {
  it("is taken as it is when nothing is wrong with it", () => {
    expect(parseManifest(JSON.stringify(manifest()))).toEqual(manifest());
  });

  it("of another schema version is unsupported, and the message says which is read", () => {
    expect(() => checkManifest(manifest({ schema_version: 2 }))).toThrow(
      /^unsupported: bundle\.json has schema_version 2; this loader reads 1\./,
    );
  });

  it("that is not JSON is an integrity error", () => {
    expect(() => parseManifest("<!doctype html>")).toThrow(
      /^integrity: bundle\.json is damaged: it is not JSON/,
    );
  });

  const broken: [string, Record<string, unknown>, RegExp][] = [
    ["no signature", { signature: undefined }, /it has no signature/],
    ["no inputs", { signature: { outputs: [] } }, /its signature has no inputs/],
    ["no files", { files: undefined }, /it lists no files/],
    ["no backends", { backends: null }, /which backends/],
    ["a file without a path", { files: [{ size: 1 }] }, /a file has no path/],
    ["a path that climbs", { files: [file("../x.bin")] }, /the path "\.\.\/x\.bin" leaves the bundle/],
    ["a path twice", { files: [file("a"), file("a")] }, /a is listed twice/],
    ["a size that is none", { files: [file("a", { size: 1.5 })] }, /a has no size/],
    ["a negative size", { files: [file("a", { size: -1 })] }, /a has no size/],
    ["a short sha256", { files: [file("a", { sha256: "abc" })] }, /a has no sha256/],
  ];
  it.each(broken)("with %s is an integrity error that says so", (_, change, message) => {
    expect(() => checkManifest(manifest(change))).toThrow(message);
    expect(() => checkManifest(manifest(change))).toThrow(/^integrity: bundle\.json is damaged/);
  });

  it.each(["/etc/passwd", "a//b", "./a", "a/../b", "..", "", "a\\b", "a/"])("refuses the path %j", (path) => {
    expect(staysInside(path)).toBe(false);
  });

  it.each(["index.html", "model/ab.bin", ".nojekyll", "a..b/c", "100%.png", "what?.png"])(
    "takes the path %j",
    (path) => {
      expect(staysInside(path)).toBe(true);
    },
  );

  it("gives the files of one backend, of several, of a role and of a part", () => {
    const plain = file("runtime/wasm-1.wasm", { role: "backend", backends: ["wasm"], part: "wasm-plain" });
    const simd = file("runtime/wasm-2.wasm", { role: "backend", backends: ["wasm"], part: "wasm-simd" });
    const gpu = file("runtime/webgl-1.js", { role: "backend", backends: ["webgl"] });
    const all = manifest({ files: [file("model/a.bin"), plain, simd, gpu] });
    expect(filesFor(all, { backend: "wasm" })).toEqual([plain, simd]);
    expect(filesFor(all, { backend: "wasm", parts: ["wasm-simd"] })).toEqual([simd]);
    expect(filesFor(all, { backend: ["wasm", "webgl"] })).toEqual([plain, simd, gpu]);
    expect(filesFor(all, { roles: ["weights"] })).toEqual([file("model/a.bin")]);
    expect(filesFor(all, { roles: ["weights"], backend: "wasm" })).toEqual([]);
  });
});

describe("a file's address", () => {
  const base = "https://example.org/repo/";

  it("is plain where the name changes with the content", () => {
    expect(fileUrl(base, file("model/ab12.bin"))).toBe("https://example.org/repo/model/ab12.bin");
    expect(fileUrl(base, file("runtime/demo-1.css", { role: "demo" }))).toBe(`${base}runtime/demo-1.css`);
  });

  it("carries the sha256 where it does not, so that two builds never mix", () => {
    const model = file("model/model.json", { role: "model" });
    expect(isContentNamed(model)).toBe(false);
    expect(fileUrl(base, model)).toBe(`${base}model/model.json?sha256=${SHA}`);
  });

  it("keeps characters that mean something in an URL as part of the name", () => {
    expect(pathUrl(base, "my icon#1?.png")).toBe(`${base}my%20icon%231%3F.png`);
    expect(pathUrl(base, "javascript:alert(1)")).toBe(`${base}javascript%3Aalert(1)`);
  });

  it("starts at the directory of whatever lies in it", () => {
    expect(directoryUrl("https://example.org/repo/loader.js?v=1#x")).toBe(base);
    expect(directoryUrl(base)).toBe(base);
  });

  it("is stored in a cache that belongs to the directory alone", () => {
    expect(cacheName(base)).not.toBe(cacheName("https://example.org/repo/other/"));
    expect(cacheName("https://example.org/")).not.toBe(cacheName("https://example.org/a/"));
  });
});

describe("a build", () => {
  it("is nothing while the script is not filled in", () => {
    expect(readBuild("__TFJS_BUNDLE_BUILD__")).toBeNull();
  });

  it("is what it was filled with", () => {
    const build = { digest: "d", manifest: { sha256: SHA, size: 1 }, shell: [] };
    expect(readBuild(build)).toBe(build);
  });
});
