import { rollup } from "rollup";
import tfjsBundle from "tfjs-bundle/rollup";

const build = await rollup({
  input: "main.js",
  plugins: [tfjsBundle({ model: "model/model.json", options: { verify: false } })],
});
await build.write({ dir: "dist", format: "es" });
