/**
 * From what a caller passes to `predict` to dense tensors of the signature's shapes and dtypes. Every
 * refusal is a BundleError `input` that names the input, what it takes and what was given.
 */

import { BundleError } from "./errors.js";
import type { TensorInfo } from "./manifest.js";
import { type ImageSchema, type ImageSource, imageToTensor } from "./preprocessing/image.js";
import type { Dtype, TensorData, TensorMap, TensorValue } from "./protocol.js";
import { sizeOf } from "./weights.js";

type NumericArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export type NestedArray = readonly (number | boolean | bigint | NestedArray)[];

/** A tensor as the caller writes it; `data` in C order. */
export interface TensorLike {
  data: NumericArray | readonly (number | boolean | bigint)[];
  shape: readonly number[];
  dtype?: string;
}

/** What one input takes. */
export type InputValue = TensorLike | NumericArray | NestedArray | number | boolean | ImageSource;

/** What `predict` takes: values by input name, or the bare value where there is one input. */
export type Inputs = InputValue | Readonly<Record<string, InputValue>>;

/** Integers that a dtype of Keras holds; TF.js has no wider integer than int32. */
const RANGES: Record<string, [number, number]> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  uint32: [0, 2147483647],
  uint64: [0, 2147483647],
};
const INT32_RANGE: [number, number] = [-2147483648, 2147483647];

/** Decodes one picture; replaced in tests, which have no canvas. */
type ImageDecoder = typeof imageToTensor;

/**
 * Return a tensor for every input of the signature. The data are always a copy: the caller may change or
 * reuse what was passed as soon as `predict` was called, and buffers may be handed to the worker.
 */
export async function readInputs(
  given: unknown,
  signature: readonly TensorInfo[],
  preprocessing: Readonly<Record<string, unknown>> = {},
  decode: ImageDecoder = imageToTensor,
): Promise<TensorMap> {
  const values = byName(given, signature);
  const tensors: TensorMap = {};
  for (const info of signature) {
    tensors[info.name] = await readInput(values[info.name], info, preprocessing[info.name], decode);
  }
  return tensors;
}

function byName(given: unknown, signature: readonly TensorInfo[]): Record<string, unknown> {
  const names = signature.map((info) => info.name);
  const listed = names.map((name) => JSON.stringify(name)).join(", ");
  const only = signature.length === 1 ? signature[0] : undefined;
  if (only && !isNamed(given, only.name)) {
    if (!isPlainObject(given) || isTensorLike(given)) return { [only.name]: given };
  }
  if (!isPlainObject(given)) {
    throw refuse(`the model has ${names.length} inputs (${listed}): pass an object with a value for each`);
  }
  const unknown = Object.keys(given).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    const extra = unknown.map((name) => JSON.stringify(name)).join(", ");
    throw refuse(`the model has no input ${extra}; its inputs are ${listed}`);
  }
  for (const info of signature) {
    if (given[info.name] === undefined || given[info.name] === null) {
      throw refuse(`the input ${JSON.stringify(info.name)} is missing; it takes ${describe(info)}`);
    }
  }
  return given;
}

/** Whether an object means "by name": an input called `data` must not be taken for `{ data, shape }`. */
function isNamed(given: unknown, name: string): boolean {
  if (!isPlainObject(given) || !Object.hasOwn(given, name)) return false;
  return name !== "data" || !isTensorLike(given);
}

async function readInput(
  value: unknown,
  info: TensorInfo,
  schema: unknown,
  decode: ImageDecoder,
): Promise<TensorValue> {
  if (info.dtype === "string") {
    throw new BundleError(
      "unsupported",
      `the input ${JSON.stringify(info.name)} takes strings, which this version does not support.`,
    );
  }
  if (info.dtype !== "float32" && info.dtype !== "int32" && info.dtype !== "bool") {
    throw new BundleError("unsupported", `the input ${JSON.stringify(info.name)} takes ${info.dtype}.`);
  }
  if (value === undefined || value === null) throw wrong(info, `${value}`);
  if (isImage(value)) return readImage(value, info, schema, decode);
  if (isTensorLike(value)) return readTensorLike(value, info);
  if (isNumericArray(value)) return toTensor(value, inferShape(value.length, info), info);
  if (Array.isArray(value)) return readNested(value, info);
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") {
    if (info.shape === null || info.shape.length === 0) return toTensor([value], [], info);
    throw wrong(info, `the single value ${value}`);
  }
  throw wrong(info, nameOf(value));
}

