import * as ort from "onnxruntime-web/wasm";
import { measure } from "./measure.js";

measure(async ({ input, threads }) => {
  ort.env.wasm.wasmPaths = new URL("runtime/", location.href).href;
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create("model/model.onnx", { executionProviders: ["wasm"] });
  return {
    threads: ort.env.wasm.numThreads,
    predict: async (data) => {
      const answer = await session.run({
        [session.inputNames[0]]: new ort.Tensor(input.dtype, data, input.shape),
      });
      return answer[session.outputNames[0]].data;
    },
  };
});
