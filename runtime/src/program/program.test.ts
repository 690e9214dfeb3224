import { expect, test } from "vitest";
import type { TensorMap, TensorValue } from "../protocol.js";
import { ARITHMETIC_OPS } from "./arithmetic-ops.js";
import type { NodeDocument, ProgramDocument, TensorDocument } from "./document.js";
import { createProgram, OP_NAMES } from "./program.js";
import { SHAPE_OPS } from "./shape-ops.js";
import { TEXT_OPS } from "./text-ops.js";
import { type NumberDtype, numbers, strings, type Value, type ValueDtype } from "./value.js";

const OPS = { ...ARITHMETIC_OPS, ...SHAPE_OPS, ...TEXT_OPS };

/** What an op gives: the first output's data and shape. */
function run(
  op: string,
  inputs: Value[],
  attributes: Record<string, unknown> = {},
  dtypes: ValueDtype[] = [inputs[0]!.dtype],
): { data: (number | string)[]; shape: readonly number[] } {
  const [output] = OPS[op]!(inputs, attributes, dtypes);
  return { data: Array.from<number | string>(output!.data as ArrayLike<number>), shape: output!.shape };
}

const int = (data: number[], shape = [data.length], dtype: NumberDtype = "int64") =>
  numbers(dtype, shape, data);
const float = (data: number[], shape = [data.length]) => numbers("float32", shape, data);
const one = (value: number, dtype: NumberDtype = "int64") => numbers(dtype, [], [value]);
const text = (data: string[], shape = [data.length]) => strings(shape, data);

function made(parts: Partial<ProgramDocument>): ReturnType<typeof createProgram> {
  const document: ProgramDocument = {
    format: "tfjs-bundle-program",
    version: 1,
    inputs: [],
    tables: [],
    constants: {},
    before: [],
    checks: [],
    graph: { inputs: [], outputs: [] },
    fetches: [],
    after: [],
    outputs: {},
    ...parts,
  };
  return createProgram(new TextEncoder().encode(JSON.stringify(document)).buffer);
}

const node = (op: string, name: string, inputs: string[], dtype: ValueDtype): NodeDocument => ({
  name,
  op,
  inputs,
  dtypes: [dtype],
});
const scalarOf = (value: number): TensorDocument => ({ dtype: "int64", shape: [], values: [value] });
const given = (data: string[], shape = [data.length]): TensorMap => ({ x: { data, shape, dtype: "string" } });
const words = { name: "x", dtype: "string", tensor: "x" };
const table = {
  name: "table",
  keys: { dtype: "string" as const, shape: [2], values: ["cat", "Grüße"] },
  values: { dtype: "int64" as const, shape: [2], first: 2 },
};
const find = node("LookupTableFindV2", "found", ["table", "x", "unknown"], "int64");

test("words become their places in the vocabulary, and others the default", () => {
  const program = made({
    inputs: [words],
    tables: [table],
    constants: { unknown: scalarOf(1) },
    before: [find],
    graph: { inputs: [{ name: "tokens", tensor: "found" }], outputs: [{ name: "y" }] },
  });
  const { feeds } = program.before(given(["Grüße", "cat", "dog", ""], [2, 2]));
  expect(feeds.tokens).toEqual({ data: Int32Array.of(3, 2, 1, 1), shape: [2, 2], dtype: "int32" });
});

test("names of classes come out behind the graph, and the graph's own outputs stay", () => {
  const program = made({
    tables: [
      {
        name: "table",
        keys: { dtype: "int64", shape: [2], values: [0, 1] },
        values: { dtype: "string", shape: [2], values: ["no", "jä"] },
      },
    ],
    constants: { unknown: { dtype: "string", shape: [], values: ["?"] } },
    graph: { inputs: [{ name: "x" }], outputs: [{ name: "p" }, { name: "best" }] },
    fetches: [{ tensor: "best", output: "best", dtype: "int64" }],
    after: [node("LookupTableFindV2", "name", ["table", "best", "unknown"], "string")],
    outputs: { name: "name" },
  });
  const x: TensorValue = { data: Float32Array.of(1), shape: [1], dtype: "float32" };
  const run = program.before({ x });
  expect(run.feeds.x).toBe(x);
  const p: TensorValue = { data: Float32Array.of(0.5), shape: [1], dtype: "float32" };
  const outputs = run.after({ p, best: { data: Int32Array.of(1, 9), shape: [2], dtype: "int32" } });
  expect(outputs.name).toEqual({ data: ["jä", "?"], shape: [2], dtype: "string" });
  expect(outputs.p).toBe(p);
});

