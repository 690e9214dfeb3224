import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isRepeatable, TracedGraph } from "./traced-graph.js";

let weights: tf.Tensor[];
/** Predictions that went through the ops, and not through a trace. */
let executed: number;

beforeEach(async () => {
  await tf.setBackend("cpu");
  weights = [tf.tensor2d([1, -2, 3, -4, 5, -6], [2, 3])];
  executed = 0;
});

afterEach(() => tf.dispose(weights));

function graph(compute: (...fed: tf.Tensor[]) => tf.Tensor | tf.Tensor[]) {
  const execute = (fed: readonly tf.Tensor[]): tf.Tensor[] => {
    executed += 1;
    return [tf.tidy(() => compute(...fed))].flat();
  };
  const read = (output: tf.TensorInfo) => [...(tf.backend().readSync(output.dataId) as Float32Array)];
  const same = (a: number[], b: number[]) => JSON.stringify(a) === JSON.stringify(b);
  return new TracedGraph(new Set(weights), execute, read, same);
}

/** Predict within a scope, as the engine does; the executor's own results are the scope's. */
function predict(traced: TracedGraph<number[]>, ...inputs: number[][]): number[][] {
  const fed = inputs.map((values) => tf.tensor1d(values));
  let outputs: number[][] = [];
  tf.tidy(() => {
    outputs = traced.run(fed);
  });
  tf.dispose(fed);
  return outputs;
}

test("the first two predictions for inputs of a shape go through the ops, and no other", () => {
  const classify = (x: tf.Tensor) => {
    const rows = tf.relu(tf.reshape(x, [-1, 2])) as tf.Tensor2D;
    return tf.softmax(tf.matMul(rows, weights[0] as tf.Tensor2D));
  };
  const traced = graph(classify);
  const seen = [
    [1, 2],
    [3, -4],
    [0, 5],
    [7, 1],
  ].map((input) => predict(traced, input));
  expect(executed).toBe(2);
  const others = graph(classify);
  expect(seen.slice(2)).toEqual(
    [
      [0, 5],
      [7, 1],
    ].map((input) => predict(others, input)),
  );
  predict(traced, [1, 2, 3, 4]);
  expect(executed).toBe(5);
});

test("tensors in lists, several outputs of a kernel and inputs that are left out are what they were", () => {
  const traced = graph((x) => {
    const [low, high] = tf.split(x, 2);
    const both = tf.stack([high!, low!, tf.ones([1])], 1);
    return tf.fused.matMul({ a: both as tf.Tensor2D, b: tf.ones([3, 2]), activation: "relu" });
  });
  for (let time = 0; time < 2; time++) predict(traced, [time, 2]);
  expect(predict(traced, [5, -3])).toEqual([[3, 3]]);
  expect(executed).toBe(2);
});

test("an output may be an input, a constant, or the same as another", () => {
  const traced = graph((x) => {
    const twice = tf.mul(x, 2);
    return [x, twice, twice, tf.range(0, 3), weights[0]!];
  });
  for (let time = 0; time < 2; time++) predict(traced, [time]);
  for (const value of [4, 5]) {
    expect(predict(traced, [value])).toEqual([
      [value],
      [2 * value],
      [2 * value],
      [0, 1, 2],
      [1, -2, 3, -4, 5, -6],
    ]);
  }
  expect(executed).toBe(2);
});

test("what shapes alone decide is computed once", () => {
  const kernels: string[] = [];
  const traced = graph((x) => tf.add(x, tf.sqrt(tf.cumsum(tf.ones(x.shape)))));
  for (let time = 0; time < 2; time++) predict(traced, [1, 2, time]);
  const backend = tf.backend() as tf.KernelBackend & { makeTensorInfo(...given: unknown[]): tf.TensorInfo };
  const { makeTensorInfo } = backend;
  backend.makeTensorInfo = (...given) => {
    kernels.push("made");
    return makeTensorInfo.apply(backend, given);
  };
  try {
    expect(predict(traced, [0, 0, 0])[0]).toEqual([1, Math.fround(Math.SQRT2), Math.fround(Math.sqrt(3))]);
  } finally {
    backend.makeTensorInfo = makeTensorInfo;
  }
  expect(kernels).toEqual(["made"]);
});

