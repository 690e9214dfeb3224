/** The worker's side of a call: ask the engine, post what it answers. */

import {
  buffersOf,
  type Engine,
  type EngineRequest,
  type EngineResponse,
  type TensorMap,
} from "./protocol.js";

export async function answerFor(
  scope: DedicatedWorkerGlobalScope,
  engine: Promise<Engine>,
  { id, method, args }: EngineRequest,
): Promise<void> {
  try {
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
