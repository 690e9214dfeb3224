import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { measure } from "./measure.js";

measure(async ({ input, threads }) => {
  const [litert, bytes] = await Promise.all([
    loadLiteRt(new URL("runtime/wasm/", location.href).href, { threads: threads > 1 }),
    fetch("model/model.tflite").then((response) => response.arrayBuffer()),
  ]);
  const model = await loadAndCompile(new Uint8Array(bytes), {
    accelerator: "wasm",
    cpuOptions: { numThreads: threads },
  });
  return {
    threads: threads > 1 ? litert.liteRtWasm.getThreadCount() : 1,
    predict: async (data) => {
      const tensor = new Tensor(data, input.shape);
      const [answer] = await model.run([tensor]);
      const values = answer.toTypedArray().slice();
      tensor.delete();
      answer.delete();
      return values;
    },
  };
});
