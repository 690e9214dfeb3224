/** Fields for tensors: one per value for small inputs, JSON for larger ones. */

import type { InputValue } from "../inputs.js";
import type { TensorInfo } from "../manifest.js";
import { button, element, freshId } from "./dom.js";
import { FieldProblem } from "./field.js";
import * as format from "./format.js";
import type { InputWidget } from "./page.js";

/** More values than this are asked for as JSON. */
const MOST_FIELDS = 64;
/** More values than this are not shown: nobody types them. */
const MOST_SHOWN = 4096;
const NUMBERS = "numbers in brackets, for instance [[0, 1.5]]";
/** For sizes that the model leaves open, the batch aside. */
const FREE_SIZE = 4;

export function tensorForm(info: TensorInfo, labels: readonly string[] | undefined): InputWidget {
  const sizes = (info.shape ?? [null]).map((side, axis) => side ?? (axis === 0 ? 1 : FREE_SIZE));
  const total = sizes.reduce((product, side) => product * side, 1);
  const open = info.shape?.slice(1).includes(null) ?? true;
  const flat = sizes.length <= 2;
  const fields = flat && !open && total <= MOST_FIELDS && total > 0;
  return fields ? fieldPerValue(info, sizes, total, labels) : jsonField(info, sizes, total);
}

function fieldPerValue(
  info: TensorInfo,
  sizes: readonly number[],
  total: number,
  labels: readonly string[] | undefined,
): InputWidget {
  const inputs: HTMLInputElement[] = [];
  const grid = element("div", { class: "fields" });
  for (let index = 0; index < total; index++) {
    const id = freshId("field");
    const label = labels?.[index] ?? (total === 1 ? info.name : `${info.name} ${index + 1}`);
    const input = element("input", {
      id,
      type: info.dtype === "bool" ? "checkbox" : info.dtype === "string" ? "text" : "number",
      step: info.dtype === "int32" ? "1" : "any",
      value: info.dtype === "bool" || info.dtype === "string" ? null : "0",
      inputmode: info.dtype === "bool" || info.dtype === "string" ? null : "decimal",
    });
    inputs.push(input);
    grid.append(element("div", { class: "field" }, element("label", { for: id }, label), input));
  }
  const read = () =>
    inputs.map((input, index) => {
      if (info.dtype === "bool") return input.checked ? 1 : 0;
      if (info.dtype === "string") return input.value;
      const value = input.valueAsNumber;
      const wrong = Number.isNaN(value) || (info.dtype === "int32" && !Number.isInteger(value));
      input.setAttribute("aria-invalid", String(wrong));
      if (wrong) {
        input.focus();
        const kind = info.dtype === "int32" ? "a whole number" : "a number";
        throw new FieldProblem(`${labels?.[index] ?? `${info.name} ${index + 1}`} needs ${kind}.`);
      }
      return value;
    });
  return {
    element: element("fieldset", {}, element("legend", {}, info.name), grid),
    value: () => ({ data: read(), shape: [...sizes], dtype: info.dtype }) as InputValue,
    instant: false,
  };
}

function jsonField(info: TensorInfo, sizes: readonly number[], total: number): InputWidget {
  const shown = total <= MOST_SHOWN;
  const id = freshId("field");
  const help = freshId("help");
  const area = element("textarea", { id, rows: 6, spellcheck: "false", "aria-describedby": help });
  const summary = element("p", { class: "hint", role: "status" });
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

  const random = () => {
    if (info.dtype === "bool") return Math.random() < 0.5 ? 1 : 0;
    if (info.dtype === "int32") return Math.floor(Math.random() * 10);
    return Math.round((Math.random() * 2 - 1) * 1000) / 1000;
  };
  fill("Zeros", () => (text ? "" : 0));

  const value = (): InputValue => {
    if (!shown) return { data: hidden, shape: [...sizes], dtype: info.dtype } as InputValue;
    let parsed: unknown;
    try {
      parsed = JSON.parse(area.value);
    } catch {
      area.setAttribute("aria-invalid", "true");
      area.focus();
      const wanted = text ? 'texts in quotes and brackets, for instance [["one", "two"]]' : NUMBERS;
      throw new FieldProblem(`${info.name} needs ${wanted}.`);
    }
    area.removeAttribute("aria-invalid");
    return parsed as InputValue;
  };
  return {
    element: element(
      "fieldset",
      {},
      element("legend", {}, info.name),
      shown && element("label", { for: id, class: "visually-hidden" }, `Values of ${info.name} as JSON`),
      shown && area,
      element("p", { class: "hint", id: help }, `${info.source_dtype} of shape ${format.shape(info.shape)}`),
      !text &&
        element(
          "div",
          { class: "buttons" },
          button("Zeros", () => fill("Zeros", () => 0)),
          button("Random values", () => fill("Random values", random)),
        ),
      summary,
    ),
    value,
    instant: false,
  };
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
