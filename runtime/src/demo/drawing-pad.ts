/** A pad to draw on, with mouse, finger, pen or keys. */

import type { ImageSchema } from "../preprocessing/image.js";
import { luma } from "../preprocessing/pixels.js";
import { button, element, freshId } from "./dom.js";
import type { InputWidget } from "./page.js";

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

export function drawingPad(name: string, schema: ImageSchema, changed: () => void): InputWidget {
  const [rows, columns] = schema.size;
  const longer = Math.max(rows, columns);
  const width = Math.round((RESOLUTION * columns) / longer);
  const height = Math.round((RESOLUTION * rows) / longer);
  const dark = luma(...schema.background) < 128;
  const help = freshId("pad-help");
  const canvas = element("canvas", {
    class: "pad",
    width,
    height,
    tabindex: 0,
    role: "application",
    "aria-roledescription": "drawing pad",
    "aria-label": `Drawing pad for ${name}`,
    "aria-describedby": help,
  });
  const cursor = element("span", { class: "pad-cursor", "aria-hidden": "true", hidden: true });
  const state = element("span", { class: "visually-hidden", role: "status" });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const strokes: Point[][] = [];
  let drawing: number | null = null;
  let pen: Point = [width / 2, height / 2];
  let penDown = false;

  const undo = button("Undo", () => {
    strokes.pop();
    finish();
  });
  const clear = button("Clear", () => {
    strokes.length = 0;
    finish();
  });

  function paint(): void {
    context.fillStyle = `rgb(${schema.background.join(" ")})`;
    context.fillRect(0, 0, width, height);
    context.strokeStyle = context.fillStyle = dark ? "#fff" : "#000";
    context.lineWidth = RESOLUTION * BRUSH;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      for (const [x, y] of stroke) context.lineTo(x, y);
      if (stroke.length === 1) context.lineTo(stroke[0]![0] + 0.01, stroke[0]![1]);
      context.stroke();
    }
    undo.disabled = clear.disabled = strokes.length === 0;
  }

  function finish(): void {
    drawing = null;
    penDown = false;
    showCursor(false);
    paint();
    changed();
  }

  function at(event: PointerEvent): Point {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * width,
      ((event.clientY - box.top) / box.height) * height,
    ];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (drawing !== null || event.button !== 0) return;
    drawing = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    showCursor(false);
    penDown = false;
    strokes.push([at(event)]);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    const between = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1)!.push(...(between.length > 0 ? between : [event]).map(at));
    paint();
    changed();
  });
  for (const type of ["pointerup", "pointercancel"] as const) {
    canvas.addEventListener(type, (event) => {
      if (event.pointerId === drawing) finish();
    });
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) {
      const reach = RESOLUTION * STEP;
      pen = [clamp(pen[0] + move[0] * reach, width), clamp(pen[1] + move[1] * reach, height)];
      if (penDown) {
        strokes.at(-1)!.push(pen);
        paint();
        changed();
      }
      showCursor(true);
    } else if (event.key === " " || event.key === "Enter") {
      penDown = !penDown;
      if (penDown) {
        strokes.push([pen]);
        paint();
        changed();
      }
      showCursor(true);
      state.textContent = penDown ? "Pen down" : "Pen up";
    } else if (event.key === "Delete" || event.key === "Backspace") {
      strokes.length = 0;
      finish();
      state.textContent = "Cleared";
    } else {
      return;
    }
    event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    penDown = false;
    showCursor(false);
  });

  function showCursor(shown: boolean): void {
    cursor.hidden = !shown;
    cursor.classList.toggle("down", penDown);
    cursor.style.left = `${(pen[0] / width) * 100}%`;
    cursor.style.top = `${(pen[1] / height) * 100}%`;
  }

  paint();
  return {
    element: element(
      "div",
      { class: "pad-widget" },
      element("div", { class: "pad-frame" }, canvas, cursor),
      element("div", { class: "buttons" }, undo, clear),
      element(
        "p",
        { class: "hint", id: help },
        "Draw with a finger, a pen or the mouse. ",
        element(
          "span",
          { class: "keys" },
          "With keys: arrows move, space puts the pen down and up, delete clears.",
        ),
      ),
      state,
    ),
    value: () => (strokes.length > 0 ? canvas : null),
    instant: true,
  };
}

function clamp(value: number, end: number): number {
  return Math.min(Math.max(value, 0), end);
}
