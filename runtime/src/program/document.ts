/** The program's document: its types, and its constants and tables as values. */

import type { ByteString } from "../text/bytes.js";
import { encode } from "../text/utf8.js";
import { type NumberDtype, numbers, strings, type Value, type ValueDtype } from "./value.js";

export const FORMAT = "tfjs-bundle-program";
export const VERSION = 1;

export interface TensorDocument {
  dtype: ValueDtype;
  shape: number[];
  /** Strings, numbers, or 0 and 1 for bool. */
  values?: (string | number)[];
  /** `bytes`: strings have one character per byte, because some are no UTF-8. */
  encoding?: "bytes";
  /** float32: little-endian. */
  base64?: string;
  /** The first of whole numbers that follow each other. */
  first?: number;
}

export interface TableDocument {
  name: string;
  keys: TensorDocument;
  values: TensorDocument;
  layer?: string;
}

export interface NodeDocument {
  name: string;
  op: string;
  inputs: string[];
  dtypes: ValueDtype[];
  attributes?: Record<string, unknown>;
  layer?: string;
}

export interface ProgramDocument {
  format: string;
  version: number;
  inputs: { name: string; dtype: string; tensor: string }[];
  tables: TableDocument[];
  constants: Record<string, TensorDocument>;
  before: NodeDocument[];
  checks: { tensor: string; message: string }[];
  graph: { inputs: { name: string; tensor?: string }[]; outputs: { name: string }[] };
  fetches: { tensor: string; output: string; dtype: ValueDtype }[];
  after: NodeDocument[];
  /** Public output to tensor. */
  outputs: Record<string, string>;
}

/** A lookup table. */
export interface Table {
  readonly dtype: "string" | NumberDtype;
  readonly entries: ReadonlyMap<ByteString | number, ByteString | number>;
}

/** @throws Error where the bytes are no program that this version runs. */
export function parseDocument(bytes: ArrayBuffer): ProgramDocument {
  const document = JSON.parse(new TextDecoder().decode(bytes)) as ProgramDocument;
  if (document.format !== FORMAT || document.version !== VERSION) {
    throw new Error(
      `the preprocessing program is ${document.format} ${document.version}, which is not known`,
    );
  }
  return document;
}

export function constantOf(document: TensorDocument): Value {
  const { dtype, shape, values = [] } = document;
  if (dtype === "string") {
    const texts = values as string[];
    return strings(shape, document.encoding === "bytes" ? texts : texts.map(encode));
  }
  if (document.base64 !== undefined) {
    const text = atob(document.base64);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return numbers(dtype, shape, new Float32Array(bytes.buffer));
  }
  const { first } = document;
  if (first === undefined) return numbers(dtype, shape, values as number[]);
  return numbers(
    dtype,
    shape,
    Float64Array.from({ length: shape[0] ?? 0 }, (_, at) => first + at),
  );
}

export function tableOf(document: TableDocument): Table {
  const keys = constantOf(document.keys).data;
  const values = constantOf(document.values);
  const entries = new Map<ByteString | number, ByteString | number>();
  for (let at = 0; at < keys.length; at++) entries.set(keys[at]!, values.data[at]!);
  return { dtype: values.dtype, entries };
}
