import { afterEach, describe, expect, it, vi } from "vitest";
import { sha256Hex } from "./integrity.js";
import { openStore, type StoreFile } from "./store.js";

const BASE = "https://example.org/bundle/";
const BYTES = new TextEncoder().encode("weights of a model");

async function shard(): Promise<StoreFile> {
  return { path: "model/ab.bin", size: BYTES.length, sha256: await sha256Hex(BYTES), role: "weights" };
}

/** A cache that fails as told; the real one is tested in a browser. */
function brokenCache(error: Error): void {
  const cache = { match: async () => undefined, delete: async () => false, put: () => Promise.reject(error) };
  vi.stubGlobal("caches", { open: async () => cache });
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the store", () => {
  it("does not open on file://, and says what to do instead", async () => {
    await expect(openStore("file:///home/me/dist/index.html")).rejects.toThrow(
      /^unsupported: a browser does not load a model from file:\/\/\. Serve the folder over http or https/,
    );
  });

  it("gives bytes where nothing can be kept, and stores nothing", async () => {
    vi.stubGlobal("fetch", async () => new Response(BYTES));
    const store = await openStore(BASE);
    expect(store.problem).toContain("not served over https");
    expect(new Uint8Array(await store.fetch(await shard()))).toEqual(BYTES);
    expect(await store.has(await shard())).toBe(false);
  });

  it("goes on without storing when the storage is full, and says so", async () => {
    brokenCache(new DOMException("full", "QuotaExceededError"));
    vi.stubGlobal("fetch", async () => new Response(BYTES));
    const store = await openStore(BASE);
    expect(store.problem).toBe("");
    expect(new Uint8Array(await store.fetch(await shard()))).toEqual(BYTES);
    await store.stored();
    expect(store.problem).toContain("storage is full");
    expect(await store.ensure([await shard()])).toBe(false);
  });

  it("downloads a file once for two callers at a time, each with a buffer of its own", async () => {
    const stored = new Map<string, Response>();
    vi.stubGlobal("caches", {
      open: async () => ({
        match: async (url: string) => stored.get(url)?.clone(),
        put: async (url: string, response: Response) => void stored.set(url, response),
      }),
    });
    const fetched = vi.fn(async () => new Response(BYTES));
    vi.stubGlobal("fetch", fetched);
    const file = await shard();
    const [one, two] = await Promise.all([
      openStore(BASE).then((store) => store.fetch(file)),
      openStore(BASE).then((store) => store.fetch(file)),
    ]);
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(one).not.toBe(two);
    expect(one).toEqual(two);
  });

  it("takes a connection that sends nothing for dead", async () => {
    const file = await shard();
    vi.useFakeTimers();
    const fetched = vi.fn(
      (_: string, { signal }: RequestInit) =>
        new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    );
    vi.stubGlobal("fetch", fetched);
    vi.stubGlobal("navigator", { onLine: true });
    const store = await openStore(BASE);
    const failure = store.fetch(file).catch((error: Error) => error.message);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(await failure).toMatch(/^network: the server could not be reached for model\/ab\.bin/);
    expect(fetched).toHaveBeenCalledTimes(3);
  });

  it("does not wait for another attempt when it is aborted meanwhile", async () => {
    const control = new AbortController();
    vi.stubGlobal("fetch", async () => {
      queueMicrotask(() => control.abort());
      return new Response("", { status: 503 });
    });
    const store = await openStore(BASE);
    await expect(store.fetch(await shard(), { signal: control.signal })).rejects.toThrow(/^aborted: /);
  });
});
