import { expect, it } from "vitest";
import { mimeType, partOf, storedHeaders } from "./responses.js";

const TEN = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).buffer;

it.each([
  ["./", "text/html; charset=utf-8"],
  ["loader.js", "text/javascript; charset=utf-8"],
  ["runtime/wasm-simd-1.wasm", "application/wasm"],
  ["model/ab.bin", "application/octet-stream"],
  ["manifest.webmanifest", "application/manifest+json"],
  ["LICENSE", "application/octet-stream"],
])("the type of %s is %s, whatever the host says", (path, type) => {
  expect(mimeType(path)).toBe(type);
  expect(storedHeaders(path, new Headers({ "content-type": "text/plain" })).get("content-type")).toBe(type);
});

it("headers that isolate the page are kept, headers about the transfer are not", () => {
  const headers = storedHeaders(
    "./",
    new Headers({ "cross-origin-opener-policy": "same-origin", "content-encoding": "gzip", etag: '"1"' }),
  );
  expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
  expect(headers.has("content-encoding")).toBe(false);
  expect(headers.has("etag")).toBe(false);
});

it.each([
  ["bytes=2-4", [2, 3, 4], "bytes 2-4/10"],
  ["bytes=8-", [8, 9], "bytes 8-9/10"],
  ["bytes=-3", [7, 8, 9], "bytes 7-9/10"],
  ["bytes=-30", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "bytes 0-9/10"],
  ["bytes=5-500", [5, 6, 7, 8, 9], "bytes 5-9/10"],
])("the range %s is answered with that part", async (range, bytes, contentRange) => {
  const response = partOf(TEN, new Headers(), range);
  expect(response.status).toBe(206);
  expect(response.headers.get("content-range")).toBe(contentRange);
  expect(response.headers.get("content-length")).toBe(String(bytes.length));
  expect([...new Uint8Array(await response.arrayBuffer())]).toEqual(bytes);
});

it.each(["bytes=10-", "bytes=10-12", "bytes=-0"])("the range %s has nothing in it", (range) => {
  const response = partOf(TEN, new Headers(), range);
  expect(response.status).toBe(416);
  expect(response.headers.get("content-range")).toBe("bytes */10");
});

it.each([null, "bytes=0-1,4-5", "bytes=-", "bytes=4-2", "lines=1-2"])(
  "the range %s gives all",
  async (range) => {
    const response = partOf(TEN, new Headers(), range);
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBe(10);
  },
);