test("what a model refuses is the caller's mistake, in the model's words", () => {
  const program = made({
    inputs: [words],
    before: [node("StringLength", "length", ["x"], "int32"), node("Any", "any", ["length", "axes"], "bool")],
    constants: { axes: { dtype: "int32", shape: [1], values: [0] } },
    checks: [{ tensor: "any", message: "the layer words: nothing was written" }],
  });
  expect(() => program.before(given([""]))).toThrow("the layer words: nothing was written");
  try {
    program.before(given([""]));
  } catch (error) {
    expect((error as { code?: string }).code).toBe("input");
  }
});

test("numbers that the graph's 32 bits do not hold are refused, never wrapped", () => {
  const program = made({
    inputs: [{ name: "x", dtype: "int64", tensor: "x" }],
    graph: { inputs: [{ name: "key", tensor: "x" }], outputs: [] },
  });
  const wide = { x: { data: Float64Array.of(2 ** 31), shape: [1], dtype: "int32" as const } };
  expect(() => program.before(wide)).toThrow("2147483648 does not fit into 32 bits");
});

test("a program with an op of a later version, or of another format, is not run", () => {
  expect(() => made({ before: [node("Tomorrow", "n", [], "int32")] })).toThrow("unknown op Tomorrow");
  expect(() => made({ version: 2 })).toThrow("program 2, which is not known");
});

test("an error says in which layer and op it happened", () => {
  const failing = { ...node("StringToNumber", "n", ["x"], "float32"), layer: "ages (Custom)" };
  const program = made({ inputs: [words], before: [failing] });
  expect(() => program.before(given(["12a"]))).toThrow(
    'StringToNumber of the layer ages (Custom): "12a" is not',
  );
});

test("constants that are no UTF-8 keep their bytes", () => {
  const program = made({
    inputs: [words],
    constants: { bytes: { dtype: "string", shape: [], values: ["\xff"], encoding: "bytes" } },
    before: [node("Equal", "same", ["x", "bytes"], "bool")],
    outputs: { same: "same" },
  });
  expect(program.before(given(["ÿ"])).after({}).same!.data).toEqual(Uint8Array.of(0));
});

test("ragged rows become a tensor, cut and filled to its shape", () => {
  const attributes = { row_partition_types: ["FIRST_DIM_SIZE", "VALUE_ROWIDS"] };
  const values = int([1, 2, 3, 4]);
  const rows = [one(3), int([0, 0, 0, 2])];
  const tensor = (shape: number[]) =>
    run("RaggedTensorToTensor", [int(shape), values, one(0), ...rows], attributes);
  expect(tensor([-1, -1])).toEqual({ data: [1, 2, 3, 0, 0, 0, 4, 0, 0], shape: [3, 3] });
  expect(tensor([-1, 2])).toEqual({ data: [1, 2, 0, 0, 4, 0], shape: [3, 2] });
  const splits = run("RaggedTensorToTensor", [int([-1, -1]), values, one(0), int([0, 3, 3, 4])], {
    row_partition_types: ["ROW_SPLITS"],
  });
  expect(splits).toEqual(tensor([-1, -1]));
});

test("classes are counted by rows; what is no class is left out, what is negative refused", () => {
  const none = float([]);
  const count = (data: number[], attributes = {}) =>
    run("DenseBincount", [int(data, [2, 2]), one(3), none], attributes, ["float32"]);
  expect(count([0, 0, 2, 7])).toEqual({ data: [2, 0, 0, 0, 0, 1], shape: [2, 3] });
  expect(count([0, 0, 2, 7], { binary_output: true }).data).toEqual([1, 0, 0, 0, 0, 1]);
  expect(() => count([0, -1, 0, 0])).toThrow("-1 is counted");
  const ragged = run("RaggedBincount", [int([0, 1, 1, 3]), int([1, 1, 1]), one(2), none], {}, ["float32"]);
  expect(ragged).toEqual({ data: [0, 1, 0, 0, 0, 2], shape: [3, 2] });
});

