/** Ops that move elements without looking at them, whatever they are. */

import type { ByteString } from "../text/bytes.js";
import {
  type Attributes,
  asNumbers,
  axisOf,
  broadcastIndices,
  broadcastShape,
  InputError,
  list,
  type NumberDtype,
  numbers,
  type Op,
  same,
  scalar,
  sizeOf,
  stridesOf,
  take,
  type Value,
} from "./value.js";

const identity: Op = ([input]) => [input!];

function reshaped(value: Value, sizes: readonly number[]): Value {
  const open = sizes.indexOf(-1);
  const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const shape = sizes.map((size, axis) => (axis === open ? value.data.length / known : size));
  if (sizeOf(shape) !== value.data.length) {
    throw new Error(`[${value.shape}] cannot take the shape [${sizes}]`);
  }
  return same(value, shape, value.data);
}

const expandDims: Op = ([input, axis]) => {
  const shape = [...input!.shape];
  const at = scalar(axis);
  shape.splice(at < 0 ? at + shape.length + 1 : at, 0, 1);
  return [same(input!, shape, input!.data)];
};

const squeeze: Op = ([input], attributes) => {
  const { shape } = input!;
  const named = ((attributes.squeeze_dims ?? attributes.axis ?? []) as number[]).map((axis) =>
    axisOf(axis, shape.length),
  );
  const kept = shape.filter((size, axis) => (named.length > 0 ? !named.includes(axis) : size !== 1));
  if (sizeOf(kept) !== input!.data.length) throw new Error(`[${shape}] cannot be squeezed`);
  return [same(input!, kept, input!.data)];
};

/** The indices that a slice takes along each axis, and the shape that comes out. */
const stridedSlice: Op = ([input, begin, end, strides], attributes) => {
  const { shape } = input!;
  const mask = (name: string, bit: number) => ((Number(attributes[name] ?? 0) >> bit) & 1) === 1;
  const [from, to, step] = [list(begin), list(end), list(strides)];
  const ellipsisAt = from.findIndex((_, bit) => mask("ellipsis_mask", bit));
  const consumed = from.filter((_, bit) => !mask("new_axis_mask", bit) && !mask("ellipsis_mask", bit)).length;
  const taken: number[][] = [];
  const result: number[] = [];
  let axis = 0;
  const whole = (count: number) => {
    for (let i = 0; i < count; i++, axis++) {
      taken.push(Array.from({ length: shape[axis]! }, (_, at) => at));
      result.push(shape[axis]!);
    }
  };
  for (let bit = 0; bit < from.length; bit++) {
    if (mask("ellipsis_mask", bit)) {
      whole(shape.length - consumed);
      continue;
    }
    if (mask("new_axis_mask", bit)) {
      result.push(1);
      continue;
    }
    const size = shape[axis]!;
    const by = step[bit]!;
    if (mask("shrink_axis_mask", bit)) {
      const at = from[bit]! < 0 ? from[bit]! + size : from[bit]!;
      if (!(at >= 0 && at < size)) throw new InputError(`there is no element ${from[bit]} of ${size}`);
      taken.push([at]);
    } else {
      const clamp = (at: number) => {
        const place = at < 0 ? at + size : at;
        return by > 0 ? Math.min(Math.max(place, 0), size) : Math.min(Math.max(place, -1), size - 1);
      };
      const first = mask("begin_mask", bit) ? (by > 0 ? 0 : size - 1) : clamp(from[bit]!);
      const last = mask("end_mask", bit) ? (by > 0 ? size : -1) : clamp(to[bit]!);
      const indices: number[] = [];
      for (let at = first; by > 0 ? at < last : at > last; at += by) indices.push(at);
      taken.push(indices);
      result.push(indices.length);
    }
    axis += 1;
  }
  if (ellipsisAt < 0) whole(shape.length - axis);
  return [same(input!, result, pick(input!, taken))];
};

/** The elements at every combination of the indices of each axis. */
function pick(value: Value, taken: readonly (readonly number[])[]): (number | ByteString)[] {
  const strides = stridesOf(value.shape);
  let places = [0];
  taken.forEach((indices, axis) => {
    const step = strides[axis]!;
    places = places.flatMap((place) => indices.map((index) => place + index * step));
  });
  return places.map((place) => value.data[place]!);
}

const slice: Op = ([input, begin, size]) => {
  const { shape } = input!;
  const from = list(begin);
  const lengths = list(size).map((each, axis) => (each === -1 ? shape[axis]! - from[axis]! : each));
  const taken = lengths.map((length, axis) => Array.from({ length }, (_, at) => from[axis]! + at));
  return [same(input!, lengths, pick(input!, taken))];
};

