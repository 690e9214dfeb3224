/**
 * Runs a preprocessing program: TensorFlow ops on text and 64-bit numbers, ahead of the graph and behind it.
 * The engine imports this module for bundles that have a program; docs/bundle-format.md specifies the document.
 */

import type { ProgramModule, ProgramRun, TensorData, TensorMap, TensorValue } from "../protocol.js";
import type { ByteString } from "../text/bytes.js";
import { decode, encode } from "../text/utf8.js";
import { ARITHMETIC_OPS } from "./arithmetic-ops.js";
import { constantOf, type NodeDocument, parseDocument, type Table, tableOf } from "./document.js";
import { SHAPE_OPS } from "./shape-ops.js";
import { TEXT_OPS } from "./text-ops.js";
import { InputError, numbers, type Op, scalar, strings, type Value, type ValueDtype } from "./value.js";

const OPS: Readonly<Record<string, Op>> = { ...ARITHMETIC_OPS, ...SHAPE_OPS, ...TEXT_OPS };

/** Ops that look at tables, which are no values. */
const TABLE_OPS = ["LookupTableFindV2", "LookupTableSizeV2"];

/** Every op that a program may have, for the build to compare with its own list. */
export const OP_NAMES: readonly string[] = [...Object.keys(OPS), ...TABLE_OPS].sort();

/** Read the document; see `ProgramModule` for what comes back. */
export const createProgram: ProgramModule["createProgram"] = (bytes) => {
  const document = parseDocument(bytes);
  const tables = new Map(document.tables.map((table) => [table.name, tableOf(table)]));
  const constants = new Map(
    Object.entries(document.constants).map(([name, tensor]) => [name, constantOf(tensor)]),
  );
  for (const { op } of [...document.before, ...document.after]) {
    if (!OP_NAMES.includes(op)) throw new Error(`the preprocessing program has the unknown op ${op}`);
  }

  function compute(nodes: readonly NodeDocument[], values: Map<string, Value>): void {
    for (const node of nodes) {
      try {
        const results = TABLE_OPS.includes(node.op)
          ? [lookUp(node, tables.get(node.inputs[0]!)!, values)]
          : OPS[node.op]!(
              node.inputs.map((tensor) => values.get(tensor)!),
              node.attributes ?? {},
              node.dtypes,
            );
        results.forEach((value, index) => {
          values.set(index > 0 ? `${node.name}:${index}` : node.name, value);
        });
      } catch (error) {
        const place = `${node.op} of ${node.layer ? `the layer ${node.layer}` : node.name}`;
        const reason = error instanceof Error ? error.message : String(error);
        throw error instanceof InputError
          ? new InputError(`${place}: ${reason}`)
          : new Error(`${place}: ${reason}`);
      }
    }
  }

  return {
    inputs: document.graph.inputs.map(({ name }) => name),
    outputs: document.graph.outputs.map(({ name }) => name),

    before(inputs: TensorMap): ProgramRun {
      const values = new Map(constants);
      for (const { name, dtype, tensor } of document.inputs) {
        const given = inputs[name];
        if (!given) throw new InputError(`the input ${name} is missing`);
        values.set(tensor, received(given, dtype));
      }
      compute(document.before, values);
      for (const { tensor, message } of document.checks) {
        if (!scalar(values.get(tensor))) throw new InputError(message);
      }
      const feeds: TensorMap = {};
      for (const { name, tensor } of document.graph.inputs) {
        feeds[name] = tensor === undefined ? inputs[name]! : sent(values.get(tensor)!);
      }
      return {
        feeds,
        after(results: TensorMap): TensorMap {
          for (const { tensor, output, dtype } of document.fetches) {
            values.set(tensor, received(results[output]!, dtype));
          }
          compute(document.after, values);
          const outputs: TensorMap = {};
          for (const [name, tensor] of Object.entries(document.outputs)) {
            outputs[name] = sent(values.get(tensor)!);
          }
          return { ...results, ...outputs };
        },
      };
    },
  };
};

function lookUp(node: NodeDocument, table: Table, values: Map<string, Value>): Value {
  if (node.op === "LookupTableSizeV2") return numbers("int64", [], [table.entries.size]);
  const keys = values.get(node.inputs[1]!)!;
  const fallback = values.get(node.inputs[2]!)!.data[0]!;
  const found = new Array<ByteString | number>(keys.data.length);
  for (let at = 0; at < found.length; at++) found[at] = table.entries.get(keys.data[at]!) ?? fallback;
  return { dtype: node.dtypes[0], shape: keys.shape, data: found } as Value;
}

/** A tensor that comes in, in the dtype that the program computes in. */
function received(given: TensorValue, dtype: string): Value {
  if (given.dtype === "string") return strings(given.shape, given.data.map(encode));
  const narrow = ["int8", "uint8", "int16", "uint16"].includes(dtype) ? "int32" : dtype;
  const wide = narrow === "uint32" || narrow === "uint64" ? "int64" : narrow;
  return { dtype: wide as ValueDtype, shape: given.shape, data: given.data } as Value;
}

/** A tensor that goes out: to the graph, or to the caller. */
function sent(value: Value): TensorValue {
  const shape = [...value.shape];
  if (value.dtype === "string") return { data: Array.from(value.data, decode), shape, dtype: "string" };
  const { dtype, data } = value;
  let copy: TensorData;
  if (dtype === "float32") copy = Float32Array.from(data);
  else if (dtype === "bool") copy = Uint8Array.from(data);
  else {
    for (let at = 0; at < data.length; at++) {
      if (data[at]! > 2147483647 || data[at]! < -2147483648) {
        throw new InputError(`${data[at]} does not fit into 32 bits, as which the model goes on with it`);
      }
    }
    copy = Int32Array.from(data);
  }
  return { data: copy, shape, dtype: dtype === "int64" ? "int32" : dtype };
}
