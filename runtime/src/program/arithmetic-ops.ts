/** Arithmetic, comparisons, reductions and counting, in TensorFlow's dtypes. */

import type { ByteString } from "../text/bytes.js";
import {
  asNumbers,
  axisOf,
  broadcastIndices,
  broadcastShape,
  InputError,
  list,
  type NumberDtype,
  numbers,
  type Op,
  scalar,
  sizeOf,
  stridesOf,
  strings,
  type Value,
} from "./value.js";

/** What an operation on exact numbers gives, in the dtype's own width. */
function narrow(value: number, dtype: NumberDtype): number {
  if (dtype === "float32") return Math.fround(value);
  if (dtype === "int32") return value | 0;
  if (dtype === "bool") return value ? 1 : 0;
  return value + 0; // no negative zero
}

/** Of whole numbers that are exact, what is no longer exact is no result. */
function exact(value: number, a: number, b: number, dtype: NumberDtype): number {
  if (
    dtype === "int64" &&
    !Number.isSafeInteger(value) &&
    Number.isSafeInteger(a) &&
    Number.isSafeInteger(b)
  ) {
    throw new InputError("a number is larger than 2^53, which cannot be computed with exactly");
  }
  return narrow(value, dtype);
}

type Two = (a: number, b: number, dtype: NumberDtype) => number;

function binary(work: Two): Op {
  return ([left, right], _, [dtype]) => {
    const a = asNumbers(left);
    const b = asNumbers(right);
    const shape = broadcastShape(a.shape, b.shape);
    const [i, j] = [broadcastIndices(a.shape, shape), broadcastIndices(b.shape, shape)];
    const data = new Float64Array(sizeOf(shape));
    for (let at = 0; at < data.length; at++) {
      data[at] = work(a.data[i(at)]!, b.data[j(at)]!, dtype as NumberDtype);
    }
    return [numbers(dtype as NumberDtype, shape, data)];
  };
}

function compared(work: (a: number | ByteString, b: number | ByteString) => boolean): Op {
  return ([a, b]) => {
    const shape = broadcastShape(a!.shape, b!.shape);
    const [i, j] = [broadcastIndices(a!.shape, shape), broadcastIndices(b!.shape, shape)];
    const data = new Uint8Array(sizeOf(shape));
    for (let at = 0; at < data.length; at++) data[at] = work(a!.data[i(at)]!, b!.data[j(at)]!) ? 1 : 0;
    return [numbers("bool", shape, data)];
  };
}

function unary(work: (value: number, dtype: NumberDtype) => number): Op {
  return ([input]) => {
    const { dtype, shape, data } = asNumbers(input);
    return [
      numbers(
        dtype,
        shape,
        Float64Array.from(data, (value) => narrow(work(value, dtype), dtype)),
      ),
    ];
  };
}

const add = binary((a, b, dtype) => exact(a + b, a, b, dtype));

const concatenateOrAdd: Op = (inputs, attributes, dtypes) => {
  const [left, right] = inputs;
  if (left?.dtype !== "string" || right?.dtype !== "string") return add(inputs, attributes, dtypes);
  const shape = broadcastShape(left.shape, right.shape);
  const [i, j] = [broadcastIndices(left.shape, shape), broadcastIndices(right.shape, shape)];
  const join = (_: unknown, at: number) => left.data[i(at)]! + right.data[j(at)]!;
  return [strings(shape, Array.from({ length: sizeOf(shape) }, join))];
};

function floorDiv(a: number, b: number, dtype: NumberDtype): number {
  if (dtype !== "float32" && b === 0) throw new InputError("a whole number is divided by zero");
  if (dtype === "float32") return Math.fround(Math.floor(Math.fround(a / b)));
  return narrow((a - floorMod(a, b, dtype)) / b, dtype);
}

function floorMod(a: number, b: number, dtype: NumberDtype): number {
  if (dtype !== "float32" && b === 0) throw new InputError("a whole number is divided by zero");
  const rest = a % b;
  return narrow(rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest, dtype);
}

