/**
 * What a preview answers to every request for a service worker's script: one that was registered here before
 * is replaced by this, which removes what was stored, and itself.
 */

const worker = self as unknown as ServiceWorkerGlobalScope;

worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(retire()));

async function retire(): Promise<void> {
  const own = (await caches.keys()).filter((name) => name.startsWith("tfjs-bundle "));
  await Promise.all(own.map((name) => caches.delete(name)));
  await worker.registration.unregister();
}
