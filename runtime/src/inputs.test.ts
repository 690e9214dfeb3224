import { expect, test } from "vitest";
import { BundleError } from "./errors.js";
import { readInputs } from "./inputs.js";
import type { TensorInfo } from "./manifest.js";

type Shape = TensorInfo["shape"];
const info = (name: string, shape: Shape, dtype = "float32", source_dtype = dtype): TensorInfo => ({
  name,
  shape,
  dtype,
  source_dtype,
});
const X = info("x", [null, 3]);

const read = (given: unknown, ...signature: TensorInfo[]) => readInputs(given, signature);
const refusal = async (given: unknown, ...signature: TensorInfo[]) => {
  const error = await read(given, ...signature).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BundleError);
  expect((error as BundleError).code).toBe("input");
  return (error as BundleError).message;
};

test("the same tensor may be written in four ways", async () => {
  const ways = [
    { data: [1, 2, 3, 4, 5, 6], shape: [2, 3] },
    { data: Float64Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3], dtype: "float32" },
    Float32Array.of(1, 2, 3, 4, 5, 6),
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)],
  ];
  for (const way of ways) {
    const expected = { x: { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3], dtype: "float32" } };
    expect(await read(way, X)).toEqual(expected);
    expect(await read({ x: way }, X)).toEqual(expected);
  }
});

test("one example may be given without the batch's axis", async () => {
  expect((await read([1, 2, 3], X)).x!.shape).toEqual([1, 3]);
  expect((await read(new Float32Array(3), X)).x!.shape).toEqual([1, 3]);
});

test("an input called data is not taken for a tensor's data", async () => {
  const data = info("data", [null, 2]);
  expect((await read({ data: [[1, 2]] }, data)).data!.shape).toEqual([1, 2]);
  expect((await read({ data: [1, 2], shape: [1, 2] }, data)).data!.shape).toEqual([1, 2]);
});

test("the caller's array is copied", async () => {
  const given = Float32Array.of(1, 2, 3);
  const { x } = await read(given, X);
  expect((x!.data as Float32Array).buffer).not.toBe(given.buffer);
});

test("NaN and infinities are numbers like any other", async () => {
  const { x } = await read([Number.NaN, Number.POSITIVE_INFINITY, -0], X);
  expect([...x!.data]).toEqual([Number.NaN, Number.POSITIVE_INFINITY, -0]);
});

test("an input that has no name, or none that is known, is told with the names there are", async () => {
  const Y = info("y", [null, 1]);
  expect(await refusal({ x: [1, 2, 3] }, X, Y)).toBe(
    'input: the input "y" is missing; it takes float32 of the shape [any, 1].',
  );
  expect(await refusal({ z: 1 }, X)).toBe('input: the model has no input "z"; its inputs are "x".');
  expect(await refusal([1], X, Y)).toContain('the model has 2 inputs ("x", "y")');
  expect(await refusal(undefined, X)).toContain("but was given undefined");
});

test("a wrong rank or shape is told with what was expected and given", async () => {
  const start = 'input: the input "x" takes float32 of the shape [any, 3], but was given ';
  expect(await refusal({ data: [1, 2], shape: [1, 2] }, X)).toBe(`${start}the shape [1, 2].`);
  expect(await refusal([[[1, 2, 3]]], X)).toBe(`${start}the shape [1, 1, 3].`);
  expect(await refusal(new Float32Array(4), X)).toBe(`${start}4 values.`);
  expect(await refusal({ data: [1, 2], shape: [1, 3] }, X)).toBe(
    `${start}2 values for the shape [1, 3], which has 3.`,
  );
  expect(await refusal({ data: [], shape: [0, 3] }, X)).toBe(`${start}the shape [0, 3], which is empty.`);
  expect(await refusal([[1, 2, 3], [4]], X)).toBe(`${start}rows of different lengths (3 and 1).`);
  expect(await refusal([[1, 2, [3]]], X)).toBe(`${start}arrays nested to different depths.`);
  expect(await refusal([], X)).toBe(`${start}an empty array.`);
  expect(await refusal(5, X)).toBe(`${start}the single value 5.`);
});

test("what is no number is told with its place", async () => {
  expect(await refusal([1, "2", 3], X)).toContain('but was given the string "2" at element 1.');
  expect(await refusal([1, null, 3], X)).toContain("but was given null at element 1.");
  expect(await refusal("abc", X)).toContain('but was given the string "abc".');
});

