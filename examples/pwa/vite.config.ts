import tfjsBundle from "tfjs-bundle/vite";
import { defineConfig } from "vite";
import { VitePWA } from "vite-plugin-pwa";

export default defineConfig({
  plugins: [
    tfjsBundle({
      model: "../../demo_site/digits.keras",
      options: { config: "../../demo_site/tfjs-bundle.toml" },
    }),
    VitePWA({
      registerType: "autoUpdate",
      workbox: { globPatterns: ["**/*.{html,js,css,png}"] },
      manifest: { name: "Digits", short_name: "Digits", icons: [] },
    }),
  ],
});
