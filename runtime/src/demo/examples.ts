/** Buttons that fill the form with examples. */

import { button, element } from "./dom.js";
import type { Example } from "./page.js";

/** `choose` is given the example whose button was pressed. */
export function exampleButtons(
  examples: readonly Example[],
  choose: (example: Example) => void,
): HTMLElement {
  return element(
    "div",
    { class: "examples", role: "group", "aria-label": "Examples" },
    element("span", { class: "hint", "aria-hidden": "true" }, "Try"),
    ...examples.map((example) => button(example.label, () => choose(example), { class: "chip" })),
  );
}