async function readImage(
  source: ImageSource,
  info: TensorInfo,
  schema: unknown,
  decode: ImageDecoder,
): Promise<TensorValue> {
  if (!schema || (schema as ImageSchema).kind !== "image") {
    throw wrong(info, `${nameOf(source)}; it is no image input, so pass numbers`);
  }
  const { data, shape } = await decode(source, schema as ImageSchema, info.shape ?? []);
  return toTensor(data, shape, info);
}

function readTensorLike(value: TensorLike, info: TensorInfo): TensorValue {
  const { data, shape, dtype } = value;
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw wrong(info, `the shape ${JSON.stringify(shape)}, which is not a list of whole numbers`);
  }
  if (dtype !== undefined && dtype !== info.dtype && dtype !== info.source_dtype) {
    throw wrong(info, `the dtype ${dtype}`);
  }
  if (!isNumericArray(data) && !Array.isArray(data)) throw wrong(info, `data that are ${nameOf(data)}`);
  checkShape(shape, info);
  if (data.length !== sizeOf(shape)) {
    throw wrong(info, `${data.length} values for the shape ${show(shape)}, which has ${sizeOf(shape)}`);
  }
  return toTensor(data, shape, info);
}

function readNested(value: NestedArray, info: TensorInfo): TensorValue {
  const shape = nestedShape(value, info);
  const flat: (number | boolean | bigint)[] = [];
  flatten(value, shape, 0, flat, info);
  // One example may be given without the batch's axis.
  const expected = info.shape;
  const oneExample =
    expected !== null && expected.length === shape.length + 1 && (expected[0] === null || expected[0] === 1);
  const full = oneExample ? [1, ...shape] : shape;
  checkShape(full, info, shape);
  return toTensor(flat, full, info);
}

function nestedShape(value: NestedArray, info: TensorInfo): number[] {
  const shape: number[] = [];
  let level: unknown = value;
  while (Array.isArray(level) || isNumericArray(level)) {
    shape.push(level.length);
    if (level.length === 0) throw wrong(info, "an empty array");
    level = level[0];
  }
  return shape;
}

function flatten(
  value: unknown,
  shape: readonly number[],
  axis: number,
  flat: (number | boolean | bigint)[],
  info: TensorInfo,
): void {
  if (axis === shape.length) {
    if (Array.isArray(value) || isNumericArray(value)) throw wrong(info, "arrays nested to different depths");
    flat.push(value as number);
    return;
  }
  if (!Array.isArray(value) && !isNumericArray(value)) throw wrong(info, "arrays nested to different depths");
  if (value.length !== shape[axis]) {
    throw wrong(info, `rows of different lengths (${shape[axis]} and ${value.length})`);
  }
  for (const item of value) flatten(item, shape, axis + 1, flat, info);
}

/** The shape of a flat array: at most one dimension can be told from its length. */
function inferShape(length: number, info: TensorInfo): number[] {
  const expected = info.shape;
  const given = `${length} values`;
  if (length === 0) throw wrong(info, "no values");
  if (expected === null) throw wrong(info, `${given} without a shape: pass { data, shape }`);
  const known = sizeOf(expected.map((size) => size ?? 1));
  const open = expected.filter((size) => size === null).length;
  // Several unknown sizes, the first of which is the batch: one example may fix nothing more.
  if (open > 1)
    throw wrong(info, `${given} without a shape, which has several unknown sizes: pass { data, shape }`);
  if (open === 0 && length !== known) throw wrong(info, given);
  if (open === 1 && length % known !== 0) throw wrong(info, given);
  return expected.map((size) => size ?? length / known);
}

