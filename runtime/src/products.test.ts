import { expect, test } from "vitest";
import { foldProducts, type GraphNode } from "./products.js";
import type { WeightSpec, WeightValues } from "./weights.js";

const float = (name: string, ...shape: number[]): WeightSpec => ({ name, shape, dtype: "float32" });
const constant = (name: string): GraphNode => ({ name, op: "Const" });

function fold(nodes: GraphNode[], weights: [WeightSpec, number[]][], outputs: string[] = []) {
  const emitted: Record<string, { shape: number[]; values: number[] }> = {};
  const groups = [{ paths: [], weights: weights.map(([spec]) => spec) }];
  const { topology, take } = foldProducts({ node: nodes }, groups, outputs, (spec, values: WeightValues) => {
    emitted[spec.name] = { shape: spec.shape, values: [...values] };
  });
  for (const [spec, values] of weights) take(spec, Float32Array.from(values));
  return { nodes: topology.node, emitted };
}

const product: GraphNode[] = [
  constant("codes"),
  constant("scales"),
  { name: "w", op: "Mul", input: ["codes", "scales"] },
  { name: "y", op: "MatMul", input: ["x", "w"] },
];

test("a product of two constants becomes one constant under its name, whichever comes first", () => {
  const weights: [WeightSpec, number[]][] = [
    [float("scales", 1, 3), [1, 10, 100]],
    [float("codes", 2, 3), [1, 2, 3, -4, -5, -6]],
  ];
  for (const order of [weights, [...weights].reverse()]) {
    const { nodes, emitted } = fold(product, order);
    expect(emitted).toEqual({ w: { shape: [2, 3], values: [1, 20, 300, -4, -50, -600] } });
    expect(nodes.map(({ name, op }) => `${op} ${name}`)).toEqual(["Const w", "MatMul y"]);
  }
});

test("scales are repeated along every axis on which they have one number, or none", () => {
  const codes = Array.from({ length: 8 }, (_, index) => index + 1);
  const folded = (scales: number[], ...shape: number[]) =>
    fold(product, [
      [float("codes", 2, 2, 2), codes],
      [float("scales", ...shape), scales],
    ]).emitted.w!.values;
  expect(folded([1, 10], 2, 1, 1)).toEqual([1, 2, 3, 4, 50, 60, 70, 80]);
  expect(folded([1, 10], 1, 2, 1)).toEqual([1, 2, 30, 40, 5, 6, 70, 80]);
  expect(folded([1, 10], 2)).toEqual([1, 20, 3, 40, 5, 60, 7, 80]);
  expect(folded([1, 10, 100, 1000], 2, 1, 2)).toEqual([1, 20, 3, 40, 500, 6000, 700, 8000]);
  expect(folded([2])).toEqual(codes.map((code) => code * 2));
});

test("the product is rounded to single precision once, as a kernel rounds it", () => {
  const { emitted } = fold(product, [
    [float("codes", 1), [127]],
    [float("scales", 1), [Math.fround(0.1)]],
  ]);
  expect(emitted.w!.values).toEqual([Math.fround(127 * Math.fround(0.1))]);
});

test("what something else reads as well, or what is no product of two constants, stays", () => {
  const weights: [WeightSpec, number[]][] = [
    [float("codes", 2), [1, 2]],
    [float("scales", 2), [3, 4]],
  ];
  const kept = { codes: { shape: [2], values: [1, 2] }, scales: { shape: [2], values: [3, 4] } };
  const twice = [...product, { name: "z", op: "Neg", input: ["codes:0"] }];
  const other = product.map((node) => (node.name === "w" ? { ...node, op: "AddV2" } : node));
  const half = product.map((node) => (node.name === "w" ? { ...node, input: ["codes", "x"] } : node));
  for (const nodes of [twice, other, half]) {
    const result = fold(nodes, weights);
    expect(result.nodes).toBe(nodes);
    expect(result.emitted).toEqual(kept);
  }
  expect(fold(product, weights, ["codes:0"]).emitted).toEqual(kept);
});
