import tfjsBundle from "tfjs-bundle/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [
    tfjsBundle({
      model: "../../demo_site/digits.keras",
      options: { config: "../../demo_site/tfjs-bundle.toml" },
    }),
  ],
  build: {
    rollupOptions: {
      input: { index: "index.html", "service-worker": "src/service-worker.ts" },
      output: {
        // A service worker keeps its name, and its scope is the directory that it lies in.
        entryFileNames: ({ name }) => (name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
