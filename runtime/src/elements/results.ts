/** What the model gave: classes as bars, pictures as pictures, everything else as numbers. */

import type { Model } from "../loader.js";
import type { TensorInfo } from "../manifest.js";
import type { TensorValue } from "../protocol.js";
import { Part } from "./base.js";
import { complete, type Description, describe, type State } from "./description.js";
import { element, hint } from "./dom.js";
import * as format from "./format.js";

/** Up to so many classes keep their places, so that bars do not jump about while one draws. */
const MOST_IN_PLACE = 12;
const MOST_BARS = 5;
const MOST_NUMBERS = 200;

type Outputs = Readonly<Record<string, TensorValue>>;
type Labels = readonly string[] | Readonly<Record<string, readonly string[] | undefined>>;

export class Results extends Part {
  static override readonly members = {
    task: "text",
    labels: "json",
    model: "property",
    description: "property",
    outputs: "property",
  } as const;
  /** What the model is for; decides how its outputs are shown. */
  declare task: string;
  /** Of the only output, or by output name. */
  declare labels: Labels | undefined;
  declare model: Model | null | undefined;
  declare description: Partial<Description> | null | undefined;
  /** What `predict` gave; `null` for how it was before the first prediction. */
  declare outputs: Outputs | null | undefined;
  #views = new Map<string, ResultView>();
  /** What the last outputs said of themselves, where nobody described them. */
  #inferred: TensorInfo[] = [];
  /** What the views were made for. */
  #made = "";

  override receive({ description, outputs }: State): void {
    this.description = description;
    this.outputs = outputs;
  }

  /** Views outlive predictions, so that bars grow and shrink; they are made anew for other outputs. */
  protected override render(): Node[] {
    const description = this.#description;
    const made = JSON.stringify([description.task, description.outputs, description.labels]);
    if (made !== this.#made) {
      const alone = description.outputs.length === 1;
      this.#views = new Map(
        description.outputs.map((info) => [
          info.name,
          resultView(info, description.task, description.labels[info.name], alone),
        ]),
      );
      this.#made = made;
    }
    for (const [name, view] of this.#views) {
      const value = this.outputs?.[name];
      if (value) view.show(value);
      else view.reset();
    }
    const elements = [...this.#views.values()].map((view) => view.element);
    const present = [...this.shadowRoot!.children];
    // Elements that stay in their places keep what they were scrolled to, and their transitions.
    const same = elements.length === present.length && elements.every((each, at) => each === present[at]);
    return same ? [] : elements;
  }

  get #description(): Description {
    const given = this.model ? describe(this.model.manifest) : complete(this.description ?? {});
    if (this.outputs) this.#inferred = infosOf(this.outputs);
    const outputs = given.outputs.length > 0 ? given.outputs : this.#inferred;
    const { labels } = this;
    const byName = Array.isArray(labels) ? { [outputs[0]?.name ?? ""]: labels } : (labels ?? given.labels);
    return { ...given, outputs, task: this.task || given.task, labels: byName as Description["labels"] };
  }
}

/** What the outputs themselves say of the model's signature. */
function infosOf(outputs: Outputs): TensorInfo[] {
  return Object.entries(outputs).map(([name, { shape, dtype }]) => ({
    name,
    shape: [null, ...shape.slice(1)],
    dtype,
    source_dtype: dtype,
  }));
}

interface ResultView {
  element: HTMLElement;
  show(value: TensorValue): void;
  /** Back to how it was before the first prediction. */
  reset(): void;
}

/** The view for one output of the model. */
function resultView(
  info: TensorInfo,
  task: string,
  labels: readonly string[] | undefined,
  alone: boolean,
): ResultView {
  const last = info.shape?.at(-1) ?? 0;
  const pictured = task === "image-to-image" && info.shape?.length === 4;
  const classified = info.shape?.length === 2 && (labels !== undefined || task.endsWith("classification"));
  if (pictured) return pictureView(info, alone);
  if (classified && last !== 0 && info.dtype !== "string") return barsView(info, labels, alone);
  return numbersView(info, labels, alone);
}

function titled(info: TensorInfo, alone: boolean, ...children: HTMLElement[]): HTMLElement {
  return element(
    "div",
    { class: "output", part: "output" },
    alone ? null : element("h3", { part: "title" }, info.name),
    ...children,
  );
}

interface Bar {
  row: HTMLElement;
  label: HTMLElement;
  value: HTMLElement;
}

