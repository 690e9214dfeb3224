import { expect, test } from "vitest";
// The same file as tests/unit/test_cases.py reads: Python and TypeScript draw the same numbers.
import vectors from "../../tests/unit/mulberry32.json";
import { compareOutputs, drawInput, type GoldenInput, type GoldenOutput, mulberry32 } from "./golden.js";
import type { TensorMap } from "./protocol.js";

test("the generator gives the draws of the vectors shared with Python", () => {
  for (const { seed, draws } of vectors.draws) {
    const next = mulberry32(seed);
    expect(draws.map(next)).toEqual(draws);
  }
});

test("drawn tensors are those of the vectors shared with Python, bit for bit", () => {
  for (const { values, ...input } of vectors.tensors as unknown as (GoldenInput & { values: number[] })[]) {
    const { data } = drawInput(input);
    expect([...data]).toEqual([...Float32Array.from(values.flat().map(Number))]);
  }
});

test("float32 inputs are rounded once and stay inside their range", () => {
  const { data } = drawInput({ seed: 3, low: -2, high: 5, dtype: "float32", shape: [10, 10] });
  const next = mulberry32(3);
  expect(data[0]).toBe(Math.fround(-2 + (next() / 2 ** 32) * 7));
  expect(Math.min(...data)).toBeGreaterThanOrEqual(-2);
  expect(Math.max(...data)).toBeLessThanOrEqual(5);
});

test("integers and booleans are drawn by their own rules", () => {
  const integers = drawInput({ seed: 1, low: 0, high: 10, dtype: "int32", shape: [3] });
  expect([...integers.data]).toEqual([6, 0, 5]);
  const booleans = drawInput({ seed: 1, low: 0, high: 1, dtype: "bool", shape: [3] });
  expect([...booleans.data]).toEqual([1, 0, 1]);
});

const expected: Record<string, GoldenOutput> = {
  y: { shape: [2, 2], dtype: "float32", stride: 2, values: [1, null] },
};
const tolerance = { atol: 1e-4, rtol: 1e-4 };
const output = (values: number[], shape = [2, 2]): TensorMap => ({
  y: { data: Float32Array.from(values), shape, dtype: "float32" },
});

test("only every stride-th element is compared, and NaN equals NaN", () => {
  expect(compareOutputs(output([1.00005, 99, Number.NaN, 99]), expected, tolerance)).toBe("");
});

test("a difference beyond the tolerance, a NaN and a number in place of NaN are all told", () => {
  const problem = (values: number[]) => compareOutputs(output(values), expected, tolerance);
  expect(problem([1.001, 0, Number.NaN, 0])).toMatch(
    /^the output y differs at element 0: 1\.00\d+ in place of 1$/,
  );
  expect(problem([Number.NaN, 0, Number.NaN, 0])).toContain("NaN in place of 1");
  expect(problem([1, 0, 7, 0])).toBe("the output y differs at element 2: 7 in place of NaN");
});

test("infinities in golden.json are strings and must be met exactly", () => {
  const infinite = { y: { shape: [1], dtype: "float32" as const, stride: 1, values: ["Infinity"] } };
  expect(compareOutputs(output([Number.POSITIVE_INFINITY], [1]), infinite, tolerance)).toBe("");
  expect(compareOutputs(output([Number.NEGATIVE_INFINITY], [1]), infinite, tolerance)).toContain("differs");
});

test("a missing output, another shape and another dtype are told before any value", () => {
  expect(compareOutputs({}, expected, tolerance)).toBe("the output y is missing");
  expect(compareOutputs(output([1, 2, 3, 4], [4]), expected, tolerance)).toContain("[4] in place of [2,2]");
  const integers: TensorMap = { y: { data: new Int32Array(4), shape: [2, 2], dtype: "int32" } };
  expect(compareOutputs(integers, expected, tolerance)).toContain("int32 in place of float32");
});
