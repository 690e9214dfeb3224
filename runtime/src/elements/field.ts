/** One value as a field of a form. */

import type { TensorInfo } from "../manifest.js";
import { type Control, controlFor } from "./controls.js";
import type { Description, FieldSchema, Plain } from "./description.js";
import { element, freshId, hint } from "./dom.js";
import { Input } from "./input.js";

/** Whether one example of the input is one value: `[batch]`, `[batch, 1]` and the like. */
export function isSingle(info: TensorInfo): boolean {
  return info.shape?.slice(1).every((side) => side === 1) ?? false;
}

export class Field extends Input {
  static override readonly members = {
    name: "text",
    label: "text",
    help: "text",
    dtype: "text",
    choices: "json",
    others: "flag",
    minimum: "number",
    maximum: "number",
    step: "number",
    optional: "flag",
    multiline: "flag",
    schema: "json",
  } as const;
  declare help: string;
  declare dtype: TensorInfo["dtype"];
  declare choices: readonly (string | number)[] | undefined;
  declare others: boolean;
  declare minimum: number | undefined;
  declare maximum: number | undefined;
  declare step: number | undefined;
  declare optional: boolean;
  declare multiline: boolean;
  /** All of these at once, as `[form.<input>]` has them; what is given one by one comes first. */
  declare schema: FieldSchema | undefined;
  #control: Control | null = null;
  #replaced!: HTMLElement;
  /** What the visitor or a script put in, to outlive a change of the field. */
  #given: { value: Plain | undefined } | null = null;

  /** Text of many lines is predicted from while one writes. */
  get instant(): boolean {
    return this.#isProse;
  }

  /** A word, a number (NaN for an unknown or a wrong one) or a tick; `null` while a box for text is empty. */
  get value(): Plain | null {
    this.draw();
    const value = this.#control!.peek();
    return this.#isProse && value === "" ? null : value;
  }
  set value(value: Plain | null | undefined) {
    this.fill(value ?? undefined);
  }

  override read(): Plain | null {
    this.draw();
    const value = this.#control!.read();
    if (typeof value === "string") {
      // UTF-8, which the model reads, has no half of a surrogate pair.
      this.#replaced.textContent = /\p{Surrogate}/u.test(value)
        ? `${this.#name}: a character that is not whole is taken for �.`
        : "";
    }
    return this.#isProse && value === "" ? null : value;
  }

  override adopt({ name, dtype }: TensorInfo, { form, labels, task }: Description): void {
    const multiline = task === "text-classification" && !form[name]?.choices;
    this.dtype ||= dtype;
    this.schema ??= { multiline, label: labels[name]?.[0], ...form[name] };
  }

  override fill(value: Plain | undefined): void {
    this.#given = { value };
    this.draw();
    this.#control!.write(value);
  }

  override focus(options?: FocusOptions): void {
    this.draw();
    this.#control!.main.focus(options);
  }

  protected render(): Node[] {
    const id = freshId("field");
    const schema = this.#schema;
    const help = schema.help ? freshId("help") : null;
    const control = controlFor(this.#dtype, schema, this.#name);
    control.main.id = id;
    if (help) control.main.setAttribute("aria-describedby", help);
    control.write(this.#given ? this.#given.value : schema.value);
    this.#control = control;
    this.#replaced = hint({ class: "hint problem-text", role: "status" });
    for (const part of control.parts) {
      this.relay(part);
      if (part instanceof HTMLInputElement)
        part.addEventListener("keydown", (event) => this.sendOnEnter(event));
    }
    return [
      element("label", { for: id, part: "label" }, this.#name),
      ...control.parts,
      ...(schema.help ? [hint({ id: help }, schema.help)] : []),
      this.#replaced,
    ];
  }

  protected override tell(done: boolean): void {
    this.#given = { value: this.#control!.peek() };
    super.tell(done);
  }

  get #name(): string {
    return this.label || this.schema?.label || this.name || "Value";
  }

  get #dtype(): string {
    return this.dtype || (this.multiline || this.schema?.multiline ? "string" : "float32");
  }

  get #isProse(): boolean {
    return this.#dtype === "string" && this.#schema.multiline === true;
  }

  get #schema(): FieldSchema {
    const own = {
      help: this.help || undefined,
      choices: this.choices,
      others: this.others || undefined,
      minimum: this.minimum,
      maximum: this.maximum,
      step: this.step,
      optional: this.optional || undefined,
      multiline: this.multiline || undefined,
    };
    const given = Object.entries(own).filter(([, value]) => value !== undefined);
    return { ...this.schema, ...Object.fromEntries(given) };
  }
}
