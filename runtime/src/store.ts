/**
 * The one cache module: verified bytes of a bundle's files, from the cache or the network.
 *
 * The page fetches, verifies and stores; the service worker reads what the page stored.
 * Without the Cache API (plain http) everything works, but nothing is kept.
 */

import { abortedError, BundleError, isBundleError, throwIfAborted } from "./errors.js";
import { sha256Hex } from "./integrity.js";
import { cacheName, directoryUrl, fileUrl, MANIFEST, type ManifestFile } from "./manifest.js";
import { storedHeaders } from "./responses.js";

export interface FileProgress {
  readonly file: StoreFile;
  /** Bytes of this file so far; starts again at 0 when a download has to be repeated. */
  readonly loaded: number;
  /** Bytes of this file in all. */
  readonly total: number;
  readonly fromCache: boolean;
}

export type StoreFile = Pick<ManifestFile, "path" | "size" | "sha256" | "role">;

export interface FetchOptions {
  readonly onProgress?: (progress: FileProgress) => void;
  readonly signal?: AbortSignal;
}

export interface Store {
  /** The address of a file. */
  url(file: StoreFile): string;
  /** Why nothing (more) is stored: insecure context, storage full; `""` while storing works. */
  readonly problem: string;
  /**
   * Return the verified bytes of a file; the buffer is the caller's own. A script is in the cache by then, where
   * imports find it; all else may still be on its way there, see `stored`.
   *
   * @throws BundleError `network`, `integrity` or `aborted`, naming the file.
   */
  fetch(file: StoreFile, options?: FetchOptions): Promise<ArrayBuffer>;
  /**
   * Have every file in the cache, each verified now; resolves to false where nothing can be
   * stored (then nothing is downloaded either, or what is left is not).
   */
  ensure(files: readonly StoreFile[], options?: FetchOptions): Promise<boolean>;
  /** Resolves when nothing is on its way into the cache any more. */
  stored(): Promise<void>;
  /** Return whether the file is in the cache; does not look at its bytes. */
  has(file: StoreFile): Promise<boolean>;
  /** Return the bytes at a path whose sha256 nobody knows; throws as `fetch` does. */
  fetchUnchecked(path: string, signal?: AbortSignal): Promise<ArrayBuffer>;
  /** Return whether something answers for the file now; does not look at what. */
  isThere(file: StoreFile): Promise<boolean>;
}

/** Where files are, and how they are asked for. */
export interface Place {
  url(file: Pick<StoreFile, "path" | "role" | "sha256">): string;
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

const ATTEMPTS = 3;
const RETRY_DELAYS_MS = [300, 1000];
/** A connection that has sent nothing for so long is taken for dead. */
const STALL_MS = 30_000;
const PARALLEL = 4;

/** bundle.json as a file to fetch: it cannot name itself, the build names it. */
export function manifestFile(manifest: { sha256: string; size: number }): StoreFile {
  return { path: MANIFEST, role: "page", ...manifest };
}

/**
 * Open the store of the bundle at `baseUrl`.
 *
 * @throws BundleError `unsupported` for a page opened as `file://`.
 */
export async function openStore(baseUrl: string | URL): Promise<Store> {
  const base = directoryUrl(baseUrl);
  if (new URL(base).protocol === "file:") {
    throw new BundleError(
      "unsupported",
      "a browser does not load a model from file://. Serve the folder over http or https, for " +
        "instance with `tfjs-bundle serve` or `python -m http.server`, and open that address.",
    );
  }
  const { cache, problem } = await openCache(base);
  const place: Place = { url: (file) => fileUrl(base, file), fetch: (url, init) => fetch(url, init) };
  return new CacheStore(place, cache, problem);
}

/** Open a store that keeps nothing: what is downloaded twice is the app's, or the browser's, to remember. */
export function openPlain(place: Place): Store {
  return new CacheStore(place, null, "nothing is kept on this device");
}

async function openCache(base: string): Promise<{ cache: Cache | null; problem: string }> {
  if (!("caches" in globalThis)) {
    return { cache: null, problem: "nothing is kept on this device: the page is not served over https" };
  }
  try {
    return { cache: await caches.open(cacheName(base)), problem: "" };
  } catch {
    return { cache: null, problem: "nothing is kept on this device: the browser does not allow it here" };
  }
}

/** Work on a URL in progress: two models of one page never download one file twice. */
const busy = new Map<string, Promise<unknown>>();

class CacheStore implements Store {
  problem: string;
  /** Files on their way into the cache; none of these promises is ever rejected. */
  readonly #storing = new Set<Promise<void>>();

