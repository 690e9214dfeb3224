/**
 * The service worker of one bundle: answers from what the page has stored, so that the page
 * works with the network off.
 *
 * It downloads nothing but the shell (the page itself) at install, answers only for files of its
 * own directory that it knows, checks what it gives, and at activation removes from its own cache
 * what its manifest does not name. A script that no build has filled in does nothing at all.
 */

import {
  type Build,
  cacheName,
  directoryUrl,
  fileUrl,
  isContentNamed,
  MANIFEST,
  type ManifestFile,
  parseManifest,
  pathUrl,
  readBuild,
  type ShellFile,
  versionedUrl,
} from "./manifest.js";
import type { WorkerRequest } from "./offline.js";
import { mimeType, partOf, storedHeaders } from "./responses.js";
import { nativeSha256 } from "./sha256.js";

const worker = self as unknown as ServiceWorkerGlobalScope;
const base = directoryUrl(worker.location.href);

/** How long the network may take to answer for a file of the shell that is also in the cache. */
const NETWORK_MS = 5000;
/** Answers that say something about this visitor, and are shown instead of the stored page. */
const TELLING = [401, 403, 410];

const build = readBuild("__TFJS_BUNDLE_BUILD__");
if (build) run(build);

function run(build: Build): void {
  const shell = new Map(build.shell.map((file) => [file.path, file]));
  /** Pages that came from the cache: what belongs to them comes from there too. */
  const cachedPages = new Set<string>();

  worker.addEventListener("install", (event) => {
    event.waitUntil(storeShell(build).catch(tellPages));
  });

  worker.addEventListener("activate", (event) => {
    event.waitUntil(Promise.all([worker.clients.claim(), prune(build).catch(() => {})]));
  });

  worker.addEventListener("message", (event) => {
    event.waitUntil(obey(build, event.data).then((answer) => event.ports[0]?.postMessage(answer)));
  });

  worker.addEventListener("fetch", (event) => {
    const answer = route(event);
    if (answer) event.respondWith(answer);
  });

  /** Return the answer to a request, or `null` for one that is none of this worker's business. */
  function route(event: FetchEvent): Promise<Response> | null {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== "GET" || !url.href.startsWith(base)) return null;
    let path: string;
    try {
      path = decodeURIComponent(url.href.slice(base.length).replace(/[?#].*$/, ""));
    } catch {
      return null;
    }
    // Only the directory's own page stands in for a navigation: deeper, its relative links would break.
    const isPage = path === "" || path === "index.html";
    const file = shell.get(isPage ? "./" : path);
    if (
      file &&
      !isContentNamed({ path, role: "page" }) &&
      (url.search === "" || request.mode === "navigate")
    ) {
      return shellAnswer(event, file);
    }
    if (url.search === "" ? /^(runtime|model)\//.test(path) : /^\?sha256=[0-9a-f]{64}$/.test(url.search)) {
      return storedAnswer(request, path, url.searchParams.get("sha256"));
    }
    return null;
  }

  /** The shell: from the network, so that a new build is seen at once; without one, from the cache. */
  async function shellAnswer(event: FetchEvent, file: ShellFile): Promise<Response> {
    const { request } = event;
    const fromCache = () => verified(request, shellKey(file), file.path, file.sha256);
    if (cachedPages.has(event.clientId)) {
      const stored = await fromCache();
      if (stored) return stored;
    }
    const navigates = request.mode === "navigate";
    // The browser's HTTP cache is asked whether it is current, or "max-age" would hide a new build.
    const network = fetch(request.url, {
      cache: "no-cache",
      credentials: "same-origin",
      // A navigation follows redirects itself.
      redirect: navigates ? "manual" : "follow",
    });
    const answer = await Promise.race([network.catch(() => null), after(NETWORK_MS)]);
    if (answer && isUsable(answer, file.path)) return answer;
    const stored = await fromCache();
    if (!stored) return answer ?? network;
    if (navigates) cachedPages.add(event.resultingClientId);
    return stored;
  }

  /** What the page has stored: from the cache, and where it is not there, from the network. */
  async function storedAnswer(request: Request, path: string, sha256: string | null): Promise<Response> {
    const response = await stored(request, path, sha256).catch(() => null);
    return response ?? fetch(request);
  }

  async function stored(request: Request, path: string, sha256: string | null): Promise<Response | null> {
    if (sha256) return verified(request, versionedUrl(pathUrl(base, path), sha256), path, sha256);
    const named = (await manifestFiles(build)).get(path);
    if (named) return verified(request, fileUrl(base, named), path, named.sha256);
    // A newer build's file, which its page has checked and stored while this worker still runs.
    return verified(request, pathUrl(base, path), path, null);
  }
}

/** Return the cached response if its bytes have the sha256; an entry that has not is removed. */
async function verified(
  request: Request,
  key: string,
  path: string,
  sha256: string | null,
): Promise<Response | null> {
  const cache = await openCache();
  const response = await cache.match(key, { ignoreVary: true });
  if (!response) return null;
  const bytes = await response.arrayBuffer();
  if (sha256 && (await nativeSha256(bytes)) !== sha256) {
    await cache.delete(key);
    return null;
  }
  const headers = new Headers(response.headers);
  headers.set("content-type", mimeType(path));
  if (/worker$/.test(request.destination)) {
    // A worker takes its policy from its own script's headers, which the host may not have sent, and
    // a cross-origin isolated page takes no worker without this one.
    if (build?.content_security_policy) {
      headers.set("content-security-policy", build.content_security_policy);
    }
    headers.set("cross-origin-embedder-policy", "require-corp");
  }
  return partOf(bytes, headers, request.headers.get("range"));
}

function isUsable(response: Response, path: string): boolean {
  if (response.type === "opaqueredirect" || TELLING.includes(response.status)) return true;
  const html = /^text\/html\b/i.test(response.headers.get("content-type") ?? "");
  return response.ok && (!html || mimeType(path).startsWith("text/html"));
}

/** Have every file of the shell in the cache, with the bytes of this build. */
async function storeShell(build: Build): Promise<void> {
  const cache = await openCache();
  const store = async (file: ShellFile) => {
    const key = shellKey(file);
    const old = await cache.match(key, { ignoreVary: true });
    if (old && (await nativeSha256(await old.arrayBuffer())) === file.sha256) return;
    const { bytes, headers } = await fetchShellFile(file);
    await cache.put(key, new Response(bytes, { headers: storedHeaders(file.path, headers) }));
  };
  // The manifest comes last: by then the page, which needs it first, has stored it.
  await Promise.all(build.shell.filter(({ path }) => path !== MANIFEST).map(store));
  await Promise.all(build.shell.filter(({ path }) => path === MANIFEST).map(store));
}

/** What the page has loaded a moment ago may come from the HTTP cache, if it is of this build. */
async function fetchShellFile({
  path,
  sha256,
}: ShellFile): Promise<{ bytes: ArrayBuffer; headers: Headers }> {
  // The manifest by the address that the page asks for, everything else by the browser's own.
  const url = path === "./" ? base : path === MANIFEST ? shellKey({ path, sha256 }) : pathUrl(base, path);
  let why = "";
  for (const cache of ["default", "reload"] as const) {
    const response = await fetch(url, { cache, credentials: "same-origin" });
    if (!response.ok) {
      why = `the host answered ${response.status} for ${path}`;
      continue;
    }
    const bytes = await response.arrayBuffer();
    if ((await nativeSha256(bytes)) === sha256) return { bytes, headers: response.headers };
    why = `${path} on the host is not the one of the build that sw.js belongs to`;
  }
  throw new Error(why);
}

async function tellPages(error: unknown): Promise<never> {
  const full = error instanceof DOMException && error.name === "QuotaExceededError";
  const message = error instanceof Error ? error.message : String(error);
  const reason = full ? "the browser's storage is full" : message;
  for (const page of await pages()) page.postMessage({ type: "install-failed", reason });
  throw error;
}

async function obey(build: Build, request: WorkerRequest): Promise<unknown> {
  if (request.type === "claim") {
    await worker.clients.claim().catch(() => {});
    await storeShell(build).catch(() => {});
    return { done: true };
  }
  if (request.type === "take-over") {
    // Another page may still run the old build, whose files would be removed under it.
    const alone = (await pages()).length <= 1;
    const done = alone && request.build === build.manifest.sha256;
    // Not awaited: activation would wait for this very event to end, up to a second in Chromium.
    if (done) void worker.skipWaiting();
    return { done };
  }
  return { done: false };
}

async function pages(): Promise<readonly WindowClient[]> {
  const all = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  return all.filter((page) => page.url.startsWith(base));
}

/** Remove what this build does not name; without its manifest nothing is known, and all stays. */
async function prune(build: Build): Promise<void> {
  const files = await manifestFiles(build);
  if (files.size === 0) return;
  const kept = new Set(build.shell.map(shellKey));
  for (const file of files.values()) kept.add(fileUrl(base, file));
  const cache = await openCache();
  const stored = await cache.keys();
  await Promise.all(stored.filter(({ url }) => !kept.has(url)).map((request) => cache.delete(request)));
}

let files: Map<string, ManifestFile> | undefined;

/** The files of this build's manifest by path; none while the manifest is not stored. */
async function manifestFiles(build: Build): Promise<Map<string, ManifestFile>> {
  if (!files) {
    const key = versionedUrl(pathUrl(base, MANIFEST), build.manifest.sha256);
    const response = await (await openCache()).match(key, { ignoreVary: true });
    if (!response) return new Map();
    const { files: named } = parseManifest(await response.text());
    files = new Map(named.map((file) => [file.path, file]));
  }
  return files;
}

function shellKey({ path, sha256 }: ShellFile): string {
  if (path === "./") return versionedUrl(base, sha256);
  return fileUrl(base, { path, sha256, role: "page" });
}

function openCache(): Promise<Cache> {
  return caches.open(cacheName(base));
}

function after(milliseconds: number): Promise<null> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, null));
}
