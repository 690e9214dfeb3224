import { expect, test } from "vitest";
import {
  byteLengthOf,
  decodeFloat16,
  decodeWeight,
  WeightReader,
  type WeightSpec,
  type WeightValues,
} from "./weights.js";

const float = (name: string, ...shape: number[]): WeightSpec => ({ name, shape, dtype: "float32" });
const bytes = (values: ArrayBufferView<ArrayBuffer>) =>
  values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength);

function readAll(groups: { paths: string[]; weights: WeightSpec[] }[], shards: ArrayBuffer[]) {
  const read: Record<string, WeightValues> = {};
  const reader = new WeightReader(groups, (spec, values) => {
    read[spec.name] = values;
  });
  for (const shard of shards) reader.add(shard);
  reader.finish();
  return read;
}

test("a weight inside one shard is a view of it, not a copy", () => {
  const shard = bytes(Float32Array.of(1, 2, 3, 4, 5, 6));
  const read = readAll([{ paths: ["a"], weights: [float("x", 2), float("y", 2, 2)] }], [shard]);
  expect([...read.y!]).toEqual([3, 4, 5, 6]);
  expect(read.x!.buffer).toBe(shard);
  expect(read.y!.buffer).toBe(shard);
});

test("every way to cut the bytes into shards gives the same weights", () => {
  const all = bytes(Float32Array.from({ length: 9 }, (_, index) => index + 0.5));
  const weights = [float("x", 4), float("scalar"), float("y", 2, 2)];
  for (let first = 0; first <= 36; first++) {
    for (const second of [first, 20, 36]) {
      if (second < first) continue;
      const shards = [all.slice(0, first), all.slice(first, second), all.slice(second)];
      const read = readAll([{ paths: ["a", "b", "c"], weights }], shards);
      expect([...read.x!, ...read.scalar!, ...read.y!]).toEqual([...new Float32Array(all)]);
    }
  }
});

test("groups follow one another and one may be without weights or without shards", () => {
  const groups = [
    { paths: [], weights: [] },
    { paths: ["a"], weights: [float("x", 1)] },
    { paths: ["b"], weights: [float("y", 1)] },
  ];
  const read = readAll(groups, [bytes(Float32Array.of(1)), bytes(Float32Array.of(2))]);
  expect([...read.x!, ...read.y!]).toEqual([1, 2]);
});

test("float32 behind one bool is copied to where it is aligned", () => {
  const shard = new Uint8Array([1, ...new Uint8Array(Float32Array.of(7, 8).buffer)]).buffer;
  const weights: WeightSpec[] = [{ name: "flag", shape: [1], dtype: "bool" }, float("x", 2)];
  const read = readAll([{ paths: ["a"], weights }], [shard]);
  expect([...read.flag!]).toEqual([1]);
  expect([...read.x!]).toEqual([7, 8]);
});

test("missing, short and long shards are errors", () => {
  const group = [{ paths: ["a.bin", "b.bin"], weights: [float("x", 3)] }];
  expect(() => readAll(group, [bytes(Float32Array.of(1))])).toThrow("the shard b.bin is missing");
  expect(() => readAll(group, [bytes(Float32Array.of(1)), bytes(Float32Array.of(2))])).toThrow(
    "the weight x is not complete",
  );
  expect(() => readAll(group, [bytes(Float32Array.of(1, 2, 3, 4))])).toThrow("longer than the weights");
  expect(() => readAll([], [new ArrayBuffer(4)])).toThrow("more shards than model.json names");
});

test("quantized weights are decoded as TF.js does it: in double precision, rounded once", () => {
  const quantization = { dtype: "uint8" as const, scale: 0.1, min: -3.7 };
  const spec: WeightSpec = { name: "w", shape: [3], dtype: "float32", quantization };
  expect(byteLengthOf(spec)).toBe(3);
  const values = decodeWeight(spec, Uint8Array.of(0, 37, 255).buffer, 0);
  expect([...values]).toEqual([0, 37, 255].map((code) => Math.fround(code * 0.1 - 3.7)));
});

test("quantized int32 weights are rounded, and uint16 codes are read at odd places too", () => {
  const quantization = { dtype: "uint16" as const, scale: 0.5, min: 1 };
  const spec: WeightSpec = { name: "w", shape: [2], dtype: "int32", quantization };
  const codes = new Uint8Array([0, ...new Uint8Array(Uint16Array.of(3, 65535).buffer)]);
  const values = decodeWeight(spec, codes.buffer, 1);
  expect(values).toBeInstanceOf(Int32Array);
  expect([...values]).toEqual([Math.round(2.5), Math.round(32768.5)]);
});

test("every float16 that a DataView can check decodes exactly", () => {
  const known: [number, number][] = [
    [0x0000, 0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0xc000, -2],
    [0x7e00, Number.NaN],
  ];
  const decoded = decodeFloat16(Uint16Array.from(known.map(([code]) => code)));
  expect([...decoded]).toEqual(known.map(([, value]) => value));
  expect(Object.is(decodeFloat16(Uint16Array.of(0x8000))[0], -0)).toBe(true);
});

test("a quantized weight without its scale is an error", () => {
  const spec = { name: "w", shape: [1], dtype: "float32", quantization: { dtype: "uint8" } } as WeightSpec;
  expect(() => decodeWeight(spec, new ArrayBuffer(1), 0)).toThrow("the weight w has no scale or min");
});
