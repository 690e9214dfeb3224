/** Failures in a visitor's words; what the runtime said stays readable below them. */

import { button, element } from "./dom.js";
import { FieldProblem } from "./field.js";

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

/** Shows what went wrong in `place`. */
export function showProblem(place: HTMLElement, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof FieldProblem) {
    place.replaceChildren(element("p", {}, message));
    place.hidden = false;
    return;
  }
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  const { title, help, again } = EXPLANATIONS[code] ?? UNKNOWN;
  // An input's message is about what the visitor gave and says it best itself.
  const own = message.replace(/^[a-z]+: /, "");
  place.replaceChildren(
    element("p", {}, element("strong", {}, title)),
    element("p", {}, code === "input" ? sentence(own) : help),
    code === "input"
      ? ""
      : element(
          "details",
          {},
          element("summary", {}, "Details"),
          element("p", { class: "technical" }, message),
        ),
    again
      ? element(
          "div",
          { class: "buttons" },
          button("Try again", () => location.reload()),
        )
      : "",
  );
  place.hidden = false;
}

export function hideProblem(place: HTMLElement): void {
  place.hidden = true;
  place.replaceChildren();
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
