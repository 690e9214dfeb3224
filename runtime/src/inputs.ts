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

export type NestedArray = readonly (number | boolean | bigint | string | NestedArray)[];

/** A tensor as the caller writes it; `data` in C order. */
export interface TensorLike {
  data: NumericArray | readonly (number | boolean | bigint | string)[];
  shape: readonly number[];
  dtype?: string;
}

/** What one input takes. */
export type InputValue = TensorLike | NumericArray | NestedArray | number | boolean | string | ImageSource;

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

/** Where a preprocessing program takes them, whole numbers are exact up to here. */
const WIDE_RANGES: Record<string, [number, number]> = {
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint32: [0, 4294967295],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

/** Whether an input goes into the bundle's preprocessing program. */
function isProgram(schema: unknown): boolean {
  return (schema as { kind?: string } | undefined)?.kind === "program";
}

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
  if (value === undefined || value === null) throw wrong(info, `${value}`);
  if (info.dtype === "string") return readStrings(value, info);
  if (info.dtype !== "float32" && info.dtype !== "int32" && info.dtype !== "bool") {
    throw new BundleError("unsupported", `the input ${JSON.stringify(info.name)} takes ${info.dtype}.`);
  }
  if (isImage(value)) return readImage(value, info, schema, decode);
  const wide = isProgram(schema);
  if (isTensorLike(value)) {
    const { data, shape } = readTensorLike(value, info);
    return toTensor(data, shape, info, wide);
  }
  if (isNumericArray(value)) return toTensor(value, inferShape(value.length, info), info, wide);
  if (Array.isArray(value)) {
    const { data, shape } = readNested(value, info);
    return toTensor(data, shape, info, wide);
  }
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") {
    const shape = shapeOfOne(info);
    if (shape) return toTensor([value], shape, info, wide);
    throw wrong(info, `the single value ${value}`);
  }
  throw wrong(info, nameOf(value));
}

/** A string, an array of strings however nested, or `{ data, shape }`. */
function readStrings(value: unknown, info: TensorInfo): TensorValue {
  if (typeof value === "string") {
    const shape = shapeOfOne(info);
    if (!shape) throw wrong(info, "a single string");
    return { data: [value], shape, dtype: "string" };
  }
  let given: { data: Values; shape: number[] };
  if (isTensorLike(value)) given = readTensorLike(value, info);
  else if (Array.isArray(value)) given = readNested(value, info);
  else throw wrong(info, nameOf(value));
  const data = Array.from(given.data as ArrayLike<unknown>, (each, index) => {
    if (typeof each !== "string") throw wrong(info, `${nameOf(each)} at element ${index}`);
    return each;
  });
  return { data, shape: given.shape, dtype: "string" };
}

/** The shape that one value alone can have: a single size of each axis, and one example in the batch. */
function shapeOfOne(info: TensorInfo): number[] | null {
  const shape = info.shape ?? [];
  return shape.every((size) => size === null || size === 1) ? shape.map(() => 1) : null;
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

type Values = NumericArray | readonly (number | boolean | bigint | string)[];

function readTensorLike(value: TensorLike, info: TensorInfo): { data: Values; shape: number[] } {
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
  return { data, shape: [...shape] };
}

function readNested(value: NestedArray, info: TensorInfo): { data: Values; shape: number[] } {
  const shape = nestedShape(value, info);
  const flat: (number | boolean | bigint | string)[] = [];
  flatten(value, shape, 0, flat, info);
  // One example may be given without the batch's axis.
  const expected = info.shape;
  const oneExample =
    expected !== null && expected.length === shape.length + 1 && (expected[0] === null || expected[0] === 1);
  // Values in a row are examples where each example is one value.
  const columns = shape.length === 1 && expected?.length === 2 && expected[1] === 1;
  const full = columns ? [...shape, 1] : oneExample ? [1, ...shape] : shape;
  checkShape(full, info, shape);
  return { data: flat, shape: full };
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
  flat: (number | boolean | bigint | string)[],
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

function toTensor(values: Values, shape: readonly number[], info: TensorInfo, wide = false): TensorValue {
  checkShape(shape, info);
  const dtype = info.dtype as Dtype;
  return { data: convert(values, info, wide), shape: [...shape], dtype };
}

/** @param wide whether whole numbers beyond int32 will do. */
function convert(values: Values, info: TensorInfo, wide: boolean): TensorData {
  const length = values.length;
  if (info.dtype === "float32") {
    if (values instanceof Float32Array) return new Float32Array(values);
    const data = new Float32Array(length);
    for (let i = 0; i < length; i++) data[i] = toNumber(values[i], i, info);
    return data;
  }
  const isBool = info.dtype === "bool";
  const data = isBool ? new Uint8Array(length) : new Float64Array(length);
  const range = (wide ? WIDE_RANGES[info.source_dtype] : undefined) ?? RANGES[info.source_dtype];
  const [low, high] = isBool ? [0, 1] : (range ?? INT32_RANGE);
  for (let i = 0; i < length; i++) {
    const value = toNumber(values[i], i, info);
    if (!Number.isInteger(value)) throw wrong(info, `${value} at element ${i}, which is no whole number`);
    if (value < low || value > high) {
      throw wrong(info, `${value} at element ${i}, which is not between ${low} and ${high}`);
    }
    data[i] = value;
  }
  if (isBool) return data;
  return data.every((value) => value === (value | 0)) ? Int32Array.from(data) : data;
}

function toNumber(value: unknown, index: number, info: TensorInfo): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  // An integer beyond what a double holds exactly is beyond every range, and is refused there.
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
