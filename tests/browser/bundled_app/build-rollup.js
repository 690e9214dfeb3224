import { rollup } from "rollup";
import tfjsBundle from "tfjs-bundle/rollup";

const build = await rollup({
  input: "main.js",
  plugins: [tfjsBundle({ bundle: "package", name: "model" })],
});
await build.write({ dir: "dist", format: "es" });
