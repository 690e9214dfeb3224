/** Compiles the plugins: `node plugin/build.mjs [--out DIRECTORY]`, plugin/dist by default. */

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string", default: join(HERE, "dist") } } });
const OUT = resolve(values.out);
const COMMON = { bundle: true, packages: "external", format: "esm", outdir: OUT, logLevel: "warning" };

rmSync(OUT, { recursive: true, force: true });
await esbuild.build({
  ...COMMON,
  entryPoints: ["vite", "rollup", "webpack", "esbuild"].map((name) => join(HERE, "src", `${name}.ts`)),
  platform: "node",
  target: "node20",
  splitting: true,
});
await esbuild.build({ ...COMMON, entryPoints: [join(HERE, "src", "react.ts")], target: "es2022" });

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const types = ["--project", join(HERE, "tsconfig.build.json"), "--outDir", OUT];
const { status } = spawnSync(process.execPath, [tsc, ...types], { stdio: "inherit" });
process.exit(status ?? 1);
