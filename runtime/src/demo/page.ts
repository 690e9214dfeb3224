/** What the template tells the page, and what the page's parts tell each other. */

import type { InputValue } from "../inputs.js";
import type { TensorInfo } from "../manifest.js";
import type { ImageSchema } from "../preprocessing/image.js";

/** The JSON in index.html: the bundle as far as the page needs it before anything is downloaded. */
export interface PageData {
  name: string;
  task: string;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  preprocessing: Record<string, ImageSchema | undefined>;
  labels: Record<string, string[] | undefined>;
}

/** Reads the JSON in index.html. */
export function readPage(): PageData {
  return JSON.parse(document.getElementById("page")?.textContent ?? "{}") as PageData;
}

/** One input on the page. */
export interface InputWidget {
  element: HTMLElement;
  /** What `predict` takes for it; `null` while there is nothing to predict from. */
  value(): InputValue | null;
  /** Whether every change is worth a prediction, without a button. */
  instant: boolean;
  /** Takes a pasted picture where it can. */
  paste?(picture: Blob): void;
}
