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
  form: Record<string, FieldSchema | undefined>;
  examples: Example[];
}

/** What a field holds and an example gives. */
export type Plain = string | number | boolean;

/** How one input of one value is asked for; see docs/bundle-format.md. */
export interface FieldSchema {
  label?: string;
  help?: string;
  choices?: (string | number)[];
  /** Whether values beside the choices make sense. */
  others?: boolean;
  minimum?: number;
  maximum?: number;
  step?: number;
  /** Whether it may be left empty, which is NaN. */
  optional?: boolean;
  multiline?: boolean;
  value?: Plain;
}

export interface Example {
  label: string;
  /** By input name; what is not named is left empty. */
  values: Record<string, Plain | undefined>;
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
  /** Whether it is one small field, to be put beside others. */
  single?: boolean;
  /** Puts an example's value in; nothing where the example has none. */
  fill?(value: Plain | undefined): void;
  /** Takes a pasted picture where it can. */
  paste?(picture: Blob): void;
}