function cast(value: number, from: NumberDtype, to: NumberDtype): number {
  if (to === "bool") return value === 0 ? 0 : 1;
  if (to === "float32") return Math.fround(value);
  const whole = from === "float32" ? Math.trunc(value) + 0 : value;
  if (to === "int64" || (whole >= -(2 ** 31) && whole < 2 ** 31)) return whole;
  // x86 gives the smallest number for what does not fit; from int64 the low 32 bits are kept
  return from === "float32" ? -(2 ** 31) : Number(BigInt.asIntN(32, BigInt(whole)));
}

/** Which elements each element of a reduction is made of. */
export function reduceAxes(
  value: Value,
  axes: readonly number[],
  keep: boolean,
): { shape: number[]; groups: number[][] } {
  const rank = value.shape.length;
  const reduced = new Set(axes.map((axis) => axisOf(axis, rank)));
  const strides = stridesOf(value.shape);
  const kept = value.shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
  const outer = stridesOf(kept);
  const groups: number[][] = Array.from({ length: sizeOf(kept) }, () => []);
  for (let at = 0; at < value.data.length; at++) {
    let rest = at;
    let group = 0;
    for (let axis = 0; axis < rank; axis++) {
      const index = Math.floor(rest / strides[axis]!);
      rest -= index * strides[axis]!;
      if (!reduced.has(axis)) group += index * outer[axis]!;
    }
    groups[group]!.push(at);
  }
  return { shape: keep ? kept : kept.filter((_, axis) => !reduced.has(axis)), groups };
}

function reduced(start: (dtype: NumberDtype) => number, work: Two): Op {
  return ([input, axes], attributes) => {
    const value = asNumbers(input);
    const { dtype, data } = value;
    const { shape, groups } = reduceAxes(value, list(axes), attributes.keep_dims === true);
    return [
      numbers(
        dtype,
        shape,
        Float64Array.from(groups, (group) =>
          group.reduce((result, at) => work(result, data[at]!, dtype), start(dtype)),
        ),
      ),
    ];
  };
}

const LIMITS: Record<NumberDtype, number> = {
  float32: Number.POSITIVE_INFINITY,
  int32: 2 ** 31 - 1,
  int64: 2 ** 63,
  bool: 1,
};

function lowest(dtype: NumberDtype): number {
  if (dtype === "bool") return 0;
  return dtype === "int32" ? -(2 ** 31) : -LIMITS[dtype];
}

const cumsum: Op = ([input, axis], attributes) => {
  const { dtype, shape, data } = asNumbers(input);
  const along = axisOf(scalar(axis), shape.length);
  const step = stridesOf(shape)[along]!;
  const length = shape[along]!;
  const result = new Float64Array(data.length);
  for (let at = 0; at < data.length; at++) {
    if (Math.floor(at / step) % length !== 0) continue;
    let sum = 0;
    for (let index = 0; index < length; index++) {
      const place = at + step * (attributes.reverse === true ? length - 1 - index : index);
      const next = exact(sum + data[place]!, sum, data[place]!, dtype);
      result[place] = attributes.exclusive === true ? sum : next;
      sum = next;
    }
  }
  return [numbers(dtype, shape, result)];
};

/** Count values from 0 to `size` - 1 per row; others are left out, as TensorFlow does. */
function count(
  rows: readonly (readonly [number, number])[],
  values: Value | undefined,
  size: number,
  weights: Value | undefined,
  binaryOutput: boolean,
  dtype: NumberDtype,
): Float64Array {
  const { data } = asNumbers(values);
  const each = asNumbers(weights).data;
  const result = new Float64Array(rows.length * size);
  rows.forEach(([from, to], row) => {
    for (let at = from; at < to; at++) {
      const value = data[at]!;
      if (value < 0) throw new InputError(`${value} is counted, which is not a class`);
      if (value >= size) continue;
      const place = row * size + value;
      if (binaryOutput) result[place] = 1;
      else result[place] = narrow(result[place]! + (each.length > 0 ? each[at]! : 1), dtype);
    }
  });
  return result;
}