test("whole numbers divide as in TensorFlow, and are exact or refused", () => {
  expect(run("FloorMod", [int([-7, 7, -6]), one(3)]).data).toEqual([2, 1, 0]);
  expect(run("FloorDiv", [int([-7, 7, -6]), one(3)]).data).toEqual([-3, 2, -2]);
  expect(() => run("Mul", [int([2 ** 40]), one(2 ** 20)])).toThrow("larger than 2^53");
  expect(run("Mul", [numbers("int32", [1], [2 ** 30]), one(4, "int32")]).data).toEqual([0]);
  expect(run("AddV2", [int([2 ** 63]), one(1)]).data).toEqual([2 ** 63]);
  expect(() => run("FloorMod", [int([1]), one(0)])).toThrow("divided by zero");
});

test("floats are rounded to 32 bits at every step", () => {
  expect(run("AddV2", [float([0.1]), float([0.2])]).data).toEqual([Math.fround(0.1 + 0.2)]);
  expect(run("Cast", [int([2 ** 24 + 1])], {}, ["float32"]).data).toEqual([2 ** 24]);
  expect(run("Cast", [float([-1.7, 1.7])], {}, ["int32"]).data).toEqual([-1, 1]);
});

test("NaN is in the last bucket, and a boundary in the bucket above it", () => {
  const attributes = { boundaries: [0, 1] };
  expect(run("Bucketize", [float([-1, 0, 0.5, 1, Number.NaN])], attributes, ["int32"]).data).toEqual([
    0, 1, 1, 2, 2,
  ]);
});

test("slices take every mask", () => {
  const grid = int([0, 1, 2, 3, 4, 5], [2, 3]);
  const slice = (begin: number[], end: number[], step: number[], attributes = {}) =>
    run("StridedSlice", [grid, int(begin), int(end), int(step)], attributes);
  expect(slice([0, 0], [0, 1], [1, 1], { begin_mask: 1, end_mask: 1, shrink_axis_mask: 2 })).toEqual({
    data: [0, 3],
    shape: [2],
  });
  expect(slice([0, -1], [2, 0], [1, -1])).toEqual({ data: [2, 1, 5, 4], shape: [2, 2] });
  expect(slice([0, 1], [0, 2], [1, 1], { ellipsis_mask: 1 })).toEqual({ data: [1, 4], shape: [2, 1] });
  expect(slice([0, 0], [0, 0], [1, 1], { new_axis_mask: 1, end_mask: 2 }).shape).toEqual([1, 2, 3]);
});

test("rows of several columns are crossed with each other, the last the fastest", () => {
  const attributes = { hashed_output: false };
  const crossed = TEXT_OPS.SparseCross!([text(["a", "b"], [1, 2]), text(["c", "d"], [1, 2])], attributes, [
    "int64",
    "string",
    "int64",
  ]);
  expect(crossed[1]!.data).toEqual(["a_X_c", "a_X_d", "b_X_c", "b_X_d"]);
  expect(Array.from(crossed[2]!.data as ArrayLike<number>)).toEqual([1, 4]);
});

test("numbers are read from text as they are written, and nothing else is", () => {
  const read = (words: string[], dtype: ValueDtype) => run("StringToNumber", [text(words)], {}, [dtype]).data;
  expect(read([" 1.5e2 ", "-.5", "inf", "-Infinity"], "float32")).toEqual([
    150,
    -0.5,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
  expect(() => read(["1.5"], "int32")).toThrow("is not a number");
  expect(() => read(["2147483648"], "int32")).toThrow("too large");
  expect(() => read(["0x10"], "float32")).toThrow("is not a number");
});

test("every op is in one list", () => {
  expect(OP_NAMES.length).toBe(new Set(OP_NAMES).size);
  expect(OP_NAMES).toContain("LookupTableFindV2");
});
