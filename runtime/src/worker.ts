/**
 * The module worker's script: calls the engine for the page. It holds no TF.js itself; the page says
 * where the engine is, whose bytes it has checked.
 */

import {
  buffersOf,
  type Engine,
  type EngineRequest,
  type EngineResponse,
  type TensorMap,
} from "./protocol.js";

const scope = self as unknown as DedicatedWorkerGlobalScope;
let engine: Promise<Engine> | undefined;

scope.onmessage = (event: MessageEvent<{ engine: string } | EngineRequest>) => {
  const message = event.data;
  if ("engine" in message) {
    engine = import(message.engine).then((module: { createEngine(): Engine }) => module.createEngine());
    // A failed import is reported by the first request.
    engine.catch(() => undefined);
  } else {
    void answer(message);
  }
};

async function answer({ id, method, args }: EngineRequest): Promise<void> {
  try {
    if (!engine) throw new Error("the engine's address is missing");
    const call = (await engine)[method] as (...values: unknown[]) => Promise<unknown>;
    const result = await call(...args);
    const transfer = method === "run" ? buffersOf(result as TensorMap) : [];
    scope.postMessage({ id, result } satisfies EngineResponse, transfer);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    scope.postMessage({ id, error: reason, code } satisfies EngineResponse);
  }
}
