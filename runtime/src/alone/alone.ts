/**
 * One script per backend for the npm package: engine, backend and worker in one, which imports nothing, since
 * the bundler of an app renames files, and none can count on where another one is.
 */

import { env } from "@tensorflow/tfjs-core";
import { PlatformBrowser } from "@tensorflow/tfjs-core/dist/platforms/platform_browser";
import { answerFor } from "../answer.js";
import { engineOf } from "../engine.js";
import { createProgram } from "../program/program.js";
import { type BackendModule, type Engine, type EngineRequest, WORKER_NAME } from "../protocol.js";

// In Node it would recommend another package, on the console.
env().set("IS_NODE", false);

/** Return `createEngine` for this backend; where the script was started as our worker, serve the page. */
export function alone(backend: BackendModule): () => Engine {
  // Outside of browsers TF.js knows none of its own; all that it takes of one is there in Node too.
  if (!env().platform) env().setPlatform("browser", new PlatformBrowser());
  const createEngine = () =>
    engineOf({ backend: async () => backend, program: async () => ({ createProgram }) });
  if (typeof DedicatedWorkerGlobalScope === "function" && self instanceof DedicatedWorkerGlobalScope) {
    if (self.name === WORKER_NAME) serve(self, createEngine());
  }
  return createEngine;
}

function serve(scope: DedicatedWorkerGlobalScope, engine: Engine): void {
  scope.onmessage = ({ data }: MessageEvent<EngineRequest>) => {
    void answerFor(scope, Promise.resolve(engine), data);
  };
}
