/**
 * TF.js's WebAssembly backend with an initialisation of our own: the binary comes as checked bytes, the
 * threads' script from this origin. TF.js's own way makes workers of blob: URLs, which the page's
 * Content-Security-Policy does not allow.
 */

import { BackendWasm, setThreadsCount } from "@tensorflow/tfjs-backend-wasm/dist/backend_wasm";
import "@tensorflow/tfjs-backend-wasm/dist/register_all_kernels";
import factory from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
import { findBackend, registerBackend } from "@tensorflow/tfjs-core";
import type { BackendConfig, BackendHandle, WasmConfig } from "../protocol.js";

/** What the Emscripten factories resolve to; TF.js's types leave out half of it. */
type WasmModule = BackendWasm["wasm"] & {
  cwrap(name: string, result: "number" | null, args: "number"[]): (...values: number[]) => never;
};
export type Factory = (options: Record<string, unknown>) => Promise<WasmModule>;

/** Threads that do not answer within this time never will, for instance where they may not start. */
const START_TIMEOUT_MS = 20_000;

export function start(config: BackendConfig): Promise<BackendHandle> {
  return startWith(config, threadedFactory);
}

/** The threads' script is a module for whoever starts the threads, see runtime/build.mjs. */
async function threadedFactory({ threadScript }: WasmConfig): Promise<Factory> {
  if (!threadScript) throw new Error("the threads' script is missing");
  await import(threadScript);
  return (globalThis as unknown as Record<string, Factory>)[THREADED_FACTORY]!;
}

const THREADED_FACTORY = "WasmBackendModuleThreadedSimd";

/** @param threaded gives what makes the binary with threads, only where that is asked for. */
export async function startWith(
  config: BackendConfig,
  threaded: (config: WasmConfig) => Promise<Factory>,
): Promise<BackendHandle> {
  if (!findBackend("wasm")) {
    if (!config.wasm) throw new Error("the WebAssembly binary is missing");
    const isThreaded = config.wasm.variant === "threaded-simd";
    const make = isThreaded ? await threaded(config.wasm) : (factory as unknown as Factory);
    const backend = new BackendWasm(await instantiate(config.wasm, make));
    registerBackend("wasm", () => backend, 2);
  }
  const wasm = (findBackend("wasm") as BackendWasm).wasm;
  const handle: BackendHandle = { lost: new Promise(() => undefined) };
  if (config.wasm?.variant === "threaded-simd") {
    handle.setThreads = (threads) => {
      announceCores(threads);
      wasm.tfjs.initWithThreadsCount(threads);
    };
  }
  return handle;
}

async function instantiate(config: WasmConfig, make: Factory): Promise<WasmModule> {
  if (config.variant === "threaded-simd") {
    // The threads' workers are made ready now; computing begins on one thread, see setThreads.
    announceCores(1);
    setThreadsCount(1);
  }
  const module = await new Promise<WasmModule>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("WebAssembly did not start in time")), START_TIMEOUT_MS);
    const options = {
      wasmBinary: config.binary,
      locateFile: (path: string) => (path.endsWith(".worker.js") ? config.threadScript : path),
      // The threads' script holds the factory already, so that this URL is never loaded.
      mainScriptUrlOrBlob: "",
      threadPoolSize: config.threads,
      onAbort: (reason: unknown) => reject(new Error(`WebAssembly stopped: ${String(reason)}`)),
    };
    make(options)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
  module.tfjs = {
    init: module.cwrap("init", null, []),
    initWithThreadsCount: module.cwrap("init_with_threads_count", null, ["number"]),
    getThreadsCount: module.cwrap("get_threads_count", "number", []),
    registerTensor: module.cwrap("register_tensor", null, ["number", "number", "number"]),
    disposeData: module.cwrap("dispose_data", null, ["number"]),
    dispose: module.cwrap("dispose", null, []),
  };
  return module;
}

/** TF.js takes at most half of the cores that the navigator names; this makes it take `threads`. */
function announceCores(threads: number): void {
  Object.defineProperty(navigator, "hardwareConcurrency", { value: threads, configurable: true });
}
