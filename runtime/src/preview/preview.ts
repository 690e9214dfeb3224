/**
 * Added to the pages of `tfjs-bundle serve SOURCE`, and to no published one: loads the next build when there
 * is one, and shows on top of the page that a build is at work, or why the last one failed.
 */

import styles from "./preview.css";
import waitingStyles from "./waiting.css";

/** What the server tells, now and after every change. */
interface State {
  /** Of the build that is served; empty before the first. */
  readonly version: string;
  /** What the build at work is doing; empty while none is. */
  readonly building: string;
  readonly problem: { readonly what: string; readonly cure: string } | null;
}

const script = document.currentScript as HTMLScriptElement;
const version = script.dataset.version ?? "";
/** Where the preview lies; `serve` may stand behind a proxy that puts it under a path. */
const root = new URL("../", script.src).href;

if (!version) document.adoptedStyleSheets = [sheetOf(waitingStyles)]; // the page that stands for none
withoutServiceWorkers();
whenReady(() => follow(new Panel()));

/**
 * A preview is never to show what a service worker kept: pages register none, and those of whatever was
 * served here before are removed, with what they stored.
 */
function withoutServiceWorkers(): void {
  if ("serviceWorker" in navigator) {
    const refusal = new DOMException("a preview has no service worker", "NotSupportedError");
    navigator.serviceWorker.register = () => Promise.reject(refusal);
    void navigator.serviceWorker
      .getRegistrations()
      .then((registrations) => registrations.map((registration) => registration.unregister()))
      .catch(() => {});
  }
  if ("caches" in globalThis) void removeOtherStores().catch(() => {});
}

/** Every build has an address of its own, and so a store of its own; only this one's is of use. */
async function removeOtherStores(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith("tfjs-bundle ") && name !== `tfjs-bundle ${root}${version}/`)
      await caches.delete(name);
  }
}

/** Follow the server while the page can be seen: a browser holds few connections to one place. */
function follow(panel: Panel): void {
  let events: EventSource | null = null;
  const start = () => {
    if (document.hidden) {
      events?.close();
      events = null;
    } else if (!events) {
      events = new EventSource(`${root}__tfjs-bundle/events`);
      events.onmessage = ({ data }) => obey(JSON.parse(data), panel);
      events.onerror = () => panel.showLost();
    }
  };
  document.addEventListener("visibilitychange", start);
  start();
}

function obey(state: State, panel: Panel): void {
  if (state.version && state.version !== version) {
    const page = location.href.startsWith(`${root}${version}/`)
      ? location.href.slice(`${root}${version}/`.length)
      : location.search + location.hash;
    location.replace(`${root}${state.version}/${page}`);
    return;
  }
  panel.show(state);
}

/** Lies over the page without being part of it: neither has a say in how the other looks. */
class Panel {
  readonly #host = document.createElement("tfjs-bundle-preview");
  readonly #status = make("p", { class: "status", role: "status" });
  readonly #problem = make("section", { class: "problem", role: "alert", "aria-label": "The build failed" });
  #building = false;
  /** The problem that is shown, and the one that was put away; empty for none. */
  #shown = "";
  #dismissed = "";

  constructor() {
    const shadow = this.#host.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [sheetOf(styles)];
    shadow.append(this.#problem, this.#status);
    document.body.append(this.#host);
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#dismiss();
    });
  }

  show({ building, problem }: State): void {
    this.#status.replaceChildren(
      ...(building ? [make("span", { class: "spinner" }), "Building… ", detail(building)] : []),
    );
    const shown = problem ? JSON.stringify(problem) : "";
    // Put away is this failure, not the next one that says the same.
    if (!building && this.#building) this.#dismissed = "";
    this.#building = building !== "";
    if (this.#shown === shown || (shown && this.#dismissed === shown)) return;
    this.#shown = shown;
    this.#problem.replaceChildren(...(problem ? this.#message(problem) : []));
  }

  showLost(): void {
    this.#status.replaceChildren("The preview has stopped; this page is its last build.");
  }

  #message({ what, cure }: { what: string; cure: string }): HTMLElement[] {
    const close = make("button", { type: "button", "aria-label": "Dismiss" }, "×");
    close.addEventListener("click", () => this.#dismiss());
    const still = version
      ? "This page is the last good build. It loads again once this is mended."
      : "The page appears here once this is mended.";
    return [
      make("h2", {}, "The build failed"),
      close,
      make("p", { class: "what" }, what),
      ...(cure ? [make("p", { class: "cure" }, cure)] : []),
      make("p", { class: "still" }, still),
    ];
  }

  #dismiss(): void {
    this.#dismissed = this.#shown;
    this.#shown = "";
    this.#problem.replaceChildren();
  }
}

/** What changes several times a second is not read out. */
function detail(text: string): HTMLElement {
  return make("span", { class: "detail", "aria-hidden": "true" }, text);
}

function make(name: string, attributes: Record<string, string>, text = ""): HTMLElement {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.textContent = text;
  return made;
}

function sheetOf(text: string): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}

function whenReady(callback: () => void): void {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", callback);
  else callback();
}
