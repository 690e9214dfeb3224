/** The demo page: widgets for the inputs, the model, views for the outputs, and what ties them together. */

import type { InputValue } from "../inputs.js";
import type { Model, TensorInfo } from "../loader.js";
import { byId, element } from "./dom.js";
import { drawingPad } from "./drawing-pad.js";
import { exampleButtons } from "./examples.js";
import { isSingle, singleField } from "./field.js";
import { imageInput } from "./image-input.js";
import { type Example, type InputWidget, type PageData, readPage } from "./page.js";
import { hideProblem, showProblem } from "./problems.js";
import { type ResultView, resultView } from "./results.js";
import { makeBadge, showEngine, showLoading, showOffline } from "./status.js";
import { tensorForm } from "./tensor-form.js";

function start(): void {
  const problem = byId("problem");
  const page = readPage();
  const form = byId<HTMLFormElement>("demo");
  const demo = new Demo(page, problem);
  byId("inputs").replaceChildren(...arranged(demo.widgets.map(({ widget }) => widget)));
  if (page.examples.length > 0) {
    byId("inputs").prepend(exampleButtons(page.examples, (example) => demo.fill(example)));
  }
  byId("results").replaceChildren(...demo.views.map(({ view }) => view.element));
  if (!demo.instant) {
    byId("inputs").append(element("button", { type: "submit", class: "primary wide" }, "Predict"));
  }
  form.hidden = false;
  byId("boot").hidden = true; // only now: it explains why nothing happens
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    demo.predict();
  });
  document.addEventListener("paste", (event) => {
    const picture = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    const taker = demo.widgets.find(({ widget }) => widget.paste)?.widget;
    if (picture && taker) {
      event.preventDefault();
      taker.paste?.(picture);
    }
  });
  void load(demo, problem);
}

/** Single fields that follow each other share a grid. */
function arranged(widgets: readonly InputWidget[]): HTMLElement[] {
  const elements: HTMLElement[] = [];
  let grid: HTMLElement | null = null;
  for (const widget of widgets) {
    if (widget.single) {
      if (!grid) {
        grid = element("div", { class: "fields" });
        elements.push(grid);
      }
      grid.append(widget.element);
    } else {
      grid = null;
      elements.push(widget.element);
    }
  }
  return elements;
}

async function load(demo: Demo, problem: HTMLElement): Promise<void> {
  const badge = makeBadge();
  const loading = showLoading(byId("loading"), badge);
  try {
    const { loadModel } = await import("../loader.js").catch((cause: unknown) => {
      throw Object.assign(new Error(`network: loader.js could not be loaded (${String(cause)})`), {
        code: "network",
      });
    });
    const model = await loadModel({
      serviceWorker: true,
      onProgress: (progress) => loading.update(progress),
    });
    loading.done();
    showOffline(model, badge);
    showEngine(model);
    demo.use(model);
  } catch (error) {
    loading.done();
    badge.remove();
    showProblem(problem, error);
    problem.scrollIntoView({ block: "nearest" });
  }
}

class Demo {
  readonly widgets: { name: string; widget: InputWidget }[];
  readonly views: { name: string; view: ResultView }[];
  /** Whether results follow every change, without a button. */
  readonly instant: boolean;
  #model: Model | null = null;
  #busy = false;
  #again = false;

  constructor(
    page: PageData,
    private readonly problem: HTMLElement,
  ) {
    const changed = () => {
      if (this.instant) this.predict();
    };
    const places = Object.keys(page.form); // inputs without a field come last
    const place = (name: string) => (places.includes(name) ? places.indexOf(name) : places.length);
    const inputs = [...page.inputs].sort((a, b) => place(a.name) - place(b.name));
    this.widgets = inputs.map((info) => ({ name: info.name, widget: widgetFor(info, page, changed) }));
    const alone = page.outputs.length === 1;
    this.views = page.outputs.map((info) => ({
      name: info.name,
      view: resultView(info, page.task, page.labels[info.name], alone),
    }));
    this.instant = this.widgets.every(({ widget }) => widget.instant);
  }

  use(model: Model): void {
    this.#model = model;
    if (this.instant || this.#again) this.predict(); // from what was drawn or chosen while the model came
  }

  /** Puts an example into the form, and predicts from it. */
  fill(example: Example): void {
    for (const { name, widget } of this.widgets) widget.fill?.(example.values[name]);
    this.predict();
  }

  /** Predicts from what the widgets hold now; while one prediction runs, only the newest state waits. */
  predict(): void {
    if (!this.#model || this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    void this.#run(this.#model).finally(() => {
      this.#busy = false;
      if (this.#again) {
        this.#again = false;
        this.predict();
      }
    });
  }

  async #run(model: Model): Promise<void> {
    this.#again = false;
    try {
      const inputs: Record<string, InputValue> = {};
      for (const { name, widget } of this.widgets) {
        const value = widget.value();
        if (value === null) {
          for (const { view } of this.views) view.reset();
          return;
        }
        inputs[name] = value;
      }
      const began = performance.now();
      const outputs = await model.predict(inputs);
      showEngine(model, performance.now() - began);
      hideProblem(this.problem);
      for (const { name, view } of this.views) view.show(outputs[name]!);
    } catch (error) {
      for (const { view } of this.views) view.reset();
      showProblem(this.problem, error);
    }
  }
}

function widgetFor(info: TensorInfo, page: PageData, changed: () => void): InputWidget {
  const schema = page.preprocessing[info.name];
  if (schema?.kind === "image") {
    const make = page.task === "drawing-classification" ? drawingPad : imageInput;
    return make(info.name, schema, changed);
  }
  if (isSingle(info)) {
    const [label] = page.labels[info.name] ?? [];
    const schema = page.form[info.name];
    const multiline = page.task === "text-classification" && !schema?.choices;
    return singleField(info, { label, multiline, ...schema }, changed);
  }
  return tensorForm(info, page.labels[info.name]);
}

start(); // last, when the classes above are there
