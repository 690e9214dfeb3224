import tfjsBundle from "tfjs-bundle/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [
    tfjsBundle({
      model: "../../demo_site/digits.keras",
      options: { config: "../../demo_site/tfjs-bundle.toml" },
    }),
  ],
});