function concatenated(parts: readonly Value[], axis: number): Value {
  const first = parts[0]!;
  const along = axisOf(axis, first.shape.length);
  const outer = sizeOf(first.shape.slice(0, along));
  const data: (number | ByteString)[] = [];
  for (let row = 0; row < outer; row++) {
    for (const { shape, data: own } of parts) {
      const width = sizeOf(shape.slice(along));
      for (let at = row * width; at < (row + 1) * width; at++) data.push(own[at]!);
    }
  }
  const total = parts.reduce((sum, { shape }) => sum + shape[along]!, 0);
  const shape = first.shape.map((size, at) => (at === along ? total : size));
  return same(first, shape, data);
}

const pack: Op = (inputs, attributes) => {
  const shape = inputs[0]!.shape;
  const axis = axisOf(Number(attributes.axis ?? 0), shape.length + 1);
  const widened = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  return [
    concatenated(
      inputs.map((input) => same(input, widened, input.data)),
      axis,
    ),
  ];
};

const unpack: Op = ([input], attributes) => {
  const { shape } = input!;
  const axis = axisOf(Number(attributes.axis ?? 0), shape.length);
  return Array.from({ length: shape[axis]! }, (_, index) => {
    const taken = shape.map((size, at) =>
      at === axis ? [index] : Array.from({ length: size }, (__, each) => each),
    );
    return same(
      input!,
      shape.filter((__, at) => at !== axis),
      pick(input!, taken),
    );
  });
};

const transpose: Op = ([input, permutation]) => {
  const order = list(permutation);
  const strides = stridesOf(input!.shape);
  const shape = order.map((axis) => input!.shape[axis]!);
  let places = [0];
  for (const axis of order) {
    const step = strides[axis]!;
    const size = input!.shape[axis]!;
    places = places.flatMap((place) => Array.from({ length: size }, (_, at) => place + at * step));
  }
  return [take(input!, shape, places)];
};

const tile: Op = ([input, multiples]) => {
  const repeats = list(multiples);
  const { shape } = input!;
  const taken = shape.map((size, axis) =>
    Array.from({ length: size * repeats[axis]! }, (_, at) => at % size),
  );
  return [
    same(
      input!,
      shape.map((size, axis) => size * repeats[axis]!),
      pick(input!, taken),
    ),
  ];
};

const broadcastTo: Op = ([input, target]) => {
  const shape = list(target);
  const at = broadcastIndices(input!.shape, shape);
  return [
    take(
      input!,
      shape,
      Array.from({ length: sizeOf(shape) }, (_, place) => at(place)),
    ),
  ];
};

const pad: Op = ([input, paddings, constant]) => {
  const { shape } = input!;
  const ends = list(paddings);
  const result = shape.map((size, axis) => ends[2 * axis]! + size + ends[2 * axis + 1]!);
  const filler = constant?.data[0] ?? (input!.dtype === "string" ? "" : 0);
  const data = new Array<number | ByteString>(sizeOf(result)).fill(filler);
  const own = stridesOf(shape);
  const strides = stridesOf(result);
  for (let at = 0; at < input!.data.length; at++) {
    let rest = at;
    let place = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const index = Math.floor(rest / own[axis]!);
      rest -= index * own[axis]!;
      place += (index + ends[2 * axis]!) * strides[axis]!;
    }
    data[place] = input!.data[at]!;
  }
  return [same(input!, result, data)];
};

const gather: Op = ([params, indices, axis], attributes) => {
  if (Number(attributes.batch_dims ?? 0) !== 0) throw new Error("batch_dims other than 0");
  const { shape } = params!;
  const along = axisOf(axis ? scalar(axis) : 0, shape.length);
  const wanted = asNumbers(indices);
  const outer = sizeOf(shape.slice(0, along));
  const inner = sizeOf(shape.slice(along + 1));
  const size = shape[along]!;
  const places: number[] = [];
  for (let row = 0; row < outer; row++) {
    for (let i = 0; i < wanted.data.length; i++) {
      const index = wanted.data[i]!;
      if (!(index >= 0 && index < size)) throw new InputError(`there is no element ${index} of ${size}`);
      for (let at = 0; at < inner; at++) places.push((row * size + index) * inner + at);
    }
  }
  return [take(params!, [...shape.slice(0, along), ...wanted.shape, ...shape.slice(along + 1)], places)];
};

