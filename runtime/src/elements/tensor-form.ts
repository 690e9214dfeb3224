/** Fields for tensors: one per value for small inputs, JSON for larger ones. */

import type { InputValue, TensorLike } from "../inputs.js";
import type { TensorInfo } from "../manifest.js";
import type { Description } from "./description.js";
import { button, element, freshId, hint } from "./dom.js";
import * as format from "./format.js";
import { Input, InputProblem } from "./input.js";

/** More values than this are asked for as JSON. */
const MOST_FIELDS = 64;
/** More values than this are not shown: nobody types them. */
const MOST_SHOWN = 4096;
const NUMBERS = "numbers in brackets, for instance [[0, 1.5]]";
/** For sizes that the model leaves open, the batch aside. */
const FREE_SIZE = 4;

export class TensorForm extends Input {
  static override readonly members = {
    name: "text",
    label: "text",
    dtype: "text",
    shape: "json",
    labels: "json",
    info: "json",
  } as const;
  declare dtype: string;
  declare shape: readonly (number | null)[] | null | undefined;
  /** What each value is called. */
  declare labels: readonly string[] | undefined;
  /** Name, shape and dtype at once, as the manifest's signature has them. */
  declare info: TensorInfo | undefined;
  readonly instant = false;
  #read: () => InputValue = () => [];

  /** A tensor of what was entered; `null` where some of it is wrong. */
  get value(): InputValue | null {
    this.draw();
    try {
      return this.#read();
    } catch {
      return null;
    }
  }

  override adopt(info: TensorInfo, { labels }: Description): void {
    this.info ??= info;
    this.labels ??= labels[info.name];
  }

  override read(): InputValue {
    this.draw();
    try {
      return this.#read();
    } catch (error) {
      this.shadowRoot!.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
      throw error;
    }
  }

  protected render(): Node[] {
    const info = this.#info;
    const sizes = (info.shape ?? [null]).map((side, axis) => side ?? (axis === 0 ? 1 : FREE_SIZE));
    const total = sizes.reduce((product, side) => product * side, 1);
    const open = info.shape?.slice(1).includes(null) ?? true;
    const fields = sizes.length <= 2 && !open && total <= MOST_FIELDS && total > 0;
    const title = element("legend", { part: "title" }, this.label || info.name);
    const content = fields ? this.#fieldPerValue(info, sizes, total) : this.#jsonField(info, sizes, total);
    return [element("fieldset", {}, title, ...content)];
  }

  get #info(): TensorInfo {
    const { name = "", shape = null, dtype = "float32", source_dtype = dtype } = this.info ?? {};
    return {
      name: this.name || name || "Values",
      shape: this.shape ?? shape,
      dtype: this.dtype || dtype,
      source_dtype: this.dtype || source_dtype,
    };
  }

  #fieldPerValue(info: TensorInfo, sizes: readonly number[], total: number): HTMLElement[] {
    const inputs: HTMLInputElement[] = [];
    const grid = element("div", { class: "fields" });
    const { labels } = this;
    for (let index = 0; index < total; index++) {
      const id = freshId("field");
      const label = labels?.[index] ?? (total === 1 ? info.name : `${info.name} ${index + 1}`);
      const input = element("input", {
        id,
        part: "control",
        type: info.dtype === "bool" ? "checkbox" : info.dtype === "string" ? "text" : "number",
        step: info.dtype === "int32" ? "1" : "any",
        value: info.dtype === "bool" || info.dtype === "string" ? null : "0",
        inputmode: info.dtype === "bool" || info.dtype === "string" ? null : "decimal",
      });
      input.addEventListener("keydown", (event) => this.sendOnEnter(event));
      inputs.push(input);
      grid.append(
        element("div", { class: "field" }, element("label", { for: id, part: "label" }, label), input),
      );
    }
    this.relay(grid);
    const read = () =>
      inputs.map((input, index) => {
        if (info.dtype === "bool") return input.checked ? 1 : 0;
        if (info.dtype === "string") return input.value;
        const value = input.valueAsNumber;
        const wrong = Number.isNaN(value) || (info.dtype === "int32" && !Number.isInteger(value));
        input.setAttribute("aria-invalid", String(wrong));
        if (wrong) {
          const kind = info.dtype === "int32" ? "a whole number" : "a number";
          throw new InputProblem(`${labels?.[index] ?? `${info.name} ${index + 1}`} needs ${kind}.`);
        }
        return value;
      });
    this.#read = () => ({ data: read(), shape: [...sizes], dtype: info.dtype }) as TensorLike;
    return [grid];
  }

  #jsonField(info: TensorInfo, sizes: readonly number[], total: number): HTMLElement[] {
    const shown = total <= MOST_SHOWN;
    const id = freshId("field");
    const help = freshId("help");
    const area = element("textarea", {
      id,
      part: "control",
      rows: 6,
      spellcheck: "false",
      "aria-describedby": help,
    });
    const summary = hint({ role: "status" });
    const text = info.dtype === "string";
    let hidden: (number | string)[] = [];

    function fill(name: string, make: () => number | string): void {
      const data = Array.from({ length: total }, make);
      area.removeAttribute("aria-invalid");
      if (shown) {
        area.value = write(data, sizes);
      } else {
        hidden = data;
        summary.textContent = `${name}: ${total.toLocaleString("en")} values, too many to show.`;
      }
    }

    const offer = (name: string, make: () => number) =>
      button(name, () => {
        fill(name, make);
        this.tell(true);
      });
    const random = () => {
      if (info.dtype === "bool") return Math.random() < 0.5 ? 1 : 0;
      if (info.dtype === "int32") return Math.floor(Math.random() * 10);
      return Math.round((Math.random() * 2 - 1) * 1000) / 1000;
    };
    fill("Zeros", () => (text ? "" : 0));
    this.relay(area);

    this.#read = () => {
      if (!shown) return { data: hidden, shape: [...sizes], dtype: info.dtype } as TensorLike;
      let parsed: unknown;
      try {
        parsed = JSON.parse(area.value);
      } catch {
        area.setAttribute("aria-invalid", "true");
        const wanted = text ? 'texts in quotes and brackets, for instance [["one", "two"]]' : NUMBERS;
        throw new InputProblem(`${info.name} needs ${wanted}.`);
      }
      area.removeAttribute("aria-invalid");
      return parsed as InputValue;
    };
    const parts = [
      shown && element("label", { for: id, class: "visually-hidden" }, `Values of ${info.name} as JSON`),
      shown && area,
      hint({ id: help }, `${info.source_dtype} of shape ${format.shape(info.shape)}`),
      !text &&
        element(
          "div",
          { class: "buttons", part: "buttons" },
          offer("Zeros", () => 0),
          offer("Random values", random),
        ),
      summary,
    ];
    return parts.filter((part) => part !== false);
  }
}

/** Nested brackets, the innermost on one line each. */
function write(data: readonly (number | string)[], sizes: readonly number[]): string {
  let position = 0;
  const level = (axis: number, indent: string): string => {
    if (axis === sizes.length) return JSON.stringify(data[position++]);
    const parts = Array.from({ length: sizes[axis]! }, () => level(axis + 1, `${indent} `));
    return axis === sizes.length - 1 ? `[${parts.join(", ")}]` : `[${parts.join(`,\n${indent} `)}]`;
  };
  return level(0, "");
}
