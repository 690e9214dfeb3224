import tfjsBundle from "tfjs-bundle/vite";

export default {
  plugins: [tfjsBundle({ model: "model/model.json", options: { verify: false } })],
};