  constructor(
    readonly place: Place,
    readonly cache: Cache | null,
    problem: string,
  ) {
    this.problem = problem;
  }

  url(file: StoreFile): string {
    return this.place.url(file);
  }

  async fetch(file: StoreFile, options: FetchOptions = {}): Promise<ArrayBuffer> {
    const url = this.url(file);
    for (let work = busy.get(url); work; work = busy.get(url)) {
      await work.catch(() => {});
    }
    throwIfAborted(options.signal);
    const work = this.#fetch(url, file, options);
    const stored = work.then((fetched) => fetched.stored);
    busy.set(url, stored);
    void stored.catch(() => {}).finally(() => busy.delete(url));
    const { bytes } = await work;
    if (file.path.endsWith(".js")) await stored;
    return bytes;
  }

  async ensure(files: readonly StoreFile[], options: FetchOptions = {}): Promise<boolean> {
    const queue = [...files];
    const worker = async () => {
      for (let file = queue.shift(); file && !this.problem; file = queue.shift()) {
        await this.fetch(file, options);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    await this.stored();
    return !this.problem;
  }

  async stored(): Promise<void> {
    await Promise.all(this.#storing);
  }

  async has(file: StoreFile): Promise<boolean> {
    return (await this.#match(this.url(file))) !== undefined;
  }

  async fetchUnchecked(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
    const file: StoreFile = { path, size: 0, sha256: "", role: "runtime" };
    let response: Response;
    try {
      response = await this.place.fetch(this.url(file), { signal, credentials: "same-origin" });
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      throw new BundleError("network", lost(file, false), { cause: error });
    }
    if (!response.ok) throw new BundleError("network", `the server answered ${response.status} for ${path}.`);
    return response.arrayBuffer();
  }

  async isThere(file: StoreFile): Promise<boolean> {
    return this.place.fetch(this.url(file), { method: "HEAD", cache: "no-store" }).then(
      () => true,
      () => false,
    );
  }

  async #fetch(
    url: string,
    file: StoreFile,
    options: FetchOptions,
  ): Promise<{ bytes: ArrayBuffer; stored: Promise<void> }> {
    const { onProgress } = options;
    const kept = await this.#kept(url, file);
    if (kept) {
      onProgress?.({ file, loaded: file.size, total: file.size, fromCache: true });
      return { bytes: kept, stored: Promise.resolve() };
    }
    const { bytes, headers } = await download(this.place, url, file, options);
    // What waits for the disk is in memory twice.
    while (this.#storing.size >= PARALLEL) await Promise.race(this.#storing);
    const stored = this.#put(url, file, bytes, headers);
    this.#storing.add(stored);
    void stored.finally(() => this.#storing.delete(stored));
    return { bytes, stored };
  }

  /** Return the bytes in the cache if they are what they should be; a damaged entry is removed. */
  async #kept(url: string, file: StoreFile): Promise<ArrayBuffer | null> {
    const response = await this.#match(url);
    if (!response) return null;
    try {
      const bytes = await response.arrayBuffer();
      if (bytes.byteLength === file.size && (await sha256Hex(bytes)) === file.sha256) return bytes;
    } catch {
      // The entry cannot be read: as good as damaged.
    }
    await this.cache?.delete(url).catch(() => {});
    return null;
  }

  async #match(url: string): Promise<Response | undefined> {
    return this.cache?.match(url, { ignoreVary: true }).catch(() => undefined);
  }

  async #put(url: string, file: StoreFile, bytes: ArrayBuffer, headers: Headers): Promise<void> {
    if (!this.cache || this.problem) return;
    try {
      await this.cache.put(url, new Response(bytes, { headers: storedHeaders(file.path, headers) }));
    } catch (error) {
      const full = error instanceof DOMException && error.name === "QuotaExceededError";
      this.problem = full
        ? "the browser's storage is full: the model works, but will be downloaded again next time"
        : "the browser refuses to store files: the model works, but will be downloaded again next time";
    }
  }
}

interface Download {
  bytes: ArrayBuffer;
  headers: Headers;
}

async function download(
  place: Place,
  url: string,
  file: StoreFile,
  options: FetchOptions,
): Promise<Download> {
  for (let attempt = 0; ; attempt++) {
    try {
      // A stale or damaged copy in the browser's own HTTP cache must not survive the second try.
      return await downloadOnce(place, url, file, attempt === 0 ? "default" : "reload", options);
    } catch (error) {
      if (!(error instanceof Retryable)) throw error;
      const last = attempt + 1 >= (error.code === "integrity" ? 2 : ATTEMPTS);
      if (last || globalThis.navigator?.onLine === false) throw error.toBundleError();
    }
    await pause(RETRY_DELAYS_MS[attempt] ?? 1000, options.signal);
  }
}

/** A failure that another attempt may cure. */
class Retryable extends Error {
  constructor(
    readonly code: "network" | "integrity",
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  toBundleError(): BundleError {
    return new BundleError(this.code, this.message, { cause: this.cause });
  }
}

async function downloadOnce(
  place: Place,
  url: string,
  file: StoreFile,
  cache: RequestCache,
  { onProgress, signal }: FetchOptions,
): Promise<Download> {
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(), STALL_MS);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(), STALL_MS);
  };
  const signals = signal ? [signal, stall.signal] : [stall.signal];
  const bytes = new Uint8Array(file.size);
  let loaded = 0;
  let tooLong = false;
  let response: Response | undefined;
  try {
    response = await place.fetch(url, {
      cache,
      credentials: "same-origin",
      signal: AbortSignal.any(signals),
    });
    if (!response.ok) throw refused(response.status, file);
    onProgress?.({ file, loaded: 0, total: file.size, fromCache: false });
    const reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      alive();
      tooLong = loaded + value.length > file.size;
      if (tooLong) bytes.set(value.subarray(0, file.size - loaded), loaded);
      else bytes.set(value, loaded);
      loaded += value.length;
      if (tooLong) {
        void reader.cancel().catch(() => {});
        break;
      }
      onProgress?.({ file, loaded, total: file.size, fromCache: false });
    }
  } catch (error) {
    if (signal?.aborted) throw abortedError(signal);
    if (error instanceof Retryable || isBundleError(error)) throw error;
    throw new Retryable("network", lost(file, response !== undefined), { cause: error });
  } finally {
    clearTimeout(timer);
  }
  throwIfAborted(signal);
  const intact = !tooLong && loaded === file.size && (await sha256Hex(bytes)) === file.sha256;
  if (!intact) throw damaged(response, file, bytes.subarray(0, Math.min(loaded, file.size)), tooLong);
  return { bytes: bytes.buffer, headers: response.headers };
}