const gatherNd: Op = ([params, indices]) => {
  const { shape } = params!;
  const wanted = asNumbers(indices);
  const depth = wanted.shape.at(-1)!;
  const strides = stridesOf(shape);
  const inner = sizeOf(shape.slice(depth));
  const places: number[] = [];
  for (let at = 0; at < wanted.data.length; at += depth) {
    let start = 0;
    for (let axis = 0; axis < depth; axis++) {
      const index = wanted.data[at + axis]!;
      if (!(index >= 0 && index < shape[axis]!)) {
        throw new InputError(`there is no element ${index} of ${shape[axis]}`);
      }
      start += index * strides[axis]!;
    }
    for (let each = 0; each < inner; each++) places.push(start + each);
  }
  return [take(params!, [...wanted.shape.slice(0, -1), ...shape.slice(depth)], places)];
};

const where: Op = ([condition]) => {
  const { shape, data } = condition!;
  const strides = stridesOf(shape);
  const found: number[] = [];
  for (let at = 0; at < data.length; at++) {
    if (!data[at]) continue;
    let rest = at;
    for (const step of strides) {
      found.push(Math.floor(rest / step));
      rest %= step;
    }
  }
  return [
    numbers("int64", [shape.length > 0 ? found.length / shape.length : data[0] ? 1 : 0, shape.length], found),
  ];
};

const selectV2: Op = ([condition, yes, no]) => {
  const test = asNumbers(condition);
  const shape = broadcastShape(broadcastShape(test.shape, yes!.shape), no!.shape);
  const [c, y, n] = [test, yes!, no!].map((value) => broadcastIndices(value.shape, shape));
  const choose = (_: unknown, at: number) => (test.data[c!(at)] ? yes!.data[y!(at)]! : no!.data[n!(at)]!);
  return [same(yes!, shape, Array.from({ length: sizeOf(shape) }, choose))];
};

/** The older Select: a vector of conditions chooses whole rows. */
const select: Op = (inputs, attributes, dtypes) => {
  const [condition, yes, no] = inputs;
  const rank = yes!.shape.length;
  if (condition!.shape.length !== 1 || rank < 2) return selectV2(inputs, attributes, dtypes);
  const rows = [condition!.shape[0]!, ...new Array<number>(rank - 1).fill(1)];
  return selectV2([same(condition!, rows, condition!.data), yes!, no!], attributes, dtypes);
};

const oneHot: Op = ([indices, depth, on, off], attributes) => {
  const { shape, data } = asNumbers(indices);
  const size = scalar(depth);
  const axis = Number(attributes.axis ?? -1);
  const along = axis < 0 ? shape.length : axis;
  const inner = sizeOf(shape.slice(along));
  const outer = sizeOf(shape.slice(0, along));
  const result = new Array<number | ByteString>(data.length * size).fill(off!.data[0]!);
  for (let row = 0; row < outer; row++) {
    for (let at = 0; at < inner; at++) {
      const value = data[row * inner + at]!;
      if (value >= 0 && value < size) result[(row * size + value) * inner + at] = on!.data[0]!;
    }
  }
  return [same(on!, [...shape.slice(0, along), size, ...shape.slice(along)], result)];
};

function filled(zero: number): Op {
  return ([input]) => {
    const value = input!.dtype === "string" ? "" : zero;
    return [same(input!, input!.shape, new Array<number | ByteString>(input!.data.length).fill(value))];
  };
}

function measured(work: (value: Value) => number[], shape: (rank: number) => number[]): Op {
  return ([input], _, [dtype]) => [numbers(dtype as NumberDtype, shape(input!.shape.length), work(input!))];
}

const range: Op = ([start, limit, delta], _, [dtype]) => {
  const [from, to, by] = [scalar(start), scalar(limit), scalar(delta)];
  const length = Math.max(0, Math.ceil((to - from) / by));
  return [
    numbers(
      dtype as NumberDtype,
      [length],
      Float64Array.from({ length }, (__, at) => from + at * by),
    ),
  ];
};

