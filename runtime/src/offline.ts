/** The page's side of working offline: registering the service worker of the bundle's directory. */

import { type Build, directoryUrl } from "./manifest.js";

export type Control =
  | { readonly controlled: true }
  /** Why the page does not work offline, for the visitor. */
  | { readonly controlled: false; readonly reason: string };

export interface Offline {
  /**
   * Resolves when the service worker controls this page, so that every import and every
   * worker script is answered from what the page has stored; or says why that will not be.
   */
  control(): Promise<Control>;
}

/** Messages from the page to the service worker; each is answered on the port it carries. */
export type WorkerRequest =
  /** Take control of this page, which a forced reload has left alone, and mend the stored shell. */
  | { readonly type: "claim" }
  /** A waiting worker of the page's own build takes over if no other page is open. */
  | { readonly type: "take-over"; readonly build: string };

/** The longest pause between two offers to take over; each is twice the one before. */
const LAST_OFFER_MS = 64_000;

/** How long a service worker may take to answer. */
const ANSWER_MS = 10_000;

/** How long a page waits for control before it goes on without. */
const CONTROL_MS = 15_000;

/** Register `sw.js` of the bundle at `baseUrl`; never throws, `control()` says how it went. */
export function registerOffline(baseUrl: string | URL, build: Build | null): Offline {
  const started = start(directoryUrl(baseUrl), build).catch((error): Control => {
    const reason = messageOf(error);
    // Where there is none by intent, nothing has gone wrong that a visitor should read of.
    const intended = error instanceof DOMException && error.name === "NotSupportedError";
    return no(intended ? reason : `the service worker could not be started (${reason})`);
  });
  // A browser that is busy, or whose storage is, may leave even the registration without an answer.
  const control = Promise.race([started, tooLong()]);
  return { control: () => control };
}

async function start(base: string, build: Build | null): Promise<Control> {
  if (!build) return no("the loader was not made by a build");
  if (!isSecureContext) return no("no offline here: serve over https");
  if (!("serviceWorker" in navigator)) return no("this browser allows no service workers here");
  if (new URL(base).origin !== location.origin) return no("the bundle lies on another origin than the page");
  if (!location.href.startsWith(base)) return no("the page lies outside the bundle's directory");

  const container = navigator.serviceWorker;
  const known = container.controller !== null;
  const registration = await container.register(`${base}sw.js`, { scope: base, updateViaCache: "none" });
  takeOverWhenReady(registration, build);
  // A navigation checks for a new worker some time later; asking now saves that wait.
  if (known) void registration.update().catch(() => {});
  return controlOf(container, registration);
}

/** Wait until a worker controls the page, or it is clear that none will. */
function controlOf(
  container: ServiceWorkerContainer,
  registration: ServiceWorkerRegistration,
): Promise<Control> {
  if (container.controller) {
    void ask(container.controller, { type: "claim" });
    return Promise.resolve({ controlled: true });
  }
  return new Promise((resolve) => {
    let failure = "the service worker could not be installed";
    const done = (result: Control) => {
      container.removeEventListener("controllerchange", onControl);
      container.removeEventListener("message", onMessage);
      resolve(result);
    };
    const onControl = () => container.controller && done({ controlled: true });
    const onMessage = ({ data }: MessageEvent) => {
      if (data?.type === "install-failed") failure = String(data.reason);
    };
    container.addEventListener("controllerchange", onControl);
    container.addEventListener("message", onMessage);
    container.startMessages();
    const installing = registration.installing ?? registration.waiting;
    installing?.addEventListener("statechange", () => {
      // The worker's message about why may still be on its way.
      if (installing.state === "redundant") setTimeout(() => done(no(failure)), 50);
    });
    // After a forced reload the worker is active, but leaves the page alone until it is asked.
    if (registration.active) void ask(registration.active, { type: "claim" });
  });
}

/** Have a new worker of this page's build take over as soon as it is installed and no other page is open. */
function takeOverWhenReady(registration: ServiceWorkerRegistration, build: Build): void {
  const offer = async (worker: ServiceWorker | null, wait = 500) => {
    if (worker?.state !== "installed" || !registration.active) return;
    const { done } = await ask(worker, { type: "take-over", build: build.manifest.sha256 });
    // A page that was left a moment ago still counts as open; another one may be closed soon.
    if (!done && wait <= LAST_OFFER_MS) setTimeout(() => void offer(worker, 2 * wait), wait);
  };
  const watch = (worker: ServiceWorker | null) =>
    worker?.addEventListener("statechange", () => void offer(worker));
  void offer(registration.waiting);
  watch(registration.installing);
  registration.addEventListener("updatefound", () => watch(registration.installing));
}

/** A worker that the browser stops in between never answers: then nothing is done. */
function ask(worker: ServiceWorker, request: WorkerRequest): Promise<{ done: boolean }> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    setTimeout(() => resolve({ done: false }), ANSWER_MS);
    worker.postMessage(request, [port2]);
  });
}

function tooLong(): Promise<Control> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(no("the service worker took too long to start")), CONTROL_MS);
  });
}

function no(reason: string): Control {
  return { controlled: false, reason };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