/** What to tell a visitor whose connection failed: before the server answered, or after. */
export function lost(file: StoreFile, answered: boolean): string {
  return answered
    ? `the connection was lost while ${file.path} was being downloaded. Check the network and try again.`
    : `the server could not be reached for ${file.path}. Check the network and try again.`;
}

function refused(status: number, file: StoreFile): Retryable | BundleError {
  if (status >= 500 || status === 408 || status === 429) {
    return new Retryable("network", `the server answered ${status} for ${file.path}. Try again later.`);
  }
  const missing = status === 404 || status === 410;
  return new BundleError(
    "network",
    missing
      ? `the server has no ${file.path} (${status}). The bundle was not uploaded completely.`
      : `the server refuses ${file.path} (${status}).`,
  );
}

function damaged(response: Response, file: StoreFile, bytes: Uint8Array, tooLong: boolean): Retryable {
  if (isHtml(response, bytes) && !file.path.endsWith(".html")) {
    return new Retryable(
      "integrity",
      `the host answered with a web page in place of ${file.path}: the file is missing there. ` +
        "Upload the whole bundle again.",
    );
  }
  const size = tooLong ? `more than its ${file.size} bytes` : `${bytes.length} of ${file.size} bytes`;
  const what =
    bytes.length === file.size && !tooLong ? "its bytes are not those of the build" : `${size} came`;
  return new Retryable(
    "integrity",
    `${file.path} is damaged or belongs to another build: ${what}. Reload the page; if that does not ` +
      "help, the bundle must be uploaded again.",
  );
}

function isHtml(response: Response, bytes: Uint8Array): boolean {
  if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "")) return true;
  const start = new TextDecoder().decode(bytes.subarray(0, 256));
  return /^\s*<(!doctype html|html)\b/i.test(start);
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(abortedError(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
