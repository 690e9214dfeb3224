import { measure } from "./measure.js";

// The two classic scripts of the page define it, as the documentation of the wasm backend has it.
const { tf } = globalThis;

measure(async ({ input, threads }) => {
  tf.wasm.setWasmPaths(new URL("runtime/", location.href).href);
  if (threads > 1) tf.wasm.setThreadsCount(threads);
  else tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await tf.setBackend("wasm");
  await tf.ready();
  const model = await tf.loadGraphModel("model/model.json");
  const dynamic = Object.values(model.executor.graph.nodes).some(({ category }) => category === "control");
  return {
    threads: threads > 1 ? tf.wasm.getThreadsCount() : 1,
    predict: async (data) => {
      const tensor = tf.tensor(data, input.shape, input.dtype);
      const answer = dynamic ? await model.executeAsync(tensor) : model.execute(tensor);
      const values = await answer.data();
      tf.dispose([tensor, answer]);
      return values;
    },
  };
});
