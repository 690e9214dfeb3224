/**
 * Weights from shards, one shard at a time: a tensor is made on a view of the shard it lies in, so that
 * the weights are never in memory twice.
 */

export interface QuantizationSpec {
  dtype: "uint8" | "uint16" | "float16";
  scale?: number;
  min?: number;
}

/** One weight of model.json's weights manifest. */
export interface WeightSpec {
  name: string;
  shape: number[];
  dtype: "float32" | "int32" | "bool";
  quantization?: QuantizationSpec;
}

export interface WeightsGroup {
  paths: string[];
  weights: WeightSpec[];
}

export type WeightValues = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

const BYTES = { float32: 4, int32: 4, bool: 1, uint8: 1, uint16: 2, float16: 2 } as const;

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Bytes of a weight in its shard. */
export function byteLengthOf(spec: WeightSpec): number {
  const width = BYTES[spec.quantization?.dtype ?? spec.dtype];
  if (width === undefined) throw new Error(`the weight ${spec.name} has the unknown dtype ${spec.dtype}`);
  return sizeOf(spec.shape) * width;
}

/**
 * Hands out weights as their bytes come in.
 *
 * `add` takes the shards in the order of the groups' paths and calls `emit` for each weight that is
 * complete. The values may be a view of the shard.
 */
export class WeightReader {
  readonly #groups: readonly WeightsGroup[];
  readonly #emit: (spec: WeightSpec, values: WeightValues) => void;
  #group = 0;
  #shard = 0;
  #weight = 0;
  /** The beginning of a weight that goes on in the next shard. */
  #partial: { bytes: Uint8Array<ArrayBuffer>; filled: number } | null = null;

  constructor(groups: readonly WeightsGroup[], emit: (spec: WeightSpec, values: WeightValues) => void) {
    this.#groups = groups;
    this.#emit = emit;
    this.#skipFinished();
  }

  add(shard: ArrayBuffer): void {
    const group = this.#groups[this.#group];
    if (!group) throw new Error("there are more shards than model.json names");
    let offset = 0;
    for (;;) {
      const spec = group.weights[this.#weight];
      if (!spec) break;
      const length = byteLengthOf(spec);
      const left = shard.byteLength - offset;
      if (this.#partial || length > left) {
        this.#partial ??= { bytes: new Uint8Array(length), filled: 0 };
        const taken = Math.min(left, length - this.#partial.filled);
        this.#partial.bytes.set(new Uint8Array(shard, offset, taken), this.#partial.filled);
        this.#partial.filled += taken;
        offset += taken;
        if (this.#partial.filled < length) break;
        const bytes = this.#partial.bytes;
        this.#partial = null;
        this.#emit(spec, decodeWeight(spec, bytes.buffer, 0));
      } else {
        this.#emit(spec, decodeWeight(spec, shard, offset));
        offset += length;
      }
      this.#weight += 1;
    }
    if (offset < shard.byteLength)
      throw new Error("a shard is longer than the weights that model.json names");
    this.#shard += 1;
    this.#skipFinished();
  }

  /** @throws Error where shards are missing. */
  finish(): void {
    const group = this.#groups[this.#group];
    if (group) throw new Error(`the shard ${group.paths[this.#shard]} is missing`);
  }

  #skipFinished(): void {
    for (let group = this.#groups[this.#group]; group; group = this.#groups[this.#group]) {
      if (this.#shard < group.paths.length) return;
      const spec = group.weights[this.#weight];
      if (spec) throw new Error(`the weight ${spec.name} is not complete: its shards are too short`);
      this.#group += 1;
      this.#shard = 0;
      this.#weight = 0;
    }
  }
}

/** The values of the weight that lies at `offset` of `buffer`, by TF.js's own rules for quantized weights. */
export function decodeWeight(spec: WeightSpec, buffer: ArrayBuffer, offset: number): WeightValues {
  const size = sizeOf(spec.shape);
  const { quantization } = spec;
  if (!quantization) {
    if (spec.dtype === "bool") return new Uint8Array(buffer, offset, size);
    const [source, start] = aligned(buffer, offset, size * 4, 4);
    return spec.dtype === "int32"
      ? new Int32Array(source, start, size)
      : new Float32Array(source, start, size);
  }
  const [source, start] = aligned(buffer, offset, byteLengthOf(spec), BYTES[quantization.dtype]);
  if (quantization.dtype === "float16") {
    if (spec.dtype !== "float32") throw new Error(`the weight ${spec.name} is float16 in place of float32`);
    return decodeFloat16(new Uint16Array(source, start, size));
  }
  const { scale, min } = quantization;
  if (scale === undefined || min === undefined)
    throw new Error(`the weight ${spec.name} has no scale or min`);
  const codes =
    quantization.dtype === "uint8"
      ? new Uint8Array(source, start, size)
      : new Uint16Array(source, start, size);
  if (spec.dtype === "int32") {
    const values = new Int32Array(size);
    for (let i = 0; i < size; i++) values[i] = Math.round(codes[i]! * scale + min);
    return values;
  }
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = codes[i]! * scale + min;
  return values;
}

/** A typed array's view must be aligned; only bytes that are not are copied. */
function aligned(buffer: ArrayBuffer, offset: number, length: number, width: number): [ArrayBuffer, number] {
  if (offset % width === 0) return [buffer, offset];
  return [buffer.slice(offset, offset + length), 0];
}

/** IEEE half precision to float32, exactly. */
export function decodeFloat16(codes: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    const sign = code & 0x8000 ? -1 : 1;
    const exponent = (code >> 10) & 0x1f;
    const fraction = code & 0x3ff;
    if (exponent === 0) values[i] = sign * fraction * 2 ** -24;
    else if (exponent === 31) values[i] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else values[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return values;
}
