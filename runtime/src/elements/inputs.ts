/** All the inputs of one model: an element for each, examples, and a button where one is needed. */

import type { InputValue } from "../inputs.js";
import type { Model } from "../loader.js";
import type { TensorInfo } from "../manifest.js";
import { CONNECTED, Part, PREDICT } from "./base.js";
import { complete, type Description, describe, type Example, type State } from "./description.js";
import { button, element } from "./dom.js";
import { isSingle } from "./field.js";
import type { Input } from "./input.js";

/** What of the elements inside can be styled from outside. */
const PARTS = "canvas, drop, preview, label, control, title, buttons, button, primary-button, hint";

export class InputForm extends Part {
  static override readonly members = { model: "property", description: "property" } as const;
  declare model: Model | null | undefined;
  declare description: Partial<Description> | null | undefined;
  #inputs: readonly Input[] = [];

  constructor() {
    super();
    // Without a button every change counts, with one it alone does.
    this.shadowRoot!.addEventListener(PREDICT, (event) => {
      if (!this.instant) event.stopPropagation();
    });
    // A model around this element asks it, not the elements inside it.
    this.shadowRoot!.addEventListener(CONNECTED, (event) => event.stopPropagation());
  }

  override receive({ description }: State): void {
    this.description = description;
  }

  /** Whether every change is worth a prediction, so that there is no button. */
  get instant(): boolean {
    return this.#inputs.every((input) => input.instant);
  }

  /** What `predict` takes, by input name; `null` while there is nothing to predict from. */
  get value(): Record<string, InputValue> | null {
    return this.#collect((input) => input.value);
  }

  /** @throws InputProblem where something is wrong; it is marked and focused. */
  read(): Record<string, InputValue> | null {
    return this.#collect((input) => input.read());
  }

  /** Puts an example in. */
  fill(example: Pick<Example, "values">): void {
    this.draw();
    for (const input of this.#inputs) input.fill(example.values[input.name]);
  }

  protected render(): Node[] {
    const description = this.model ? describe(this.model.manifest) : complete(this.description ?? {});
    const places = Object.keys(description.form); // inputs without a field come last
    const place = (name: string) => (places.includes(name) ? places.indexOf(name) : places.length);
    const infos = [...description.inputs].sort((a, b) => place(a.name) - place(b.name));
    this.#inputs = infos.map((info) => inputFor(info, description));
    const form = element("form", { novalidate: true });
    form.append(...this.#examples(description.examples), ...arranged(this.#inputs));
    if (!this.instant) {
      const attributes = { type: "submit", class: "primary wide", part: "button primary-button" };
      form.append(element("button", attributes, "Predict"));
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.emit(PREDICT);
    });
    return [form];
  }

  #examples(examples: readonly Example[]): HTMLElement[] {
    if (examples.length === 0) return [];
    const choose = (example: Example) => {
      this.fill(example);
      this.emit(PREDICT);
    };
    const buttons = examples.map((example) =>
      button(example.label, () => choose(example), { class: "chip", part: "button example" }),
    );
    const title = element("span", { class: "hint", "aria-hidden": "true" }, "Try");
    const attributes = { class: "examples", role: "group", "aria-label": "Examples" };
    return [element("div", attributes, title, ...buttons)];
  }

  #collect(value: (input: Input) => InputValue | null): Record<string, InputValue> | null {
    this.draw();
    const values: Record<string, InputValue> = {};
    for (const input of this.#inputs) {
      const given = value(input);
      if (given === null) return null;
      values[input.name] = given;
    }
    return values;
  }
}

function inputFor(info: TensorInfo, description: Description): Input {
  const input = document.createElement(tagFor(info, description)) as Input;
  input.name = info.name;
  input.adopt(info, description);
  input.setAttribute("exportparts", PARTS);
  return input;
}

function tagFor(info: TensorInfo, { task, preprocessing }: Description): string {
  if (preprocessing[info.name]?.kind === "image") {
    return task === "drawing-classification" ? "tfjs-drawing-pad" : "tfjs-image-input";
  }
  return isSingle(info) ? "tfjs-field" : "tfjs-tensor-form";
}

/** Small fields that follow each other share a grid. */
function arranged(inputs: readonly Input[]): HTMLElement[] {
  const elements: HTMLElement[] = [];
  let grid: HTMLElement | null = null;
  for (const input of inputs) {
    if (input.localName === "tfjs-field" && !input.instant) {
      if (!grid) {
        grid = element("div", { class: "fields" });
        elements.push(grid);
      }
      grid.append(input);
    } else {
      grid = null;
      elements.push(input);
    }
  }
  return elements;
}
