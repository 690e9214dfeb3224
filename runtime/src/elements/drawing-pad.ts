/** A pad to draw on, with mouse, finger, pen or keys. */

import type { TensorInfo } from "../manifest.js";
import type { ImageSchema } from "../preprocessing/image.js";
import { luma } from "../preprocessing/pixels.js";
import type { Description } from "./description.js";
import { button, element, freshId, hint } from "./dom.js";
import { Input } from "./input.js";

/** In fractions of the pad's width and height. */
type Point = readonly [number, number];

/** Pixels of the longer side of the canvas; what is shown is scaled. */
const RESOLUTION = 280;
/** Of the longer side. */
const BRUSH = 1 / 13;
const STEP = 1 / 28;
const MOVES: Record<string, Point> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class DrawingPad extends Input {
  static override readonly members = {
    name: "text",
    label: "text",
    width: "number",
    height: "number",
    background: "text",
    ink: "text",
    schema: "json",
  } as const;
  declare width: number | undefined;
  declare height: number | undefined;
  declare background: string;
  declare ink: string;
  declare schema: ImageSchema | undefined;
  readonly instant = true;
  readonly #strokes: Point[][] = [];
  #canvas!: HTMLCanvasElement;
  #cursor!: HTMLElement;
  #state!: HTMLElement;
  #undo!: HTMLButtonElement;
  #clear!: HTMLButtonElement;
  #pointer: number | null = null;
  #pen: Point = [0.5, 0.5];
  #penDown = false;

  /** The canvas, to be given to `predict`; `null` while nothing is drawn. Set to `null` to clear. */
  get value(): HTMLCanvasElement | null {
    this.draw();
    return this.#strokes.length > 0 ? this.#canvas : null;
  }
  set value(value: null) {
    if (value === null) this.clear();
  }

  /** Takes the last stroke back. */
  undo(): void {
    this.#strokes.pop();
    this.#rest();
  }

  clear(): void {
    this.#strokes.length = 0;
    this.#rest();
  }

  override adopt({ name }: TensorInfo, { preprocessing }: Description): void {
    this.schema ??= preprocessing[name];
  }

  override focus(options?: FocusOptions): void {
    this.draw();
    this.#canvas.focus(options);
  }

  protected render(): Node[] {
    const [rows, columns] = [
      this.height ?? this.schema?.size[0] ?? 1,
      this.width ?? this.schema?.size[1] ?? 1,
    ];
    const longer = Math.max(rows, columns);
    const help = freshId("help");
    this.#canvas = element("canvas", {
      class: "pad",
      part: "canvas",
      width: Math.round((RESOLUTION * columns) / longer),
      height: Math.round((RESOLUTION * rows) / longer),
      tabindex: 0,
      role: "application",
      "aria-roledescription": "drawing pad",
      "aria-label": this.label || (this.name ? `Drawing pad for ${this.name}` : "Drawing pad"),
      "aria-describedby": help,
    });
    this.#cursor = element("span", { class: "pad-cursor", "aria-hidden": "true", hidden: true });
    this.#state = element("span", { class: "visually-hidden", role: "status" });
    this.#undo = button("Undo", () => {
      this.undo();
      this.tell(true);
    });
    this.#clear = button("Clear", () => {
      this.clear();
      this.tell(true);
    });
    this.#listen();
    this.#paint();
    return [
      element("div", { class: "pad-frame" }, this.#canvas, this.#cursor),
      element("div", { class: "buttons", part: "buttons" }, this.#undo, this.#clear),
      hint(
        { id: help },
        "Draw with a finger, a pen or the mouse. ",
        element(
          "span",
          { class: "keys" },
          "With keys: arrows move, space puts the pen down and up, delete clears.",
        ),
      ),
      this.#state,
    ];
  }

  #paint(): void {
    if (!this.#canvas) return;
    const { width, height } = this.#canvas;
    const context = this.#canvas.getContext("2d", { willReadFrequently: true })!;
    context.fillStyle = this.schema ? `rgb(${this.schema.background.join(" ")})` : "#000";
    if (this.background) context.fillStyle = this.background;
    context.fillRect(0, 0, width, height);
    if (this.ink) {
      context.fillStyle = this.ink;
    } else {
      const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
      context.fillStyle = luma(red!, green!, blue!) < 128 ? "#fff" : "#000";
    }
    context.strokeStyle = context.fillStyle;
    context.lineWidth = RESOLUTION * BRUSH;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.#strokes) {
      context.beginPath();
      for (const [x, y] of stroke) context.lineTo(x * width, y * height);
      if (stroke.length === 1) context.lineTo(stroke[0]![0] * width + 0.01, stroke[0]![1] * height);
      context.stroke();
    }
    this.#undo.disabled = this.#clear.disabled = this.#strokes.length === 0;
  }

  /** No stroke is under way any more. */
  #rest(): void {
    this.#pointer = null;
    this.#penDown = false;
    this.draw();
    this.#showCursor(false);
    this.#paint();
  }

  #listen(): void {
    const canvas = this.#canvas;
    const at = (event: PointerEvent): Point => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (this.#pointer !== null || event.button !== 0) return;
      this.#pointer = event.pointerId;
      canvas.setPointerCapture(event.pointerId);
      this.#showCursor(false);
      this.#penDown = false;
      this.#strokes.push([at(event)]);
      this.#paint();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.#pointer) return;
      const between = event.getCoalescedEvents?.() ?? [];
      this.#strokes.at(-1)!.push(...(between.length > 0 ? between : [event]).map(at));
      this.#paint();
      this.tell(false);
    });
    for (const type of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(type, (event) => {
        if (event.pointerId !== this.#pointer) return;
        this.#rest();
        this.tell(true);
      });
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => {
      this.#penDown = false;
      this.#showCursor(false);
    });
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) {
      const { width, height } = this.#canvas;
      const reach = (side: number) => (RESOLUTION * STEP) / side;
      this.#pen = [
        clamp(this.#pen[0] + move[0] * reach(width)),
        clamp(this.#pen[1] + move[1] * reach(height)),
      ];
      if (this.#penDown) this.#strokes.at(-1)!.push(this.#pen);
      this.#showCursor(true);
    } else if (event.key === " " || event.key === "Enter") {
      this.#penDown = !this.#penDown;
      if (this.#penDown) this.#strokes.push([this.#pen]);
      this.#showCursor(true);
      this.#state.textContent = this.#penDown ? "Pen down" : "Pen up";
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
      this.#state.textContent = "Cleared";
    } else {
      return;
    }
    event.preventDefault();
    this.#paint();
    if (this.#penDown || !move) this.tell(!this.#penDown);
  }

  #showCursor(shown: boolean): void {
    this.#cursor.hidden = !shown;
    this.#cursor.classList.toggle("down", this.#penDown);
    this.#cursor.style.left = `${this.#pen[0] * 100}%`;
    this.#cursor.style.top = `${this.#pen[1] * 100}%`;
  }
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
