import { loadModel } from "virtual:tfjs-bundle/digits";

const picture = document.querySelector("img")!;
const status = document.querySelector("[role=status]")!;
const list = document.querySelector("ol")!;

try {
  const model = await loadModel({
    onProgress: ({ loaded, total }) => {
      status.textContent = `${Math.floor((100 * loaded) / total)} %`;
    },
  });
  await picture.decode();
  const { digit } = await model.predict({ image: picture });
  const probabilities = [...digit.data];
  status.textContent = `It is a ${probabilities.indexOf(Math.max(...probabilities))}.`;
  list.replaceChildren(...probabilities.map(item));
} catch (error) {
  status.textContent = String(error);
}

function item(probability: number): HTMLLIElement {
  const data = document.createElement("data");
  data.value = String(probability);
  data.textContent = `${(100 * probability).toFixed(1)} %`;
  const line = document.createElement("li");
  line.append(data);
  return line;
}
