import { loadModel } from "../loader.js";
import { measure } from "./measure.js";

measure(async ({ input, output, backend, worker }) => {
  const model = await loadModel({ backend, worker, serviceWorker: true });
  return {
    threads: model.threads,
    settled: () => model.offline,
    predict: async (data) =>
      (await model.predict({ [input.name]: { data, shape: input.shape } }))[output].data,
  };
});
