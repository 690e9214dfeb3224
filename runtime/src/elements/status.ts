/** How far the download is, what computes, and whether the page works offline. */

import type { LoadProgress, Model } from "../loader.js";
import { Part } from "./base.js";
import type { State } from "./description.js";
import { element, hint } from "./dom.js";
import * as format from "./format.js";

const BACKENDS: Record<string, string> = {
  webgpu: "graphics card (WebGPU)",
  webgl: "graphics card (WebGL)",
  wasm: "processor (WebAssembly)",
  cpu: "processor (JavaScript)",
};
const BEGINNING = "Getting the model…";
const STARTING = "Starting the model…";

function source({ fromCache }: LoadProgress): string {
  return fromCache ? "Reading from this device" : "Downloading the model";
}

/** A bar that fills as bytes come. */
export class Progress extends Part {
  static override readonly members = { progress: "property" } as const;
  /** What `onProgress` was given; `null` before the first bytes. */
  declare progress: LoadProgress | null | undefined;
  readonly #text = hint({ part: "text" });
  readonly #bar = element("progress", { max: 1, part: "bar", "aria-label": "Download of the model" });

  override receive({ progress, model, error }: State): void {
    this.progress = progress;
    this.hidden = model !== null || error !== null;
  }

  protected render(): Node[] {
    const { progress } = this;
    this.#text.textContent = BEGINNING;
    if (progress && progress.loaded < progress.total) {
      const { loaded, total } = progress;
      this.#bar.value = loaded / total;
      this.#text.textContent = `${source(progress)}: ${format.bytes(loaded)} of ${format.bytes(total)}`;
    } else {
      this.#bar.removeAttribute("value");
      if (progress) this.#text.textContent = STARTING;
    }
    return [this.#text, this.#bar];
  }
}

/** One line: how far the download is, then whether the page works offline. */
export class Status extends Part {
  static override readonly members = {
    progress: "property",
    model: "property",
    failed: "property",
  } as const;
  declare progress: LoadProgress | null | undefined;
  declare model: Model | null | undefined;
  /** Whether the model could not be had. */
  declare failed: boolean | undefined;
  #offline: { model: Model; ready: boolean; reason: string } | null = null;
  readonly #draw = () => this.changed();
  readonly #badge = element("span", { role: "status" });

  override receive({ progress, model, error }: State): void {
    this.progress = progress;
    this.model = model;
    this.failed = error !== null && model === null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("online", this.#draw);
    addEventListener("offline", this.#draw);
  }

  disconnectedCallback(): void {
    removeEventListener("online", this.#draw);
    removeEventListener("offline", this.#draw);
  }

  protected render(): Node[] {
    const [text, title, good] = this.#state;
    this.#badge.title = title;
    this.#badge.textContent = text;
    this.#badge.className = good ? "badge good" : "badge";
    this.#badge.setAttribute("part", this.#badge.className);
    return [this.#badge];
  }

  get #state(): [text: string, title: string, good: boolean] {
    const { progress, model, failed } = this;
    if (failed) return ["The model could not be loaded", "", false];
    if (!model) {
      if (!progress) return [BEGINNING, "", false];
      if (progress.loaded >= progress.total) return [STARTING, "", false];
      const percent = Math.floor((progress.loaded / progress.total) * 100);
      return [`${source(progress)} · ${percent} %`, "", false];
    }
    if (this.#offline?.model !== model) {
      this.#offline = { model, ready: false, reason: "" };
      void model.offline.then((settled) => {
        if (this.model !== model) return;
        this.#offline = { model, ...settled };
        this.changed();
      });
    }
    const { ready, reason } = this.#offline;
    if (ready) return [navigator.onLine ? "Works offline" : "Offline now, and working", "", true];
    return [reason ? `Needs the network: ${reason}` : "Saving for offline use…", reason, false];
  }
}

/** What computes, and how many milliseconds the last prediction took as the visitor waited for it. */
export class Engine extends Part {
  static override readonly members = { model: "property", milliseconds: "property" } as const;
  declare model: Model | null | undefined;
  declare milliseconds: number | null | undefined;
  readonly #text = hint({ part: "text" });

  override receive({ model, milliseconds }: State): void {
    this.model = model;
    this.milliseconds = milliseconds;
  }

  protected render(): Node[] {
    const { model, milliseconds } = this;
    if (!model) {
      this.#text.textContent = "";
      return [this.#text];
    }
    const threads = model.threads > 1 ? `, ${model.threads} threads` : "";
    const where = `on your ${BACKENDS[model.backend] ?? model.backend}${threads}`;
    const predicted = milliseconds !== null && milliseconds !== undefined;
    this.#text.textContent = predicted
      ? `Predicted ${where} in ${format.duration(milliseconds)}`
      : `Runs ${where}`;
    return [this.#text];
  }
}
