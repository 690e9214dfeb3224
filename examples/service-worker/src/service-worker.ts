/// <reference lib="webworker" />
import { precache } from "virtual:tfjs-bundle/digits/precache";

declare const self: ServiceWorkerGlobalScope;

const MODEL = "digits: model";
const PAGES = "digits: pages";
const revisions = new Map(precache().map(({ url, revision }) => [url, revision]));

self.addEventListener("install", (event) => {
  event.waitUntil(storeModel().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

/** Store what is new of the model, and drop what only the last one had. */
async function storeModel(): Promise<void> {
  const cache = await caches.open(MODEL);
  const wanted = [...revisions.keys()].map(keyOf);
  for (const url of wanted) if (!(await cache.match(url))) await cache.add(url);
  for (const { url } of await cache.keys()) if (!wanted.includes(url)) await cache.delete(url);
}

/** A file whose name stays when its content changes is stored under its revision. */
function keyOf(url: string): string {
  const revision = revisions.get(url);
  return revision ? `${url}?${revision}` : url;
}

/** The model from the cache, since its files never change; the page from the network while there is one. */
async function answer(request: Request): Promise<Response> {
  const stored = await caches.match(keyOf(request.url), { cacheName: MODEL });
  if (stored) return stored;
  try {
    const response = await fetch(request);
    if (response.ok) await (await caches.open(PAGES)).put(request, response.clone());
    return response;
  } catch (error) {
    const last = await caches.match(request, { cacheName: PAGES });
    if (last) return last;
    throw error;
  }
}
