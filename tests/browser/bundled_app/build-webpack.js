import tfjsBundle from "tfjs-bundle/webpack";
import webpack from "webpack";

const config = {
  mode: "production",
  entry: "./main.js",
  plugins: [tfjsBundle({ bundle: "package", name: "model" })],
};
webpack(config, (error, stats) => {
  if (error || stats.hasErrors()) {
    console.error(error ?? stats.toString("errors-only"));
    process.exitCode = 1;
  }
});
