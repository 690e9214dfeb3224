// First: kernels look at flags as they are imported.
import "@tensorflow/tfjs-core/dist/base_side_effects";
import threaded from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js";
import { type Factory, startWith } from "../backends/wasm.js";
import { alone } from "./alone.js";

// An app's policy need not allow scripts of blob: URLs in workers, so that the factory is not imported from one.
export const createEngine = alone({
  start: (config) => startWith(config, async () => threaded as unknown as Factory),
});
