/** Where an engine runs: in a module worker, or in the page. Both give the same `Engine`. */

import {
  buffersOf,
  type Engine,
  type EngineConfig,
  type EngineMethod,
  type EngineRequest,
  type EngineResponse,
  type TensorMap,
  WORKER_NAME,
} from "./protocol.js";

export interface EngineHost {
  engine: Engine;
  /** Ends everything at once; calls in progress are rejected. */
  terminate(): void;
}

/** Run the engine in the page: simple, but the page stands still while it computes. */
export async function pageHost(engineUrl: string): Promise<EngineHost> {
  // The comments keep bundlers of an app that uses the npm package from looking for the module themselves.
  const module = (await import(
    /* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ engineUrl
  )) as { createEngine(): Engine };
  const engine = module.createEngine();
  return { engine, terminate: () => void engine.dispose().catch(() => undefined) };
}

/** Run the engine in a module worker of its own, whose script is the engine where no other is named. */
export function workerHost(workerUrl: string, engineUrl?: string): EngineHost {
  const worker = new Worker(workerUrl, { type: "module", name: WORKER_NAME });
  const hint = workerUrl.startsWith("blob:")
    ? ": does the page's Content-Security-Policy allow `worker-src blob:`?"
    : "";
  const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 0;
  let stopped = "";

  function stop(reason: string): void {
    stopped ||= reason;
    worker.terminate();
    for (const { reject } of calls.values()) reject(new Error(stopped));
    calls.clear();
  }

  worker.onmessage = ({ data }: MessageEvent<EngineResponse>) => {
    const call = calls.get(data.id);
    calls.delete(data.id);
    if (data.error === undefined) call?.resolve(data.result);
    else call?.reject(Object.assign(new Error(data.error), data.code ? { code: data.code } : {}));
  };
  // The message is empty where the worker's script could not be loaded at all.
  worker.onerror = (event) => {
    event.preventDefault();
    stop(
      event.message
        ? `the worker stopped: ${event.message}`
        : `the worker's script could not be started${hint}`,
    );
  };
  worker.onmessageerror = () => stop("the worker's answer could not be read");
  if (engineUrl) worker.postMessage({ engine: engineUrl });

  function call<Result>(
    method: EngineMethod,
    args: unknown[] = [],
    transfer: Transferable[] = [],
  ): Promise<Result> {
    if (stopped) return Promise.reject(new Error(stopped));
    return new Promise<unknown>((resolve, reject) => {
      const request: EngineRequest = { id: next++, method, args };
      calls.set(request.id, { resolve, reject });
      worker.postMessage(request, transfer);
    }) as Promise<Result>;
  }

  return {
    engine: {
      start: (config: EngineConfig) =>
        call(
          "start",
          [config],
          [
            config.model,
            ...(config.wasm ? [config.wasm.binary] : []),
            ...(config.program ? [config.program.document] : []),
          ],
        ),
      addShard: (bytes: ArrayBuffer) => call("addShard", [bytes], [bytes]),
      finish: () => call("finish"),
      run: (inputs: TensorMap) => call("run", [inputs], buffersOf(inputs)),
      time: (inputs, threads) => call("time", [inputs, threads]),
      setThreads: (threads) => call("setThreads", [threads]),
      memory: () => call("memory"),
      dispose: () => call("dispose"),
    },
    terminate: () => stop("the model was disposed"),
  };
}
