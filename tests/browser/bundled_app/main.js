import { loadModel } from "virtual:tfjs-bundle/model";

const output = document.querySelector("output");

async function show(load) {
  try {
    const model = await load({ backend: "wasm" });
    const { probabilities } = await model.predict({ x: [[1, 2, 3, 4]], y: [[0, 0, 0, 0]] });
    output.textContent = JSON.stringify([...probabilities.data]);
  } catch (error) {
    output.textContent = String(error);
  }
}

show(loadModel);
import.meta.hot?.accept("virtual:tfjs-bundle/model", (changed) => show(changed.loadModel));
