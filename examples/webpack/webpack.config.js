import tfjsBundle from "tfjs-bundle/webpack";

export default {
  mode: "production",
  entry: "./src/main.js",
  output: { filename: "[name].js", assetModuleFilename: "assets/[name].[contenthash:8][ext]", clean: true },
  plugins: [
    tfjsBundle({
      model: "../../demo_site/digits.keras",
      options: { config: "../../demo_site/tfjs-bundle.toml" },
    }),
  ],
};