function checkShape(shape: readonly number[], info: TensorInfo, given = shape): void {
  const expected = info.shape;
  if (expected !== null) {
    const fits =
      shape.length === expected.length &&
      expected.every((size, axis) => size === null || size === shape[axis]);
    if (!fits) throw wrong(info, `the shape ${show(given)}`);
  }
  if (sizeOf(shape) === 0) throw wrong(info, `the shape ${show(given)}, which is empty`);
}

function toTensor(
  values: NumericArray | readonly (number | boolean | bigint)[],
  shape: readonly number[],
  info: TensorInfo,
): TensorValue {
  checkShape(shape, info);
  const dtype = info.dtype as Dtype;
  return { data: convert(values, info), shape: [...shape], dtype };
}

function convert(
  values: NumericArray | readonly (number | boolean | bigint)[],
  info: TensorInfo,
): TensorData {
  const length = values.length;
  if (info.dtype === "float32") {
    if (values instanceof Float32Array) return Float32Array.from(values);
    const data = new Float32Array(length);
    for (let i = 0; i < length; i++) data[i] = toNumber(values[i], i, info);
    return data;
  }
  const isBool = info.dtype === "bool";
  const data = isBool ? new Uint8Array(length) : new Int32Array(length);
  const [low, high] = isBool ? [0, 1] : (RANGES[info.source_dtype] ?? INT32_RANGE);
  for (let i = 0; i < length; i++) {
    const value = toNumber(values[i], i, info);
    if (!Number.isInteger(value)) throw wrong(info, `${value} at element ${i}, which is no whole number`);
    if (value < low || value > high) {
      throw wrong(info, `${value} at element ${i}, which is not between ${low} and ${high}`);
    }
    data[i] = value;
  }
  return data;
}

function toNumber(value: unknown, index: number, info: TensorInfo): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  // An integer beyond what a double holds exactly is beyond int32 as well, and is refused there.
  if (typeof value === "bigint") return Number(value);
  throw wrong(info, `${nameOf(value)} at element ${index}`);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || prototype.constructor?.name === "Object";
}

function isTensorLike(value: unknown): value is TensorLike {
  return isPlainObject(value) && Object.hasOwn(value, "data") && Object.hasOwn(value, "shape");
}

function isNumericArray(value: unknown): value is NumericArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

const IMAGES = [
  "Blob",
  "ImageData",
  "ImageBitmap",
  "HTMLImageElement",
  "HTMLCanvasElement",
  "OffscreenCanvas",
  "HTMLVideoElement",
];

/** By the class's name, since an element may come from another frame, whose classes are not ours. */
function isImage(value: unknown): value is ImageSource {
  for (
    let object = value;
    typeof object === "object" && object !== null;
    object = Object.getPrototypeOf(object)
  ) {
    if (IMAGES.includes(object.constructor?.name ?? "")) return true;
  }
  return false;
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return `${value}`;
  if (typeof value === "string") return `the string ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === "object") return `a value of type ${value.constructor?.name ?? "object"}`;
  return `a value of type ${typeof value}`;
}

function show(shape: readonly (number | null)[]): string {
  return `[${shape.map((size) => size ?? "any").join(", ")}]`;
}

function describe(info: TensorInfo): string {
  const dtype = info.source_dtype in RANGES ? info.source_dtype : info.dtype;
  return info.shape === null ? `${dtype} of any shape` : `${dtype} of the shape ${show(info.shape)}`;
}

function wrong(info: TensorInfo, given: string): BundleError {
  return refuse(`the input ${JSON.stringify(info.name)} takes ${describe(info)}, but was given ${given}`);
}

function refuse(message: string): BundleError {
  return new BundleError("input", `${message}.`);
}
