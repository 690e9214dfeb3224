/** The controls that a field may have inside: a number, a word, a choice, a tick, or a text. */

import type { TensorInfo } from "../manifest.js";
import type { FieldSchema, Plain } from "./description.js";
import { element, freshId } from "./dom.js";
import { InputProblem } from "./input.js";

/** More choices than this are offered while one types, not in a list to open. */
const MOST_IN_LIST = 24;
/** The entry of a list that asks for a word which is not in it; no value, so it can be told from all. */
const OTHER = "other";

/** What is inside the field: its elements, what is in them, and how to put something there. */
export interface Control {
  parts: HTMLElement[];
  /** What the label belongs to, and what is focused where the value is wrong. */
  main: HTMLElement;
  /** As it stands: NaN for what is no number. */
  peek(): Plain;
  /** @throws InputProblem where the value is wrong, which is marked. */
  read(): Plain;
  write(value: Plain | undefined): void;
}

export function controlFor(dtype: TensorInfo["dtype"], schema: FieldSchema, name: string): Control {
  if (dtype === "bool") return tick();
  if (dtype === "string" && schema.multiline) return words(textBox());
  const choices = schema.choices ?? [];
  if (choices.length > 0 && choices.length <= MOST_IN_LIST) return list(dtype, schema, name);
  const control = dtype === "string" ? words(line()) : numeric(dtype, schema, name);
  if (choices.length > 0) {
    const id = freshId("choices");
    control.main.setAttribute("list", id);
    control.parts.push(
      element("datalist", { id }, ...choices.map((choice) => element("option", { value: String(choice) }))),
    );
  }
  return control;
}

/** A control of one part, whose value is never wrong. */
function alone(main: Control["main"], read: Control["read"], write: Control["write"]): Control {
  return { parts: [main], main, peek: read, read, write };
}

function tick(): Control {
  const main = element("input", { type: "checkbox", part: "control" });
  const write = (value: Plain | undefined) => {
    main.checked = value === true;
  };
  return alone(main, () => main.checked, write);
}

function line(): HTMLInputElement {
  const attributes = { autocomplete: "off", spellcheck: "false", dir: "auto" };
  return element("input", { type: "text", part: "control", ...attributes });
}

function textBox(): HTMLTextAreaElement {
  return element("textarea", { class: "text", part: "control", rows: 10, spellcheck: "false", dir: "auto" });
}

function words(main: HTMLInputElement | HTMLTextAreaElement): Control {
  const write = (value: Plain | undefined) => {
    main.value = value === undefined ? "" : String(value);
  };
  return alone(main, () => main.value, write);
}

function numeric(dtype: TensorInfo["dtype"], schema: FieldSchema, name: string): Control {
  const whole = dtype === "int32";
  const main = element("input", {
    type: "number",
    part: "control",
    step: whole ? 1 : (schema.step ?? "any"),
    min: schema.minimum,
    max: schema.maximum,
    inputmode: whole ? "numeric" : "decimal",
    autocomplete: "off",
    placeholder: schema.optional ? "unknown" : null,
  });
  const first = Math.min(Math.max(0, schema.minimum ?? 0), schema.maximum ?? 0);
  return {
    parts: [main],
    main,
    peek: () => main.valueAsNumber,
    read: () => {
      const empty = main.value === "" && !main.validity.badInput;
      const wrong = schema.optional && empty ? "" : numberProblem(main.valueAsNumber, whole, schema);
      main.setAttribute("aria-invalid", String(wrong !== ""));
      if (wrong) {
        main.focus();
        throw new InputProblem(`${name} ${wrong}.`);
      }
      return main.valueAsNumber; // NaN where it is unknown
    },
    write: (value) => {
      const nothing = value === undefined || Number.isNaN(value);
      main.value = nothing ? (schema.optional ? "" : String(first)) : String(value);
      main.removeAttribute("aria-invalid");
    },
  };
}

function numberProblem(value: number, whole: boolean, { minimum, maximum }: FieldSchema): string {
  if (Number.isNaN(value)) return whole ? "needs a whole number" : "needs a number";
  if (whole && !Number.isInteger(value)) return "needs a whole number";
  const low = minimum !== undefined && value < minimum;
  const high = maximum !== undefined && value > maximum;
  if (!low && !high) return "";
  if (minimum !== undefined && maximum !== undefined) return `must be from ${minimum} to ${maximum}`;
  return low ? `must be at least ${minimum}` : `must be at most ${maximum}`;
}

/** A list to choose from; with `others`, its last entry opens a field for what is not in it. */
function list(dtype: TensorInfo["dtype"], schema: FieldSchema, name: string): Control {
  const choices = schema.choices ?? [];
  const main = element(
    "select",
    { part: "control" },
    ...choices.map((choice, index) =>
      element("option", { value: index }, choice === "" ? "(none)" : String(choice)),
    ),
    schema.others ? element("option", { value: OTHER }, "other…") : null,
  );
  const other = dtype === "string" ? words(line()) : numeric(dtype, {}, name);
  other.main.setAttribute("aria-label", `${name}, other`);
  const show = () => {
    other.main.hidden = main.value !== OTHER;
  };
  main.addEventListener("change", () => {
    show();
    if (main.value === OTHER) other.main.focus();
  });
  return {
    parts: [main, other.main],
    main,
    peek: () => (main.value === OTHER ? other.peek() : choices[Number(main.value)]!),
    read: () => (main.value === OTHER ? other.read() : choices[Number(main.value)]!),
    write: (value) => {
      const index = choices.indexOf(value as string | number);
      if (index < 0 && value !== undefined && schema.others) {
        main.value = OTHER;
        other.write(value);
      } else {
        main.value = String(Math.max(0, index));
        other.write(undefined);
      }
      show();
    },
  };
}
