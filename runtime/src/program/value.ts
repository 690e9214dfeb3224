/** Tensors as the program computes with them, and what its ops share. */

import type { ByteString } from "../text/bytes.js";

export type NumberDtype = "float32" | "int32" | "int64" | "bool";
export type ValueDtype = NumberDtype | "string";

/**
 * Numbers in C order: bool is 0 and 1, and int64 are whole numbers that a double holds exactly, but for the
 * extremes of int64, which stand for "no number" and are as far away here.
 */
export interface NumberValue {
  readonly dtype: NumberDtype;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** TensorFlow's strings are bytes. */
export interface StringValue {
  readonly dtype: "string";
  readonly shape: readonly number[];
  readonly data: ArrayLike<ByteString>;
}

export type Value = NumberValue | StringValue;

/** An op's plain attributes, by TensorFlow's names. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Computes one node: its inputs in order to its outputs in order. */
export type Op = (inputs: readonly Value[], attributes: Attributes, dtypes: readonly ValueDtype[]) => Value[];

/** What the caller passed to `predict` is not what the model takes. */
export class InputError extends Error {
  readonly code = "input";
}

export function numbers(dtype: NumberDtype, shape: readonly number[], data: ArrayLike<number>): NumberValue {
  return { dtype, shape, data };
}

export function strings(shape: readonly number[], data: ArrayLike<ByteString>): StringValue {
  return { dtype: "string", shape, data };
}

/** `data` with the dtype and kind of `like`. */
export function same(like: Value, shape: readonly number[], data: ArrayLike<number | ByteString>): Value {
  return { dtype: like.dtype, shape, data } as Value;
}

export function asStrings(value: Value | undefined): StringValue {
  if (value?.dtype !== "string") throw new Error(`strings are expected, not ${value?.dtype}`);
  return value;
}

export function asNumbers(value: Value | undefined): NumberValue {
  if (value === undefined || value.dtype === "string") {
    throw new Error(`numbers are expected, not ${value?.dtype}`);
  }
  return value;
}

/** The single number of a tensor. */
export function scalar(value: Value | undefined): number {
  const { data } = asNumbers(value);
  if (data.length !== 1) throw new Error(`one number is expected, not ${data.length}`);
  return data[0]!;
}

export function list(value: Value | undefined): number[] {
  return Array.from(asNumbers(value).data);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** How far apart neighbours along each axis are. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

export function axisOf(axis: number, rank: number): number {
  const found = axis < 0 ? axis + rank : axis;
  if (!(found >= 0 && found < Math.max(rank, 1))) throw new Error(`there is no axis ${axis} of ${rank}`);
  return found;
}

/** The shape that two shapes broadcast to, by numpy's rule. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new Error(`the shapes [${a}] and [${b}] do not fit each other`);
    }
    return left === 1 ? right : left;
  });
}

/** Where the element of each place of `shape` stands in a tensor of the shape `from`, broadcast. */
export function broadcastIndices(from: readonly number[], shape: readonly number[]): (at: number) => number {
  const size = sizeOf(from);
  if (size === 1) return () => 0;
  if (from.length === shape.length && from.every((each, axis) => each === shape[axis])) return (at) => at;
  const own = stridesOf(from);
  const offset = shape.length - from.length;
  const steps = shape.map((_, axis) => {
    const each = from[axis - offset];
    return each === undefined || each === 1 ? 0 : own[axis - offset]!;
  });
  const strides = stridesOf(shape);
  return (at) => {
    let rest = at;
    let found = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const index = Math.floor(rest / strides[axis]!);
      rest -= index * strides[axis]!;
      found += index * steps[axis]!;
    }
    return found;
  };
}

/** The elements of `value` at `indices`, in a new shape. */
export function take(value: Value, shape: readonly number[], indices: ArrayLike<number>): Value {
  const data = new Array<number | ByteString>(indices.length);
  for (let i = 0; i < indices.length; i++) data[i] = value.data[indices[i]!]!;
  return same(value, shape, data);
}
