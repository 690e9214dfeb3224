/** What the elements know of a model, and what a `<tfjs-model>` tells the parts inside it. */

import type { LoadProgress, Model } from "../loader.js";
import type { Manifest, TensorInfo } from "../manifest.js";
import type { ImageSchema } from "../preprocessing/image.js";
import type { TensorValue } from "../protocol.js";

/** The model as far as a page needs it to ask for inputs and to show outputs. */
export interface Description {
  task: string;
  inputs: readonly TensorInfo[];
  outputs: readonly TensorInfo[];
  preprocessing: Readonly<Record<string, ImageSchema | undefined>>;
  labels: Readonly<Record<string, readonly string[] | undefined>>;
  form: Readonly<Record<string, FieldSchema | undefined>>;
  examples: readonly Example[];
}

/** What a field holds and an example gives. */
export type Plain = string | number | boolean;

/** How one input of one value is asked for; see docs/bundle-format.md. */
export interface FieldSchema {
  label?: string;
  help?: string;
  choices?: readonly (string | number)[];
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
  values: Readonly<Record<string, Plain | undefined>>;
}

/** Where a `<tfjs-model>` is; replaced as a whole at every step. */
export interface State {
  readonly description: Description | null;
  readonly progress: LoadProgress | null;
  readonly model: Model | null;
  readonly error: unknown;
  readonly outputs: Readonly<Record<string, TensorValue>> | null;
  /** Of the last prediction, as the visitor waited for it. */
  readonly milliseconds: number | null;
}

/** What bundle.json says of it; `form` and `examples` are the page's own. */
export function describe(manifest: Manifest): Description {
  const pictures = Object.entries(manifest.preprocessing).filter(([, schema]) => schema.kind === "image");
  return complete({
    ...manifest,
    ...manifest.signature,
    preprocessing: Object.fromEntries(pictures),
  });
}

/** A description with what was left out. */
export function complete(given: Partial<Description>): Description {
  const { task = "tensors", inputs = [], outputs = [] } = given;
  const { preprocessing = {}, labels = {}, form = {}, examples = [] } = given;
  return { task, inputs, outputs, preprocessing, labels, form, examples };
}
