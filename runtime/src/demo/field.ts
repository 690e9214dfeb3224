/** One value as a field of a form: a number, a word, a choice, a tick, or a text. */

import type { TensorInfo } from "../manifest.js";
import { element, freshId } from "./dom.js";
import type { FieldSchema, InputWidget, Plain } from "./page.js";

/** More choices than this are offered while one types, not in a list to open. */
const MOST_IN_LIST = 24;
/** The entry of a list that asks for a word which is not in it; no value, so it can be told from all. */
const OTHER = "other";

/** What the visitor typed makes no sense; the message says what and where. */
export class FieldProblem extends Error {}

/** Whether one example of the input is one value: `[batch]`, `[batch, 1]` and the like. */
export function isSingle(info: TensorInfo): boolean {
  return info.shape?.slice(1).every((side) => side === 1) ?? false;
}

/** What is inside the field: its elements, what is in them, and how to put something there. */
interface Control {
  parts: HTMLElement[];
  /** What the label belongs to, and what is focused where the value is wrong. */
  main: HTMLElement;
  read(): string | number | boolean;
  write(value: Plain | undefined): void;
}

/** A field for an input of one value; `changed` is called for what is worth a prediction at once. */
export function singleField(info: TensorInfo, schema: FieldSchema, changed: () => void): InputWidget {
  const id = freshId("field");
  const help = schema.help ? freshId("help") : null;
  const name = schema.label ?? info.name;
  const prose = info.dtype === "string" && schema.multiline === true;
  const control = controlFor(info, schema, name, prose ? changed : () => undefined);
  control.main.id = id;
  if (help) control.main.setAttribute("aria-describedby", help);
  control.write(schema.value);
  const replaced = element("p", { class: "hint problem-text", role: "status" });

  const value = () => {
    const given = control.read();
    if (typeof given === "string") {
      // UTF-8, which the model reads, has no half of a surrogate pair.
      replaced.textContent = /\p{Surrogate}/u.test(given)
        ? `${name}: a character that is not whole is taken for �.`
        : "";
      if (prose && given === "") return null;
    }
    const data = typeof given === "boolean" ? [given ? 1 : 0] : [given];
    return { data, shape: (info.shape ?? []).map(() => 1), dtype: info.dtype } as ReturnType<
      InputWidget["value"]
    >;
  };
  return {
    element: element(
      "div",
      { class: prose ? "field prose" : "field" },
      element("label", { for: id }, name),
      ...control.parts,
      schema.help ? element("p", { class: "hint", id: help }, schema.help) : null,
      replaced,
    ),
    value,
    instant: prose,
    single: !prose,
    fill: (given) => control.write(given),
  };
}

function controlFor(info: TensorInfo, schema: FieldSchema, name: string, changed: () => void): Control {
  if (info.dtype === "bool") return tick();
  if (info.dtype === "string" && schema.multiline) return textBox(changed);
  const choices = schema.choices ?? [];
  if (choices.length > 0 && choices.length <= MOST_IN_LIST) return list(info, schema, name);
  const control = info.dtype === "string" ? word() : numeric(info, schema, name);
  if (choices.length > 0) {
    const id = freshId("choices");
    control.main.setAttribute("list", id);
    control.parts.push(
      element("datalist", { id }, ...choices.map((choice) => element("option", { value: String(choice) }))),
    );
  }
  return control;
}

function tick(): Control {
  const main = element("input", { type: "checkbox" });
  return {
    parts: [main],
    main,
    read: () => main.checked,
    write: (value) => {
      main.checked = value === true;
    },
  };
}

function word(): Control {
  const main = element("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "auto" });
  return {
    parts: [main],
    main,
    read: () => main.value,
    write: (value) => {
      main.value = value === undefined ? "" : String(value);
    },
  };
}

function textBox(changed: () => void): Control {
  const main = element("textarea", { class: "text", rows: 10, spellcheck: "false", dir: "auto" });
  main.addEventListener("input", changed);
  return {
    parts: [main],
    main,
    read: () => main.value,
    write: (value) => {
      main.value = value === undefined ? "" : String(value);
    },
  };
}

function numeric(info: TensorInfo, schema: FieldSchema, name: string): Control {
  const whole = info.dtype === "int32";
  const main = element("input", {
    type: "number",
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
    read: () => {
      const empty = main.value === "" && !main.validity.badInput;
      const wrong = schema.optional && empty ? "" : numberProblem(main.valueAsNumber, whole, schema);
      main.setAttribute("aria-invalid", String(wrong !== ""));
      if (wrong) {
        main.focus();
        throw new FieldProblem(`${name} ${wrong}.`);
      }
      return main.valueAsNumber; // NaN where it is unknown
    },
    write: (value) => {
      main.value = value === undefined ? (schema.optional ? "" : String(first)) : String(value);
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
function list(info: TensorInfo, schema: FieldSchema, name: string): Control {
  const choices = schema.choices ?? [];
  const main = element(
    "select",
    {},
    ...choices.map((choice, index) =>
      element("option", { value: index }, choice === "" ? "(none)" : String(choice)),
    ),
    schema.others ? element("option", { value: OTHER }, "other…") : null,
  );
  const other = info.dtype === "string" ? word() : numeric(info, {}, name);
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
