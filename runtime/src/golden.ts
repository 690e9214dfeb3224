/** The self-check's cases, golden.json: inputs drawn as in Python, outputs compared with what Keras gave. */

import type { Dtype, TensorMap, TensorValue } from "./protocol.js";

export interface GoldenInput {
  seed: number;
  low: number;
  high: number;
  dtype: Dtype;
  shape: number[];
}

export interface GoldenOutput {
  shape: number[];
  dtype: Dtype;
  /** Every how many elements of the flattened tensor `values` has one, beginning with the first. */
  stride: number;
  /** JSON has no NaN and no Infinity: they are strings, or null for NaN. */
  values: (number | string | null)[];
}

export interface Golden {
  atol: number;
  rtol: number;
  cases: { inputs: Record<string, GoldenInput>; outputs: Record<string, GoldenOutput> }[];
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
export function drawInput({ seed, low, high, dtype, shape }: GoldenInput): TensorValue {
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

/** Draw every input of a case. */
export function drawInputs(inputs: Record<string, GoldenInput>): TensorMap {
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, drawInput(input)]));
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