const denseBincount: Op = ([input, size, weights], attributes, [dtype]) => {
  const { shape, data } = asNumbers(input);
  const width = scalar(size);
  const row = shape.length === 2 ? shape[1]! : data.length;
  const many = shape.length === 2 ? shape[0]! : 1;
  const rows = Array.from({ length: many }, (_, at) => [at * row, (at + 1) * row] as const);
  const counted = count(rows, input, width, weights, attributes.binary_output === true, dtype as NumberDtype);
  return [numbers(dtype as NumberDtype, shape.length === 2 ? [many, width] : [width], counted)];
};

const raggedBincount: Op = ([splits, values, size, weights], attributes, [dtype]) => {
  const ends = list(splits);
  const width = scalar(size);
  const rows = ends.slice(1).map((end, row) => [ends[row]!, end] as const);
  const counted = count(
    rows,
    values,
    width,
    weights,
    attributes.binary_output === true,
    dtype as NumberDtype,
  );
  return [numbers(dtype as NumberDtype, [rows.length, width], counted)];
};

/** The number of boundaries that are not greater; NaN is in the last bucket. */
const bucketize: Op = ([input], attributes) => {
  const { shape, data } = asNumbers(input);
  const boundaries = (attributes.boundaries as number[]).map(Math.fround);
  const bucket = (value: number): number => {
    let [low, high] = [0, boundaries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value < boundaries[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  return [numbers("int32", shape, Float64Array.from(data, bucket))];
};

export const ARITHMETIC_OPS: Readonly<Record<string, Op>> = {
  Abs: unary(Math.abs),
  Add: concatenateOrAdd,
  AddV2: concatenateOrAdd,
  All: reduced(
    () => 1,
    (a, b) => (a && b ? 1 : 0),
  ),
  Any: reduced(
    () => 0,
    (a, b) => (a || b ? 1 : 0),
  ),
  Bincount: denseBincount,
  Bucketize: bucketize,
  Cast: ([input], _, [dtype]) => {
    const { dtype: from, shape, data } = asNumbers(input);
    const to = dtype as NumberDtype;
    return [
      numbers(
        to,
        shape,
        Float64Array.from(data, (value) => cast(value, from, to)),
      ),
    ];
  },
  Cumsum: cumsum,
  DenseBincount: denseBincount,
  Equal: compared((a, b) => a === b),
  FloorDiv: binary(floorDiv),
  FloorMod: binary(floorMod),
  Greater: compared((a, b) => a > b),
  GreaterEqual: compared((a, b) => a >= b),
  Less: compared((a, b) => a < b),
  LessEqual: compared((a, b) => a <= b),
  LogicalAnd: binary((a, b) => (a && b ? 1 : 0)),
  LogicalNot: unary((value) => (value ? 0 : 1)),
  LogicalOr: binary((a, b) => (a || b ? 1 : 0)),
  Max: reduced(lowest, (a, b) => (Number.isNaN(a) || b <= a ? a : b)),
  Maximum: binary((a, b, dtype) => narrow(Math.max(a, b), dtype)),
  Min: reduced(
    (dtype) => LIMITS[dtype],
    (a, b) => (Number.isNaN(a) || b >= a ? a : b),
  ),
  Minimum: binary((a, b, dtype) => narrow(Math.min(a, b), dtype)),
  Mul: binary((a, b, dtype) => (dtype === "int32" ? Math.imul(a, b) : exact(a * b, a, b, dtype))),
  Neg: unary((value) => -value),
  NotEqual: compared((a, b) => a !== b),
  Prod: reduced(
    () => 1,
    (a, b, dtype) => (dtype === "int32" ? Math.imul(a, b) : exact(a * b, a, b, dtype)),
  ),
  RaggedBincount: raggedBincount,
  RealDiv: binary((a, b, dtype) => narrow(a / b, dtype)),
  Sub: binary((a, b, dtype) => exact(a - b, a, b, dtype)),
  Sum: reduced(
    () => 0,
    (a, b, dtype) => exact(a + b, a, b, dtype),
  ),
};