function barsView(info: TensorInfo, labels: readonly string[] | undefined, alone: boolean): ResultView {
  const outputs = info.shape!.at(-1)!;
  // One number with a label for each side is the second one's probability.
  const both = outputs === 1 && labels?.length === 2;
  const count = both ? 2 : outputs;
  const headline = element("p", { class: "headline", part: "headline", role: "status" });
  const bars: Bar[] = Array.from(
    { length: Math.min(count, count <= MOST_IN_PLACE ? count : MOST_BARS) },
    () => {
      const label = element("span", { class: "bar-label", part: "bar-label" });
      const value = element("span", { class: "bar-value", part: "bar-value" });
      const row = element("li", { class: "bar", part: "bar" }, label, value);
      return { row, label, value };
    },
  );
  const list = element(
    "ol",
    { class: "bars", part: "bars", "aria-label": `Scores of ${info.name}` },
    ...bars.map(({ row }) => row),
  );

  const nameOf = (index: number): string => {
    if (count === 1) return labels?.[0] ?? info.name;
    return labels?.[index] ?? `Class ${index}`;
  };

  function show({ data }: TensorValue): void {
    const given = Array.from({ length: outputs }, (_, index) => Number(data[index]));
    const likely = given.every((score) => score >= 0 && score <= 1.0001);
    const scores = both ? [likely ? 1 - given[0]! : -given[0]!, given[0]!] : given;
    const largest = Math.max(...scores.map(Math.abs), 1e-30);
    const order = scores.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]! || a - b);
    const top = order[0]!;
    const write = likely ? format.percent : format.number;
    if (count === 1) {
      headline.replaceChildren(element("strong", {}, nameOf(0)), ` ${write(scores[0]!)}`);
    } else {
      headline.replaceChildren(element("strong", {}, nameOf(top)), ` ${write(scores[top]!)}`);
    }
    const shown = count <= MOST_IN_PLACE ? scores.map((_, index) => index) : order;
    bars.forEach(({ row, label, value }, place) => {
      const index = shown[place]!;
      const score = scores[index]!;
      label.textContent = nameOf(index);
      value.textContent = write(score);
      row.style.setProperty("--share", String(Math.max(0, likely ? score : score / largest)));
      row.classList.toggle("top", index === top);
      row.part.toggle("top", index === top);
    });
    headline.classList.remove("waiting");
    list.classList.remove("waiting");
  }

  function reset(): void {
    headline.textContent = "–";
    headline.classList.add("waiting");
    list.classList.add("waiting");
    bars.forEach(({ row, label, value }, index) => {
      label.textContent = count <= MOST_IN_PLACE ? nameOf(index) : "–";
      value.textContent = "";
      row.style.setProperty("--share", "0");
      row.classList.remove("top");
      row.part.remove("top");
    });
  }

  reset();
  return { element: titled(info, alone, headline, list), show, reset };
}

function pictureView(info: TensorInfo, alone: boolean): ResultView {
  const canvas = element("canvas", {
    class: "preview",
    part: "picture",
    role: "img",
    "aria-label": `The picture ${info.name}`,
    width: 1,
    height: 1,
  });
  function show({ data, shape }: TensorValue): void {
    const first = shape[1] === 1 || shape[1] === 3;
    const last = shape[3] === 1 || shape[3] === 3;
    const planes = first && !last;
    const [height, width, channels] = planes
      ? [shape[2]!, shape[3]!, shape[1]!]
      : [shape[1]!, shape[2]!, shape[3]!];
    let largest = 0;
    for (const value of data) largest = Math.max(largest, Number(value));
    const scale = largest <= 2 ? 255 : 1; // pictures come from 0 to 1 or from 0 to 255
    const pixels = new ImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const from = Math.min(channel, channels - 1);
        pixels.data[pixel * 4 + channel] =
          Number(data[planes ? from * width * height + pixel : pixel * channels + from]) * scale;
      }
      pixels.data[pixel * 4 + 3] = 255;
    }
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  }
  return {
    element: titled(info, alone, canvas),
    show,
    reset: () => {
      canvas.width = canvas.height = 1;
    },
  };
}

function numbersView(info: TensorInfo, labels: readonly string[] | undefined, alone: boolean): ResultView {
  const headline = element("p", { class: "headline", part: "headline", role: "status" });
  const details = element("div", { class: "numbers" });
  function show({ data, shape, dtype }: TensorValue): void {
    headline.classList.remove("waiting");
    const write = (value: number | string) => {
      if (typeof value === "string") return value;
      return dtype === "bool" ? (value ? "yes" : "no") : format.number(value);
    };
    if (data.length === 1) {
      headline.replaceChildren(labels?.[0] ? `${labels[0]} ` : "", element("strong", {}, write(data[0]!)));
      details.replaceChildren();
      return;
    }
    headline.replaceChildren(`${data.length.toLocaleString("en")} values of shape ${format.shape(shape)}`);
    const rows = Array.from<number | string, HTMLElement>(data.slice(0, MOST_NUMBERS), (value, index) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, labels?.[index] ?? position(index, shape)),
        element("td", {}, write(value)),
      ),
    );
    const more = data.length - rows.length;
    details.replaceChildren(
      element(
        "div",
        { class: "scroll tall", tabindex: 0, role: "region", "aria-label": `Values of ${info.name}` },
        element("table", { part: "table" }, element("tbody", {}, ...rows)),
      ),
      more > 0 ? hint({}, `and ${more.toLocaleString("en")} more`) : "",
    );
  }
  function reset(): void {
    headline.textContent = "–";
    headline.classList.add("waiting");
    details.replaceChildren();
  }
  reset();
  return { element: titled(info, alone, headline, details), show, reset };
}

/** `0, 3, 1` from a position in the flattened tensor; the batch axis is left out where it is 1. */
function position(index: number, shape: readonly number[]): string {
  const parts: number[] = [];
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    parts.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return (shape.length > 1 && shape[0] === 1 ? parts.slice(1) : parts).join(", ");
}
