/** What the loader and the engine say to each other, in the page or across the worker's boundary. */

import type { BackendName } from "./manifest.js";

/** dtypes of numbers that cross the boundary; TF.js has no others at a model's edges that we support. */
export type Dtype = "float32" | "int32" | "bool";

export type TensorData =
  | Float32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/**
 * A dense tensor of numbers in C order; bool is a Uint8Array of 0 and 1. Whole numbers beyond int32 come as a
 * Float64Array, and only to inputs that a preprocessing program takes.
 */
export interface NumberTensor {
  data: TensorData;
  shape: number[];
  dtype: Dtype;
}

/** A dense tensor of strings in C order. */
export interface StringTensor {
  data: string[];
  shape: number[];
  dtype: "string";
}

export type TensorValue = NumberTensor | StringTensor;

export type TensorMap = Record<string, TensorValue>;

/** The variants of TF.js's WebAssembly binary. */
export type WasmVariant = "plain" | "simd" | "threaded-simd";

export interface WasmConfig {
  variant: WasmVariant;
  /** The verified bytes of the .wasm file; nothing is fetched by the engine. */
  binary: ArrayBuffer;
  /** URL of the threads' script, same origin; only for `threaded-simd`. */
  threadScript?: string;
  /** The most threads there will be, of which one computes at first; only for `threaded-simd`. */
  threads?: number;
}

/** What a backend's module is given. */
export interface BackendConfig {
  /** Whether an adapter will do that computes on the CPU or in half precision: the caller named the backend. */
  anyAdapter: boolean;
  wasm?: WasmConfig;
}

/** What a backend's module gives back. */
export interface BackendHandle {
  /** Settles with a reason when the device is gone for good: then no prediction would ever settle. */
  lost: Promise<string>;
  /**
   * Set the number of threads from now on. More than one may be asked for once only: each time takes
   * new workers from those made at the start, and waiting for one more would block this thread for good.
   */
  setThreads?(threads: number): void;
}

/** A backend's module: importing it registers its kernels. */
export interface BackendModule {
  start(config: BackendConfig): Promise<BackendHandle>;
}

/** One run of a preprocessing program: what it gives the graph, and then what it makes of the graph's outputs. */
export interface ProgramRun {
  feeds: TensorMap;
  /** Resolves the public outputs; the graph's own stay among them. */
  after(results: TensorMap): TensorMap;
}

/** What a model does with text and 64-bit numbers, ahead of its graph and behind it. */
export interface Program {
  /** The graph's inputs and outputs, by name. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** @throws an error with the code `input` where the public inputs are not what the model takes. */
  before(inputs: TensorMap): ProgramRun;
}

/** The module that runs preprocessing programs, downloaded only where a bundle has one. */
export interface ProgramModule {
  /** @param document the bytes of the bundle's program. */
  createProgram(document: ArrayBuffer): Program;
}

/** How an engine comes by what not every model needs. */
export interface EngineModules {
  backend(config: EngineConfig): Promise<BackendModule>;
  program(config: ProgramConfig): Promise<ProgramModule>;
}

export interface ProgramConfig {
  /** URL of the module; empty where the engine has it in itself. */
  module: string;
  document: ArrayBuffer;
}

export interface EngineConfig extends BackendConfig {
  backend: BackendName;
  /** URL of the backend's module. */
  backendModule: string;
  /** The bytes of model.json. */
  model: ArrayBuffer;
  /** In the manifest's order. */
  inputs: string[];
  outputs: string[];
  /** Where the bundle has one; it says what the graph's own inputs and outputs are. */
  program?: ProgramConfig;
}

export interface EngineMemory {
  tensors: number;
  bytes: number;
}

/**
 * One model on one backend. Calls are made in this order: `start`, `addShard` for every shard in the
 * order of model.json's weights manifest, `finish`, then `run` any number of times, one after the other
 * or not: the engine serialises them.
 */
export interface Engine {
  start(config: EngineConfig): Promise<void>;
  /** Takes the buffer over. */
  addShard(bytes: ArrayBuffer): Promise<void>;
  finish(): Promise<void>;
  run(inputs: TensorMap): Promise<TensorMap>;
  /** Milliseconds of the fastest of a few runs, for each of these numbers of threads; the last one stays. */
  time(inputs: TensorMap, threads: number[]): Promise<number[]>;
  setThreads(threads: number): Promise<void>;
  memory(): Promise<EngineMemory>;
  dispose(): Promise<void>;
}

export type EngineMethod = keyof Engine;

/** How our workers are called, by which a script that is both module and worker knows what it is now. */
export const WORKER_NAME = "tfjs-bundle";

/** From the page to the worker; the first message is `{ engine: URL }` where the worker is not the engine itself. */
export interface EngineRequest {
  id: number;
  method: EngineMethod;
  args: unknown[];
}

/** From the worker to the page. */
export interface EngineResponse {
  id: number;
  result?: unknown;
  error?: string;
  /** Of a BundleError, where the caller is at fault. */
  code?: string;
}

/** Buffers of `values` that may be handed over instead of copied. */
export function buffersOf(values: TensorMap): ArrayBuffer[] {
  const data = Object.values(values).flatMap((value) =>
    value.dtype === "string" ? [] : [value.data.buffer],
  );
  return [...new Set(data)];
}
