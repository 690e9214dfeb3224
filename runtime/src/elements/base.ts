/** What every element of ours is made on: attributes as properties, a shadow tree, and a way to the model. */

import type { State } from "./description.js";
import { styles } from "./styles.js";

/** On a server there are no elements; importing this must do no harm there. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * What a member is: `text`, `number` and `flag` reflect an attribute; `json` is read from an attribute until it
 * is set; a `property` has no attribute.
 */
export type Kind = "text" | "number" | "flag" | "json" | "property";

/** Tells the `<tfjs-model>` around an element that the element is there. */
export const CONNECTED = "tfjs-connected";

/** Sent by what asks for a prediction: a button, an example, or an input whose every change is worth one. */
export const PREDICT = "predict";

export abstract class Part extends Base {
  /** The members that {@link define} makes, by property name. */
  static readonly members: Readonly<Record<string, Kind>> = {};
  readonly #kept = new Map<string, unknown>();
  #drawn = false;
  #waiting = false;

  static get observedAttributes(): string[] {
    // biome-ignore lint/complexity/noThisInStatic: the members of the element's own class
    return Object.entries(this.members).flatMap(([name, kind]) =>
      kind === "property" ? [] : [dashed(name)],
    );
  }

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = styles();
  }

  connectedCallback(): void {
    this.#takeEarly();
    this.draw();
    this.dispatchEvent(new Event(CONNECTED, { bubbles: true, composed: true }));
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    this.#kept.delete(camel(name));
    this.changed();
  }

  /** Takes what a `<tfjs-model>` knows; each element picks what it shows. */
  receive(_state: State): void {}

  /** Puts the shadow tree together anew, from the members; nothing where the present one will do. */
  protected abstract render(): Node[];

  /** Draws now what waits to be drawn. */
  protected draw(): void {
    if (this.#drawn) return;
    this.#drawn = true;
    const nodes = this.render();
    if (nodes.length > 0) this.shadowRoot!.replaceChildren(...nodes);
  }

  /** Called when a member changed; several changes in a row are drawn once. */
  protected changed(): void {
    this.#drawn = false;
    if (this.#waiting || !this.isConnected) return;
    this.#waiting = true;
    queueMicrotask(() => {
      this.#waiting = false;
      this.draw();
    });
  }

  protected emit(...types: string[]): void {
    for (const type of types) this.dispatchEvent(new Event(type, { bubbles: true, composed: true }));
  }

  /** @internal */
  get(name: string, kind: Kind): unknown {
    if (kind === "flag") return this.hasAttribute(dashed(name));
    if (kind === "property" || this.#kept.has(name)) return this.#kept.get(name);
    const written = this.getAttribute(dashed(name));
    if (kind === "text") return written ?? "";
    if (written === null) return undefined;
    if (kind === "number") return Number.isNaN(Number(written)) ? undefined : Number(written);
    try {
      this.#kept.set(name, JSON.parse(written));
    } catch {
      console.warn(`The attribute ${dashed(name)} of <${this.localName}> is not JSON: ${written}`);
      this.#kept.set(name, undefined);
    }
    return this.#kept.get(name);
  }

  /** @internal */
  set(name: string, kind: Kind, value: unknown): void {
    if (kind === "flag") {
      this.toggleAttribute(dashed(name), Boolean(value));
    } else if (kind === "text" || kind === "number") {
      if (value === null || value === undefined) this.removeAttribute(dashed(name));
      else this.setAttribute(dashed(name), String(value));
    } else if (this.get(name, kind) !== value) {
      this.#kept.set(name, value);
      this.changed();
    }
  }

  /** Properties set before the element was defined hide the accessors: set them again. */
  #takeEarly(): void {
    for (const name of Object.keys(this)) {
      const self = this as unknown as Record<string, unknown>;
      const value = self[name];
      delete self[name];
      self[name] = value;
    }
  }
}

/** Defines the element, once and only where there are elements. */
export function define(name: string, part: typeof Part & (new () => Part)): void {
  for (const [member, kind] of Object.entries(part.members)) {
    Object.defineProperty(part.prototype, member, {
      configurable: true,
      enumerable: true,
      get(this: Part) {
        return this.get(member, kind);
      },
      set(this: Part, value: unknown) {
        this.set(member, kind, value);
      },
    });
  }
  // Without sheets for shadow trees an element would look like nothing: better that it stays undefined.
  const able = globalThis.customElements && "adoptedStyleSheets" in Document.prototype;
  if (able && !customElements.get(name)) customElements.define(name, part);
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
