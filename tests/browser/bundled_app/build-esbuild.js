import { build } from "esbuild";
import tfjsBundle from "tfjs-bundle/esbuild";

await build({
  entryPoints: ["main.js"],
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  plugins: [tfjsBundle({ bundle: "package", name: "model" })],
});
