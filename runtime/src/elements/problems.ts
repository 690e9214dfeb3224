/** Failures in a visitor's words; what the runtime said stays readable below them. */

import { Part } from "./base.js";
import type { State } from "./description.js";
import { button, element } from "./dom.js";
import { InputProblem } from "./input.js";

interface Explanation {
  title: string;
  help: string;
  /** Whether trying again may help. */
  again: boolean;
}

const EXPLANATIONS: Record<string, Explanation> = {
  network: {
    title: "The model could not be downloaded.",
    help: "Check the connection and try again. What has arrived is kept.",
    again: true,
  },
  integrity: {
    title: "A file of this model is damaged.",
    help:
      "It is not what the page's builder put there, so the page does not use it: better no result than a wrong " +
      "one. Try again; if it stays, tell whoever runs this site.",
    again: true,
  },
  unsupported: {
    title: "This browser cannot run this model.",
    help: "Try a current version of Chrome, Edge, Firefox or Safari.",
    again: false,
  },
  quota: {
    title: "There is no room left on this device.",
    help: "Free some space, or leave private browsing, and try again.",
    again: true,
  },
  backend: {
    title: "The model could not be run on this device.",
    help: "Close other tabs and try again, or try another browser.",
    again: true,
  },
  input: { title: "The model cannot use this input.", help: "", again: false },
  aborted: { title: "Loading was stopped.", help: "", again: true },
};

const UNKNOWN: Explanation = {
  title: "Something went wrong.",
  help: "Try again; if it stays, tell whoever runs this site.",
  again: true,
};

/** Shows what went wrong; nothing while nothing did. */
export class Problem extends Part {
  static override readonly members = { error: "property" } as const;
  /** Whatever was thrown; a BundleError's `code` decides what is said. */
  declare error: unknown;

  override receive({ error }: State): void {
    this.error = error;
  }

  protected render(): Node[] {
    const { error } = this;
    // The box is there from the start, for screen readers tell what changes in an alert.
    const box = this.shadowRoot!.querySelector("div") ?? element("div", { role: "alert", part: "box" });
    const wrong = error !== null && error !== undefined;
    box.className = wrong ? "notice problem" : "";
    box.hidden = !wrong;
    box.replaceChildren(...(wrong ? this.#explain(error) : []));
    return box.isConnected ? [] : [box];
  }

  #explain(error: unknown): Node[] {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof InputProblem) return [element("p", {}, message)];
    const code = String((error as { code?: unknown }).code ?? "");
    const { title, help, again } = EXPLANATIONS[code] ?? UNKNOWN;
    const heading = element("p", {}, element("strong", { part: "title" }, title));
    if (code === "input") {
      // An input's message is about what the visitor gave and says it best itself.
      return [heading, element("p", {}, sentence(message.replace(/^[a-z]+: /, "")))];
    }
    const details = element(
      "details",
      {},
      element("summary", {}, "Details"),
      element("p", { class: "technical" }, message),
    );
    const retry = element(
      "div",
      { class: "buttons", part: "buttons" },
      button("Try again", () => this.#retry()),
    );
    return [heading, element("p", {}, help), details, ...(again ? [retry] : [])];
  }

  /** A script that could not be imported stays so for the life of a page, so the page is loaded again. */
  #retry(): void {
    const event = new Event("retry", { bubbles: true, composed: true, cancelable: true });
    if (this.dispatchEvent(event)) location.reload();
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
