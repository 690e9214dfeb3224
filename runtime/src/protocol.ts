/** What the loader and the engine say to each other, in the page or across the worker's boundary. */

import type { BackendName } from "./manifest.js";

/** dtypes that cross the boundary; TF.js has no others at a model's edges that we support. */
export type Dtype = "float32" | "int32" | "bool";

export type TensorData = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** A dense tensor in C order; bool is a Uint8Array of 0 and 1. */
export interface TensorValue {
  data: TensorData;
  shape: number[];
  dtype: Dtype;
}

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

export interface EngineConfig extends BackendConfig {
  backend: BackendName;
  /** URL of the backend's module. */
  backendModule: string;
  /** The bytes of model.json. */
  model: ArrayBuffer;
  /** In the manifest's order. */
  inputs: string[];
  outputs: string[];
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

/** From the page to the worker; the first message is `{ engine: URL }`. */
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
}

/** Buffers of `values` that may be handed over instead of copied. */
export function buffersOf(values: TensorMap): ArrayBuffer[] {
  return [...new Set(Object.values(values).map((value) => value.data.buffer))];
}
