/**
 * Products of two constants, computed once while the weights come in. Weights with a scale per channel are
 * such products: TF.js would compute them again at every prediction.
 */

import { sizeOf, type WeightSpec, type WeightsGroup, type WeightValues } from "./weights.js";

export interface GraphNode {
  name: string;
  op: string;
  input?: string[];
  attr?: object;
}

export interface Topology {
  node: GraphNode[];
}

type Emit = (spec: WeightSpec, values: WeightValues) => void;

interface Product {
  name: string;
  values: WeightSpec;
  /** Of a shape that broadcasts to that of `values`. */
  factors: WeightSpec;
}

/**
 * Take such products out of a graph.
 *
 * @param outputs what else reads tensors of the graph: its signature's.
 * @returns the graph with a constant in the place of each product, and what takes the weights that
 * model.json names, in any order; `emit` then gets those of the new graph.
 */
export function foldProducts(
  topology: Topology,
  groups: readonly WeightsGroup[],
  outputs: readonly string[],
  emit: Emit,
): { topology: Topology; take: Emit } {
  const products = findProducts(topology, groups, outputs);
  const byPart = new Map(products.flatMap((each) => partsOf(each).map((part) => [part, each] as const)));
  const byName = new Map(products.map((each) => [each.name, each] as const));
  const waiting = new Map<Product, WeightValues>();

  function take(spec: WeightSpec, values: WeightValues): void {
    const product = byPart.get(spec.name);
    if (!product) {
      emit(spec, values);
      return;
    }
    const other = waiting.get(product);
    if (!other) {
      // A copy where it is a view: it would keep a whole shard in memory.
      waiting.set(product, values.byteLength < values.buffer.byteLength ? values.slice() : values);
      return;
    }
    waiting.delete(product);
    const [numbers, factors] = spec.name === product.values.name ? [values, other] : [other, values];
    const shape = product.values.shape;
    emit(
      { name: product.name, shape, dtype: "float32" },
      multiply(numbers, shape, factors, product.factors.shape),
    );
  }

  const node = topology.node
    .filter(({ name }) => !byPart.has(name))
    .map((each) =>
      byName.has(each.name) ? { name: each.name, op: "Const", attr: { dtype: { type: "DT_FLOAT" } } } : each,
    );
  return { topology: products.length > 0 ? { ...topology, node } : topology, take };
}

function partsOf(product: Product): string[] {
  return [product.values.name, product.factors.name];
}

function findProducts(
  { node: nodes }: Topology,
  groups: readonly WeightsGroup[],
  outputs: readonly string[],
): Product[] {
  const specs = new Map(groups.flatMap(({ weights }) => weights).map((spec) => [spec.name, spec] as const));
  const readers = new Map<string, number>();
  for (const tensor of [...nodes.flatMap(({ input }) => input ?? []), ...outputs]) {
    const name = nodeOf(tensor);
    readers.set(name, (readers.get(name) ?? 0) + 1);
  }
  return nodes.flatMap(({ name, op, input }): Product[] => {
    if (op !== "Mul" || input?.length !== 2) return [];
    const [a, b] = input.map((tensor) => (tensor.startsWith("^") ? undefined : specs.get(nodeOf(tensor))));
    if (!a || !b || a.dtype !== "float32" || b.dtype !== "float32") return [];
    if (readers.get(a.name) !== 1 || readers.get(b.name) !== 1) return [];
    if (broadcasts(b.shape, a.shape)) return [{ name, values: a, factors: b }];
    return broadcasts(a.shape, b.shape) ? [{ name, values: b, factors: a }] : [];
  });
}

function nodeOf(tensor: string): string {
  return tensor.replace(/^\^/, "").replace(/:.*$/, "");
}

/** Whether a tensor of the shape `from` is repeated to one of the shape `to`, which stays as it is. */
function broadcasts(from: readonly number[], to: readonly number[]): boolean {
  const missing = to.length - from.length;
  return missing >= 0 && from.every((size, axis) => size === 1 || size === to[axis + missing]);
}

/** The product in single precision, bit for bit what a kernel computes. */
function multiply(
  values: WeightValues,
  shape: readonly number[],
  factors: WeightValues,
  factorShape: readonly number[],
): WeightValues {
  // By how much the place in `factors` moves with each axis of `shape`; 0 where it is repeated.
  const strides = shape.map((_, axis) => {
    const own = axis - (shape.length - factorShape.length);
    return own < 0 || factorShape[own] === 1 ? 0 : sizeOf(factorShape.slice(own + 1));
  });
  const product = new Float32Array(values.length);
  const index = new Array<number>(shape.length).fill(0);
  let place = 0;
  for (let i = 0; i < product.length; i++) {
    product[i] = values[i]! * factors[place]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]!;
      index[axis]! += 1;
      if (index[axis]! < shape[axis]!) break;
      place -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return product;
}
