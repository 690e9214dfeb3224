/** Types of this bundle's elements.js: importing it defines the elements and does nothing else. */

import type { LoadOptions, LoadProgress, Model, Outputs, TensorInfo, TensorValue } from "./loader.js";

/** What `predict` gives, or tensors by names of your own. */
export type ShownOutputs =
  | Outputs
  | Readonly<Record<string, TensorValue<Float32Array | Int32Array | Uint8Array | string[]>>>;

/** How one value is asked for. */
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
  value?: string | number | boolean;
}

export interface Example {
  label: string;
  /** By input name; what is not named is left empty. */
  values: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** A model as far as a page needs it; what is left out of it comes from bundle.json. */
export interface Description {
  task: string;
  inputs: readonly TensorInfo[];
  outputs: readonly TensorInfo[];
  /** Of inputs that can be given as a picture. */
  preprocessing: Readonly<Record<string, unknown>>;
  labels: Readonly<Record<string, readonly string[] | undefined>>;
  form: Readonly<Record<string, FieldSchema | undefined>>;
  examples: readonly Example[];
}

/** `<tfjs-model>`: loads a bundle, predicts from the inputs inside it, and tells the elements inside it. */
export interface TfjsModel extends HTMLElement {
  src: string;
  backend: string;
  noWorker: boolean;
  serviceWorker: boolean;
  live: boolean;
  loadModel: ((options: LoadOptions) => Promise<Model>) | undefined;
  readonly model: Model | null;
  readonly outputs: ShownOutputs | null;
  readonly error: unknown;
  predict(): Promise<void>;
}

/** An element for one input of a model. */
interface TfjsInput<Value> extends HTMLElement {
  name: string;
  label: string;
  /** Whether every change is worth a prediction. */
  readonly instant: boolean;
  /** What `predict` takes; `null` while there is nothing to predict from. */
  readonly value: Value | null;
  /** As `value`; throws an Error with a sentence for the visitor where something is wrong, which is focused. */
  read(): Value | null;
}

/** `<tfjs-drawing-pad>` */
export interface TfjsDrawingPad extends TfjsInput<HTMLCanvasElement> {
  get value(): HTMLCanvasElement | null;
  /** Clears. */
  set value(value: null);
  /** Of the tensor; only their ratio counts. */
  width: number | undefined;
  height: number | undefined;
  /** CSS colours. */
  background: string;
  ink: string;
  /** An entry of the manifest's `preprocessing`, in place of the four above. */
  schema: unknown;
  undo(): void;
  clear(): void;
}

/** `<tfjs-image-input>` */
export interface TfjsImageInput extends Omit<TfjsInput<Blob>, "value"> {
  value: Blob | null;
  noCamera: boolean;
}

/** `<tfjs-camera>` */
export interface TfjsCamera extends HTMLElement {
  label: string;
  value: Blob | null;
  readonly active: boolean;
  /** Why there was no picture. */
  readonly problem: string;
  start(): Promise<void>;
  stop(): void;
}

/** `<tfjs-field>` */
export interface TfjsField extends Omit<TfjsInput<string | number | boolean>, "value"> {
  value: string | number | boolean | null | undefined;
  dtype: string;
  help: string;
  choices: readonly (string | number)[] | undefined;
  others: boolean;
  minimum: number | undefined;
  maximum: number | undefined;
  step: number | undefined;
  optional: boolean;
  multiline: boolean;
  schema: FieldSchema | undefined;
}

/** `<tfjs-tensor-form>`; its value is for `predict`. */
export interface TfjsTensorForm extends TfjsInput<unknown> {
  dtype: string;
  shape: readonly (number | null)[] | null | undefined;
  labels: readonly string[] | undefined;
  info: TensorInfo | undefined;
}

/** `<tfjs-inputs>`: an element for every input of a model. */
export interface TfjsInputs extends HTMLElement {
  model: Model | null | undefined;
  description: Partial<Description> | null | undefined;
  readonly instant: boolean;
  /** What `predict` takes, by input name. */
  readonly value: Readonly<Record<string, unknown>> | null;
  read(): Readonly<Record<string, unknown>> | null;
  fill(example: Pick<Example, "values">): void;
}

/** `<tfjs-results>` */
export interface TfjsResults extends HTMLElement {
  /** `null` before the first prediction. */
  outputs: ShownOutputs | null | undefined;
  /** Of the only output, or by output name. */
  labels: readonly string[] | Readonly<Record<string, readonly string[] | undefined>> | undefined;
  task: string;
  model: Model | null | undefined;
  description: Partial<Description> | null | undefined;
}

/** `<tfjs-progress>` */
export interface TfjsProgress extends HTMLElement {
  progress: LoadProgress | null | undefined;
}

/** `<tfjs-status>` */
export interface TfjsStatus extends HTMLElement {
  progress: LoadProgress | null | undefined;
  model: Model | null | undefined;
  failed: boolean | undefined;
}

/** `<tfjs-engine>` */
export interface TfjsEngine extends HTMLElement {
  model: Model | null | undefined;
  milliseconds: number | null | undefined;
}

/** `<tfjs-problem>` */
export interface TfjsProblem extends HTMLElement {
  error: unknown;
}

declare global {
  interface HTMLElementTagNameMap {
    "tfjs-model": TfjsModel;
    "tfjs-inputs": TfjsInputs;
    "tfjs-drawing-pad": TfjsDrawingPad;
    "tfjs-image-input": TfjsImageInput;
    "tfjs-camera": TfjsCamera;
    "tfjs-field": TfjsField;
    "tfjs-tensor-form": TfjsTensorForm;
    "tfjs-results": TfjsResults;
    "tfjs-progress": TfjsProgress;
    "tfjs-status": TfjsStatus;
    "tfjs-engine": TfjsEngine;
    "tfjs-problem": TfjsProblem;
  }
}
