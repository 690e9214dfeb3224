/** The self-check's cases, golden.json: inputs drawn as in Python, outputs compared with what Keras gave. */

import type { Dtype, NumberTensor, TensorMap, TensorValue } from "./protocol.js";

/** An input that is drawn. */
export interface GoldenInput {
  seed: number;
  low: number;
  high: number;
  dtype: Dtype;
  shape: number[];
}

/** An input that is written out: text, and keys of a vocabulary. */
export interface LiteralInput {
  dtype: Dtype | "string";
  shape: number[];
  values: (string | number)[];
}

export interface GoldenOutput {
  shape: number[];
  dtype: Dtype | "string";
  /** Every how many elements of the flattened tensor `values` has one, beginning with the first. */
  stride: number;
  /** JSON has no NaN and no Infinity: as numbers they are strings, or null for NaN. */
  values: (number | string | null)[];
}

export interface Golden {
  atol: number;
  rtol: number;
  cases: { inputs: Record<string, GoldenInput | LiteralInput>; outputs: Record<string, GoldenOutput> }[];
}

/** mulberry32: a stream of uint32 from a uint32 seed, the same in every language. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Draw the tensor that `input` describes, one draw per element in C order. */
export function drawInput({ seed, low, high, dtype, shape }: GoldenInput): NumberTensor {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  const next = mulberry32(seed);
  const unit = () => next() / 2 ** 32;
  if (dtype === "float32") {
    const data = new Float32Array(size);
    for (let i = 0; i < size; i++) data[i] = low + unit() * (high - low);
    return { data, shape: [...shape], dtype };
  }
  if (dtype === "int32") {
    const data = new Int32Array(size);
    for (let i = 0; i < size; i++) data[i] = Math.floor(low + unit() * (high - low));
    return { data, shape: [...shape], dtype };
  }
  const data = new Uint8Array(size);
  for (let i = 0; i < size; i++) data[i] = unit() >= 0.5 ? 1 : 0;
  return { data, shape: [...shape], dtype };
}

/** The tensor that `input` writes out; whole numbers beyond int32 as the program takes them. */
export function literalInput({ dtype, shape, values }: LiteralInput): TensorValue {
  if (dtype === "string") return { data: values.map(String), shape: [...shape], dtype };
  const numbers = values.map(Number);
  if (dtype === "float32") return { data: Float32Array.from(numbers), shape: [...shape], dtype };
  if (dtype === "bool") return { data: Uint8Array.from(numbers), shape: [...shape], dtype };
  const wide = numbers.some((value) => value !== (value | 0));
  return { data: wide ? Float64Array.from(numbers) : Int32Array.from(numbers), shape: [...shape], dtype };
}

/** Every input of a case, drawn or written out. */
export function drawInputs(inputs: Record<string, GoldenInput | LiteralInput>): TensorMap {
  const tensors = Object.entries(inputs).map(
    ([name, input]) => [name, "values" in input ? literalInput(input) : drawInput(input)] as const,
  );
  return Object.fromEntries(tensors);
}

/** Return what is wrong with `actual`, in a few words, or `""` where it is what the case expects. */
export function compareOutputs(
  actual: TensorMap,
  expected: Record<string, GoldenOutput>,
  { atol, rtol }: Pick<Golden, "atol" | "rtol">,
): string {
  for (const [name, wanted] of Object.entries(expected)) {
    const given = actual[name];
    if (!given) return `the output ${name} is missing`;
    if (given.dtype !== wanted.dtype)
      return `the output ${name} is ${given.dtype} in place of ${wanted.dtype}`;
    if (given.shape.join() !== wanted.shape.join()) {
      return `the output ${name} has the shape [${given.shape}] in place of [${wanted.shape}]`;
    }
    if (wanted.values.length !== Math.ceil(given.data.length / wanted.stride)) {
      return `the output ${name} has ${given.data.length} elements, which golden.json does not fit`;
    }
    for (const [index, stored] of wanted.values.entries()) {
      if (given.dtype === "string") {
        if (given.data[index * wanted.stride] === stored) continue;
        return `the output ${name} has another text at element ${index * wanted.stride}`;
      }
      const reference = stored === null ? Number.NaN : Number(stored);
      const value = given.data[index * wanted.stride]!;
      if (Object.is(value, reference) || value === reference) continue;
      // Near infinity any tolerance is infinite too; NaN is near nothing.
      if (
        !Number.isFinite(reference) ||
        !(Math.abs(value - reference) <= atol + rtol * Math.abs(reference))
      ) {
        return `the output ${name} differs at element ${index * wanted.stride}: ${value} in place of ${reference}`;
      }
    }
  }
  return "";
}
