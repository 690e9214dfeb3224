import tfjsBundle from "tfjs-bundle/webpack";
import webpack from "webpack";

const config = {
  mode: "production",
  entry: "./main.js",
  plugins: [tfjsBundle({ model: "model/model.json", options: { verify: false } })],
};
webpack(config, (error, stats) => {
  if (error || stats.hasErrors()) {
    console.error(error ?? stats.toString("errors-only"));
    process.exitCode = 1;
  }
});
