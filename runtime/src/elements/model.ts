/** A model on a page: loads a bundle, predicts from the inputs inside it, and tells the parts inside it. */

import type { InputValue } from "../inputs.js";
import type { BackendName, LoadOptions, Model } from "../loader.js";
import { CONNECTED, Part, PREDICT } from "./base.js";
import { complete, type Description, describe, type State } from "./description.js";
import { Input } from "./input.js";
import { InputForm } from "./inputs.js";

type LoadModel = (options: LoadOptions) => Promise<Model>;

const NOTHING: State = {
  description: null,
  progress: null,
  model: null,
  error: null,
  outputs: null,
  milliseconds: null,
};

/**
 * Wraps any content. Sends `load` when the model is there, `result` after a prediction, `error` when one of them
 * failed; `model`, `outputs` and `error` are there by then.
 */
export class ModelElement extends Part {
  static override readonly members = {
    src: "text",
    backend: "text",
    noWorker: "flag",
    serviceWorker: "flag",
    live: "flag",
    loadModel: "property",
  } as const;
  /** The bundle's directory; by default the one that this script lies in. */
  declare src: string;
  /** Names of backends, in the order in which they are tried. */
  declare backend: string;
  declare noWorker: boolean;
  declare serviceWorker: boolean;
  /** Whether `change` events of the inputs inside are predicted from, without a button. */
  declare live: boolean;
  /** Loads the model in place of the bundle's loader.js. */
  declare loadModel: LoadModel | undefined;
  #state = NOTHING;
  readonly #parts = new Set<Part>();
  #loading: AbortController | null = null;
  #busy = false;
  #again = false;

  constructor() {
    super();
    this.addEventListener(CONNECTED, (event) => {
      const part = event.composedPath()[0];
      if (!(part instanceof Part) || part === this) return;
      event.stopPropagation(); // of several models around it the nearest one
      this.#parts.add(part);
      part.receive(this.#state);
    });
    this.addEventListener(PREDICT, () => void this.predict());
    this.addEventListener("change", () => {
      if (this.live) void this.predict();
    });
    this.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.predict();
    });
  }

  get model(): Model | null {
    return this.#state.model;
  }
  get outputs(): State["outputs"] {
    return this.#state.outputs;
  }
  get error(): unknown {
    return this.#state.error;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // What stands inside may not have been read yet.
    if (document.readyState !== "loading") this.#begin();
    else document.addEventListener("DOMContentLoaded", () => this.#begin(), { once: true });
  }

  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (this.isConnected) return; // it was only moved
      this.#loading?.abort();
      this.#loading = null;
      this.#state.model?.dispose();
      this.#set(NOTHING);
    });
  }

  /** Predicts from what the inputs hold now; while one prediction runs, only the newest state waits. */
  async predict(): Promise<void> {
    if (!this.#state.model || this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      await this.#run(this.#state.model);
    } finally {
      this.#busy = false;
    }
    if (this.#again) await this.predict();
  }

  protected render(): Node[] {
    return this.shadowRoot!.firstChild ? [] : [document.createElement("slot")];
  }

  #begin(): void {
    if (this.#loading || !this.isConnected) return;
    this.#loading = new AbortController();
    void this.#load(this.#loading.signal);
  }

  async #load(signal: AbortSignal): Promise<void> {
    try {
      const own = this.#readOwn();
      if (own) this.#set({ description: complete(own) });
      const loadModel = this.loadModel ?? (await this.#loader());
      const model = await loadModel({
        backend: this.backend ? (this.backend.trim().split(/\s+/) as BackendName[]) : "auto",
        worker: !this.noWorker,
        serviceWorker: this.serviceWorker,
        signal,
        onProgress: (progress) => this.#set({ progress }),
      });
      if (signal.aborted) return model.dispose();
      // What the page described whole is already on it, and may already be filled in.
      const known = own?.inputs ? this.#state.description : null;
      this.#set({ model, description: known ?? complete({ ...describe(model.manifest), ...own }) });
      this.dispatchEvent(new Event("load"));
      // From what was drawn or chosen while the model came.
      if (this.#again || this.#inputs.every((input) => input.instant)) await this.predict();
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  /** The page's own description, where it has one: what bundle.json does not say, and before it is there. */
  #readOwn(): Partial<Description> | null {
    const text = this.querySelector(':scope > script[type="application/json"]')?.textContent;
    return text ? (JSON.parse(text) as Partial<Description>) : null;
  }

  async #loader(): Promise<LoadModel> {
    const directory = this.src
      ? new URL(this.src.replace(/\/?$/, "/"), document.baseURI)
      : new URL("..", import.meta.url);
    const url = new URL("loader.js", directory).href;
    try {
      const loader = (await import(url)) as { loadModel: LoadModel };
      return loader.loadModel;
    } catch (cause) {
      const message = `network: loader.js could not be loaded (${String(cause)})`;
      throw Object.assign(new Error(message, { cause }), { code: "network" });
    }
  }

  get #inputs(): (Input | InputForm)[] {
    return [...this.#parts].filter((part) => part instanceof Input || part instanceof InputForm);
  }

  async #run(model: Model): Promise<void> {
    this.#again = false;
    try {
      const inputs = this.#read();
      if (!inputs) {
        this.#set({ outputs: null });
        return;
      }
      const began = performance.now();
      const outputs = await model.predict(inputs);
      this.#set({ outputs, error: null, milliseconds: performance.now() - began });
      this.dispatchEvent(new Event("result"));
    } catch (error) {
      this.#fail(error);
    }
  }

  #read(): Record<string, InputValue> | null {
    const inputs = this.#inputs;
    if (inputs.length === 0) return null;
    const values: Record<string, InputValue> = {};
    for (const input of inputs) {
      const value = input.read();
      if (value === null) return null;
      if (input instanceof Input) values[input.name || this.#onlyInput] = value as InputValue;
      else Object.assign(values, value);
    }
    return values;
  }

  /** An input without a name is for the model's only one. */
  get #onlyInput(): string {
    return this.#state.model?.inputs[0]?.name ?? "";
  }

  #fail(error: unknown): void {
    this.#set({ error, outputs: null });
    this.dispatchEvent(new Event("error"));
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const part of this.#parts) {
      // A part leaves without a word, since an element that was removed has nobody to tell.
      if (part.isConnected) part.receive(this.#state);
      else this.#parts.delete(part);
    }
  }
}
