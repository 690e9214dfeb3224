/**
 * The module worker's script: calls the engine for the page. It holds no TF.js itself; the page says
 * where the engine is, whose bytes it has checked.
 */

import { answerFor } from "./answer.js";
import type { Engine, EngineRequest } from "./protocol.js";

const scope = self as unknown as DedicatedWorkerGlobalScope;
let engine: Promise<Engine> = Promise.reject(new Error("the engine's address is missing"));
// A failed import is reported by the first request.
engine.catch(() => undefined);

scope.onmessage = ({ data }: MessageEvent<{ engine: string } | EngineRequest>) => {
  if ("engine" in data) {
    engine = import(data.engine).then((module: { createEngine(): Engine }) => module.createEngine());
    engine.catch(() => undefined);
  } else {
    void answerFor(scope, engine, data);
  }
};
