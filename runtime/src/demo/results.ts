/** What the model gave: classes as bars, pictures as pictures, everything else as numbers. */

import type { TensorInfo } from "../manifest.js";
import type { TensorValue } from "../protocol.js";
import { element } from "./dom.js";
import * as format from "./format.js";

/** Up to so many classes keep their places, so that bars do not jump about while one draws. */
const MOST_IN_PLACE = 12;
const MOST_BARS = 5;
const MOST_NUMBERS = 200;

export interface ResultView {
  element: HTMLElement;
  show(value: TensorValue): void;
  /** Back to how it was before the first prediction. */
  reset(): void;
}

/** The view for one output of the model. */
export function resultView(
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
  return element("div", { class: "output" }, alone ? null : element("h3", {}, info.name), ...children);
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
  const headline = element("p", { class: "headline", role: "status" });
  const bars: Bar[] = Array.from(
    { length: Math.min(count, count <= MOST_IN_PLACE ? count : MOST_BARS) },
    () => {
      const label = element("span", { class: "bar-label" });
      const value = element("span", { class: "bar-value" });
      const row = element("li", { class: "bar" }, label, value);
      return { row, label, value };
    },
  );
  const list = element(
    "ol",
    { class: "bars", "aria-label": `Scores of ${info.name}` },
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
    });
  }

  reset();
  return { element: titled(info, alone, headline, list), show, reset };
}

function pictureView(info: TensorInfo, alone: boolean): ResultView {
  const canvas = element("canvas", {
    class: "preview",
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
  const headline = element("p", { class: "headline", role: "status" });
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
        element("table", {}, element("tbody", {}, ...rows)),
      ),
      more > 0 ? element("p", { class: "hint" }, `and ${more.toLocaleString("en")} more`) : "",
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