test("numbers that decide what is computed leave it to the ops", () => {
  const traced = graph((x) => (tf.sum(x).dataSync()[0]! > 0 ? x : tf.neg(x)));
  for (const [given, expected] of [
    [1, 1],
    [2, 2],
    [3, 3],
    [-4, 4],
  ]) {
    expect(predict(traced, [given!])).toEqual([[expected]]);
  }
  expect(executed).toBe(4);
});

test("the first prediction without a trace gives outputs and constants all the same, and leaves nothing", () => {
  const before = tf.memory().numTensors;
  const traced = graph((x) => {
    const constant = tf.range(0, 3);
    const sum = tf.add(x, constant);
    return tf.sum(sum).dataSync()[0]! > 0 ? [tf.neg(sum), constant] : [sum];
  });
  for (let time = 0; time < 3; time++) {
    expect(predict(traced, [1, 2, 3])).toEqual([
      [-1, -3, -5],
      [0, 1, 2],
    ]);
  }
  expect(executed).toBe(3);
  expect(tf.memory().numTensors).toBe(before);
});

test("numbers that come to another shape are computed by the ops from then on", () => {
  const traced = graph((x) => tf.mul(tf.unique(x).values, 2));
  for (const given of [
    [1, 2],
    [3, 4],
    [5, 6],
  ])
    predict(traced, given);
  expect(executed).toBe(2);
  expect(predict(traced, [7, 7])).toEqual([[14]]);
  expect(predict(traced, [7, 8])).toEqual([[14, 16]]);
  expect(executed).toBe(4);
});

test("a graph that gives something else for the same is never traced", () => {
  let count = 0;
  const traced = graph((x) => tf.add(x, tf.scalar(count++)));
  const seen = [0, 0, 0, 0].map((value) => predict(traced, [value])[0]);
  expect(seen).toEqual([[0], [1], [2], [3]]);
});

test("ops that draw random numbers are known by their names", () => {
  for (const op of ["RandomUniform", "StatelessRandomNormalV2", "TruncatedNormal", "Multinomial"]) {
    expect(isRepeatable([{ op: "Conv2D" }, { op }])).toBe(false);
  }
  expect(isRepeatable([{ op: "Conv2D" }, { op: "Range" }])).toBe(true);
});

test("an error of the ops is the prediction's, and listens to nothing afterwards", () => {
  const traced = graph((x) => {
    if (x.size === 2) throw new Error("not two");
    return tf.square(x);
  });
  expect(() => predict(traced, [1, 2])).toThrow("not two");
  expect(Object.hasOwn(tf.engine(), "runKernel")).toBe(false);
  for (const value of [1, 2, 3]) expect(predict(traced, [value])).toEqual([[value * value]]);
});

test("predictions leave nothing behind, and disposing leaves nothing but the weights", () => {
  const before = [tf.memory().numTensors, tf.backend().numDataIds()];
  const traced = graph((x) => tf.softmax(tf.concat([x, tf.linspace(0, 1, 4)])));
  for (let time = 0; time < 3; time++) predict(traced, [1, 2]);
  const held = tf.backend().numDataIds();
  for (let time = 0; time < 3; time++) predict(traced, [3, 4]);
  expect(tf.backend().numDataIds()).toBe(held);
  for (let size = 1; size < 9; size++)
    for (let time = 0; time < 3; time++) predict(traced, new Array(size).fill(1));
  traced.dispose();
  expect([tf.memory().numTensors, tf.backend().numDataIds()]).toEqual(before);
});