const sparseToDense: Op = ([indices, outputShape, values, fallback]) => {
  const shape = list(outputShape);
  const places = asNumbers(indices);
  const strides = stridesOf(shape);
  const depth = places.shape.length < 2 ? 1 : places.shape[1]!;
  const count = places.shape.length === 0 ? 1 : places.shape[0]!;
  const data = new Array<number | ByteString>(sizeOf(shape)).fill(fallback!.data[0]!);
  for (let i = 0; i < count; i++) {
    let at = 0;
    for (let axis = 0; axis < depth; axis++) {
      const index = places.data[i * depth + axis]!;
      if (!(index >= 0 && index < shape[axis]!)) {
        throw new InputError(`there is no place ${index} of ${shape[axis]}`);
      }
      at += index * strides[axis]!;
    }
    data[at] = values!.data[values!.shape.length === 0 ? 0 : i]!;
  }
  return [same(values!, shape, data)];
};

/** Row ends per level of a ragged tensor, from TensorFlow's ways to write partitions. */
function partitions(inputs: readonly Value[], attributes: Attributes): number[][] {
  const types = attributes.row_partition_types as string[];
  const levels: number[][] = [];
  let rows = 0;
  types.forEach((type, index) => {
    const given = list(inputs[index]);
    if (type === "FIRST_DIM_SIZE") {
      rows = given[0]!;
    } else if (type === "ROW_SPLITS") {
      levels.push(given);
      rows = given.at(-1)!;
    } else {
      const ends = new Array<number>(rows + 1).fill(0);
      for (const row of given) ends[row + 1]! += 1;
      for (let row = 0; row < rows; row++) ends[row + 1]! += ends[row]!;
      levels.push(ends);
      rows = given.length;
    }
  });
  return levels;
}

const raggedToTensor: Op = ([shape, values, fallback, ...rest], attributes) => {
  const levels = partitions(rest, attributes);
  const inner = values!.shape.slice(1);
  const asked = list(shape);
  const natural = [levels[0]!.length - 1, ...levels.map(widest), ...inner];
  const result = natural.map((size, axis) => {
    const wanted = shape!.shape.length > 0 ? (asked[axis] ?? -1) : -1;
    return wanted >= 0 ? wanted : size;
  });
  const width = sizeOf(inner);
  const strides = stridesOf(result);
  const spread = broadcastIndices(fallback!.shape, inner);
  const data = Array.from(
    { length: sizeOf(result) },
    (_, at) => fallback!.data[width > 0 ? spread(at % width) : 0]!,
  );
  const copy = (level: number, row: number, place: number): void => {
    const ends = levels[level]!;
    const step = strides[level + 1]!;
    const count = Math.min(ends[row + 1]! - ends[row]!, result[level + 1]!);
    for (let at = 0; at < count; at++) {
      const from = ends[row]! + at;
      if (level + 1 < levels.length) copy(level + 1, from, place + at * step);
      else {
        for (let each = 0; each < width; each++) {
          data[place + at * step + each] = values!.data[from * width + each]!;
        }
      }
    }
  };
  for (let row = 0; row < Math.min(levels[0]!.length - 1, result[0]!); row++) copy(0, row, row * strides[0]!);
  return [same(values!, result, data)];
};

function widest(ends: readonly number[]): number {
  let found = 0;
  for (let row = 0; row + 1 < ends.length; row++) found = Math.max(found, ends[row + 1]! - ends[row]!);
  return found;
}

export const SHAPE_OPS: Readonly<Record<string, Op>> = {
  BroadcastTo: broadcastTo,
  ConcatV2: (inputs) => [concatenated(inputs.slice(0, -1), scalar(inputs.at(-1)))],
  EnsureShape: identity,
  ExpandDims: expandDims,
  Fill: ([sizes, value]) => {
    const shape = list(sizes);
    return [same(value!, shape, new Array<number | ByteString>(sizeOf(shape)).fill(value!.data[0]!))];
  },
  GatherNd: gatherNd,
  GatherV2: gather,
  Identity: identity,
  OneHot: oneHot,
  OnesLike: filled(1),
  Pack: pack,
  Pad: pad,
  PadV2: pad,
  RaggedTensorToTensor: raggedToTensor,
  Range: range,
  Rank: measured(
    (value) => [value.shape.length],
    () => [],
  ),
  Reshape: ([input, sizes]) => [reshaped(input!, list(sizes))],
  Select: select,
  SelectV2: selectV2,
  Shape: measured(
    (value) => [...value.shape],
    (rank) => [rank],
  ),
  Size: measured(
    (value) => [value.data.length],
    () => [],
  ),
  Slice: slice,
  Snapshot: identity,
  SparseToDense: sparseToDense,
  Squeeze: squeeze,
  StopGradient: identity,
  StridedSlice: stridedSlice,
  Tile: tile,
  Transpose: transpose,
  Unpack: unpack,
  Where: where,
  ZerosLike: filled(0),
};
