import { loadModel } from "virtual:tfjs-bundle/model";

const output = document.querySelector("output");
try {
  const model = await loadModel({ backend: "wasm" });
  const { probabilities } = await model.predict({ x: [[1, 2, 3, 4]], y: [[0, 0, 0, 0]] });
  output.textContent = JSON.stringify([...probabilities.data]);
} catch (error) {
  output.textContent = String(error);
}
