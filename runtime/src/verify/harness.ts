/**
 * The page in which `tfjs-bundle verify` runs a bundle: it uses the bundle's public API as any page
 * would, and hands tensors to and fro as base64. It is served beside the bundle, never inside it.
 */

import { drawInput, type GoldenInput } from "../golden.js";

type Numbers = Float32Array | Int32Array | Uint8Array | Float64Array;

/** A tensor that the page draws itself, so that nothing large has to travel. */
interface Drawn {
  draw: GoldenInput;
}

/** A tensor on its way between Python and the page: little-endian bytes, strings, or wide whole numbers. */
interface Packed {
  shape: number[];
  dtype: string;
  base64?: string;
  strings?: string[];
  numbers?: number[];
}

interface PublicTensor {
  data: Numbers | string[];
  shape: number[];
  dtype: string;
}

/** What this page uses of the bundle's own module. */
interface PublicModel {
  backend: string;
  predict(inputs: Record<string, PublicTensor>): Promise<Record<string, PublicTensor>>;
  dispose(): void | Promise<void>;
}

interface LoadJob {
  /** Where the bundle's module is. */
  module: string;
  backend: string;
  selfCheck: boolean;
  worker: boolean;
  /** Tells this bundle's loader from another one that this page imported from the same address. */
  version: string;
  /** Milliseconds. */
  timeout: number;
}

interface PredictJob {
  inputs: Record<string, Packed | Drawn>;
  timeout: number;
}

interface TimeJob extends PredictJob {
  /** Predict until this many milliseconds have gone by, and at least once. */
  budget: number;
  /** Predict at most this often. */
  repeats: number;
}

/** A refusal as a value: evaluating a page's function from outside loses an error's members. */
interface Failure {
  error: { code: string; message: string };
}

/** Outputs, and the milliseconds that they took. */
interface Predicted {
  milliseconds: number;
  outputs: Record<string, Packed>;
}

let model: PublicModel | undefined;

/** Load the bundle on one backend; resolves to the milliseconds it took. */
async function load(
  job: LoadJob,
): Promise<{ milliseconds: number; backend: string; isolated: boolean } | Failure> {
  return guarded(async () => {
    await model?.dispose();
    model = undefined;
    const started = performance.now();
    const module = new URL(job.module);
    module.search = job.version;
    const { loadModel } = await import(module.href);
    model = (await within(
      job.timeout,
      "loading",
      loadModel({
        backend: job.backend,
        worker: job.worker,
        selfCheck: job.selfCheck,
      }),
    )) as PublicModel;
    return {
      milliseconds: performance.now() - started,
      backend: model.backend,
      isolated: globalThis.crossOriginIsolated === true,
    };
  });
}

/** Make one prediction. */
async function predict(job: PredictJob): Promise<Predicted | Failure> {
  return guarded(async () => {
    const inputs = unpackAll(job.inputs);
    const started = performance.now();
    const outputs = await within(job.timeout, "predicting", loaded().predict(inputs));
    return { milliseconds: performance.now() - started, outputs: packAll(outputs) };
  });
}

/** Make one prediction again and again; resolves to the milliseconds of the fastest, and the outputs of the last. */
async function time(job: TimeJob): Promise<Predicted | Failure> {
  return guarded(async () => {
    let fastest = Number.POSITIVE_INFINITY;
    let outputs: Record<string, PublicTensor> = {};
    const end = performance.now() + job.budget;
    for (let done = 0; done < job.repeats && (done === 0 || performance.now() < end); done++) {
      const inputs = unpackAll(job.inputs); // anew each time: a model may take buffers over
      const started = performance.now();
      outputs = await within(job.timeout, "predicting", loaded().predict(inputs));
      fastest = Math.min(fastest, performance.now() - started);
    }
    return { milliseconds: fastest, outputs: packAll(outputs) };
  });
}

function loaded(): PublicModel {
  if (!model) throw new Error("no model is loaded");
  return model;
}

async function guarded<Result>(work: () => Promise<Result>): Promise<Result | Failure> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

/** A prediction on a lost device may never settle: give up after `timeout` milliseconds. */
async function within<Result>(timeout: number, what: string, work: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${timeout / 1000} s`)), timeout);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unpackAll(inputs: Record<string, Packed | Drawn>): Record<string, PublicTensor> {
  return Object.fromEntries(Object.entries(inputs).map(([name, packed]) => [name, unpack(packed)]));
}

function unpack(input: Packed | Drawn): PublicTensor {
  if ("draw" in input) return drawInput(input.draw);
  const { shape, dtype, base64, strings, numbers } = input;
  if (numbers) return { data: Float64Array.from(numbers), shape, dtype };
  if (strings) return { data: strings, shape, dtype };
  const text = atob(base64 ?? "");
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  const data =
    dtype === "float32"
      ? new Float32Array(bytes.buffer)
      : dtype === "int32"
        ? new Int32Array(bytes.buffer)
        : bytes;
  return { data, shape, dtype };
}

function packAll(outputs: Record<string, PublicTensor>): Record<string, Packed> {
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, pack(tensor)]));
}

function pack({ data, shape, dtype }: PublicTensor): Packed {
  if (Array.isArray(data)) return { shape, dtype, strings: data };
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const pieces: string[] = [];
  for (let start = 0; start < bytes.length; start += 0x8000) {
    // In pieces: a call with a million arguments overflows the stack.
    pieces.push(String.fromCharCode(...bytes.subarray(start, start + 0x8000)));
  }
  return { shape, dtype, base64: btoa(pieces.join("")) };
}

Object.assign(globalThis, { tfjsBundleVerify: { load, predict, time } });