test("integers must be whole and fit what Keras holds and TF.js can", async () => {
  const bytes = info("x", [null, 1], "int32", "uint8");
  expect((await read([255], bytes)).x!.data).toEqual(Int32Array.of(255));
  expect(await refusal([256], bytes)).toContain("takes uint8 of the shape [any, 1]");
  expect(await refusal([256], bytes)).toContain("256 at element 0, which is not between 0 and 255");
  expect(await refusal([-1], bytes)).toContain("-1 at element 0");
  const long = info("x", [null, 1], "int32", "int64");
  expect((await read([7n], long)).x!.data).toEqual(Int32Array.of(7));
  expect((await read(BigInt64Array.of(-7n), long)).x!.data).toEqual(Int32Array.of(-7));
  expect(await refusal([2 ** 31], long)).toContain("2147483648 at element 0, which is not between");
  expect(await refusal([2n ** 63n], long)).toContain("which is not between");
  expect(await refusal([1.5], long)).toContain("1.5 at element 0, which is no whole number");
  expect(await refusal([Number.NaN], long)).toContain("NaN at element 0, which is no whole number");
});

test("a dtype that is given must be the input's, by its name in TF.js or in Keras", async () => {
  const bytes = info("x", [null, 1], "int32", "uint8");
  expect((await read({ data: [1], shape: [1, 1], dtype: "uint8" }, bytes)).x!.dtype).toBe("int32");
  expect(await refusal({ data: [1], shape: [1, 1], dtype: "float32" }, bytes)).toContain("the dtype float32");
});

test("booleans are true, false, 0 or 1", async () => {
  const flags = info("x", [null, 2], "bool");
  expect((await read([true, 0], flags)).x!.data).toEqual(Uint8Array.of(1, 0));
  expect(await refusal([2, 0], flags)).toContain("2 at element 0, which is not between 0 and 1");
});

test("sizes that a flat array cannot tell must be given", async () => {
  const frames = info("x", [null, null, 2]);
  expect(await refusal(new Float32Array(8), frames)).toContain("several unknown sizes: pass { data, shape }");
  expect((await read({ data: new Float32Array(8), shape: [1, 4, 2] }, frames)).x!.shape).toEqual([1, 4, 2]);
  expect(await refusal(new Float32Array(8), info("x", null))).toContain("pass { data, shape }");
});

test("a scalar input takes a number", async () => {
  expect(await read({ x: 3 }, info("x", []))).toEqual({
    x: { data: Float32Array.of(3), shape: [], dtype: "float32" },
  });
});

test("a string, strings in a row, nested strings and strings with a shape are taken", async () => {
  const words = info("x", [null], "string");
  const column = info("x", [null, 1], "string");
  const grid = info("x", [null, 2], "string");
  for (const [value, spec, shape] of [
    ["a", words, [1]],
    ["a", column, [1, 1]],
    [["a", "b"], words, [2]],
    [["a", "b"], column, [2, 1]],
    [["a", "b"], grid, [1, 2]],
    [
      [
        ["a", "b"],
        ["c", "d"],
      ],
      grid,
      [2, 2],
    ],
    [{ data: ["a", "b"], shape: [2, 1] }, column, [2, 1]],
  ] as const) {
    const { x } = await read({ x: value }, spec);
    expect(x!.shape).toEqual(shape);
    expect(x!.data).toEqual(
      [value].flat(3).flatMap((each) => (typeof each === "string" ? each : [...each.data])),
    );
  }
});

test("numbers where strings belong, and strings where numbers belong, are refused", async () => {
  await expect(read({ x: [1] }, info("x", [null], "string"))).rejects.toThrow(/element 0/);
  await expect(read({ x: "a" }, info("x", [null, 2], "string"))).rejects.toThrow(/a single string/);
  await expect(read({ x: ["a"] }, info("x", [null]))).rejects.toThrow(/the string "a" at element 0/);
});

test("whole numbers beyond 32 bits are taken by a preprocessing program alone, as far as they are exact", async () => {
  const key = info("x", [null], "int32", "int64");
  const wide = await readInputs({ x: [2 ** 40, -3] }, [key], { x: { kind: "program" } });
  expect([...wide.x!.data]).toEqual([2 ** 40, -3]);
  expect((await readInputs({ x: [7n] }, [key], { x: { kind: "program" } })).x!.data).toEqual(
    Int32Array.of(7),
  );
  await expect(readInputs({ x: [2 ** 53] }, [key], { x: { kind: "program" } })).rejects.toThrow(/between/);
  await expect(readInputs({ x: [2 ** 40] }, [key])).rejects.toThrow(/between/);
});

test("a picture goes through the schema of its input", async () => {
  const picture = new Blob(["not really"]);
  const image = info("x", [null, 1, 1, 3]);
  const decode = async () => ({ data: Float32Array.of(1, 2, 3), shape: [1, 1, 1, 3] });
  const tensors = await readInputs(picture, [image], { x: { kind: "image" } }, decode as never);
  expect(tensors.x).toEqual({ data: Float32Array.of(1, 2, 3), shape: [1, 1, 1, 3], dtype: "float32" });
  expect(await refusal(picture, image)).toContain("Blob; it is no image input, so pass numbers");
});
