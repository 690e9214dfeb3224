/**
 * Compiles the runtime: `node runtime/build.mjs --out DIRECTORY`; with `--sizes` it prints what visits download.
 *
 * Written are loader.js and sw.js (filled in per bundle), elements.js, runtime/* named by content, npm/* (what an npm package
 * has in their place), verify/* and preview/* (never part of a bundle), runtime.json (what each file is for) and
 * kernels.json (which kernels each backend has). The same sources and packages give the same bytes.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import * as esbuild from "esbuild";
import { OP_SETS } from "./op-sets.mjs";
import { kernelImports, moduleOf, replaceOnce, slimTfjs } from "./slim.mjs";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCE = "runtime/src";
const TFJS = join(ROOT, "node_modules", "@tensorflow");
const WASM = join(TFJS, "tfjs-backend-wasm");
const BACKENDS = ["cpu", "wasm", "webgl", "webgpu"];
const BUILD_TOKEN = '"__TFJS_BUNDLE_BUILD__"';
const require = createRequire(import.meta.url);

/** Settings that every bundle shares; outputs are kept in memory until all of them are right. */
const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: ["es2022", "chrome100", "firefox100", "safari16"],
  legalComments: "none",
  // Members of the stubs below are never called.
  logOverride: { "import-is-undefined": "silent" },
  metafile: true,
  write: false,
  outdir: "out",
  logLevel: "warning",
  define: { "process.env.NODE_ENV": '"production"' },
};

/** The harness uses the loader of the bundle it stands in, which lies one directory up. */
const loaderIsExternal = {
  name: "loader-is-external",
  setup(build) {
    build.onResolve({ filter: /(^|\/)loader(\.js)?$/ }, () => ({ path: "../loader.js", external: true }));
  },
};

/** Modules of the npm package that stay modules: files.js is rendered per bundle, the rest shares it. */
const packageModulesAreExternal = {
  name: "package-modules-are-external",
  setup(build) {
    build.onResolve({ filter: /\/files\.js$/ }, () => ({ path: "./files.js", external: true }));
  },
};

/**
 * TF.js keeps its state in the page's global object, for whichever copy comes next. A script that stands alone has
 * its own: neither the app's TF.js nor another package's shares its kernels.
 */
const privateState = {
  name: "private-state",
  setup(build) {
    build.onLoad({ filter: /tfjs-core[\\/]dist[\\/]global_util\.js$/ }, ({ path }) => ({
      contents: replaceOnce(
        read(path),
        /let globalNameSpace;/,
        "let globalNameSpace = { atob: (text) => atob(text) };",
      ),
      loader: "js",
    }));
  },
};

/** A script gets a style sheet as minified text, for the shadow trees of its elements. */
const styleAsText = {
  name: "style-as-text",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      if (!path.includes("elements.css")) return undefined;
      const entryPoints = [path];
      const { outputFiles } = await esbuild.build({ ...COMMON, entryPoints, metafile: false });
      return { contents: outputFiles[0].text.trim(), loader: "text" };
    });
  },
};

const out = readArguments();
const files = new Map();
const compressed = new Map();
const packages = new Set();
const entries = [];
/** What an npm package has in place of the engine, the backends and the worker of `entries`. */
const packageEntries = [];

const { opLists, kernelOf, ...kernels } = await readKernels();
const opSets = [];
for (const set of OP_SETS) opSets.push(await opSet(set));
for (const set of opSets) await buildEngine(set);
await buildWorker();
await buildProgram();
await buildThreads();
addBinaries();
await buildLoader();
await buildServiceWorker();
await buildPackage();
await buildElements();
await buildVerify();
await buildPreview();
await addLicences();
write();
if (process.argv.includes("--sizes")) printSizes();

function readArguments() {
  const at = process.argv.indexOf("--out");
  if (at < 0 || !process.argv[at + 1]) {
    console.error("usage: node runtime/build.mjs --out DIRECTORY [--sizes]");
    process.exit(2);
  }
  return resolve(process.argv[at + 1]);
}

/** Add one file of the runtime; `opSet` is the one that it is for, empty where it serves all. */
function add(path, contents, role, { backends = [], part = "", opSet = "" } = {}) {
  files.set(path, Buffer.from(contents));
  entries.push({ path, role, backends, part, op_set: opSet });
}

function contentName(part, contents, extension) {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 16);
  return `runtime/${part}-${hash}.${extension}`;
}

/** Run esbuild and note which packages it took code from. */
async function compile(options) {
  const result = await esbuild.build(options);
  for (const input of Object.keys(result.metafile.inputs)) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input) ?? [];
    if (name) packages.add(name);
  }
  return result;
}

/** Where esbuild says an output goes, as a path of the compiled runtime. */
function outputPath(file) {
  return relative(join(ROOT, "out"), resolve(ROOT, file)).replaceAll("\\", "/");
}

/**
 * Settle what is in a set: its ops, and the kernels that executing them may call. These are the names that are
 * left of TF.js's list of kernels where the engine is compiled for these ops; kernels call none by name.
 */
async function opSet({ name, ops }) {
  const all = Object.keys(kernels.ops);
  const strange = (ops ?? []).filter((op) => !all.includes(op));
  if (strange.length > 0) fail(`op-sets.mjs: TF.js has no ${strange.join(", ")}`);
  const wanted = new Set(ops ?? all);
  const slim = (kernels, owned) => slimTfjs({ ops: wanted, kernels, owned, opLists, kernelOf });
  const { outputFiles, metafile } = await esbuild.build({
    ...COMMON,
    minify: false,
    entryPoints: [`${SOURCE}/engine.ts`],
    plugins: [slim(new Set())],
  });
  const { text } = outputFiles[0];
  const [, names] = /\/\/ \S*tfjs-core\/dist\/kernel_names\.js\n([\s\S]*?)\n\/\/ /.exec(text);
  const called = new Set(
    [...names.matchAll(/^var \w+ = "(\w+)";$/gm), ...text.matchAll(/\brunKernel\("(\w+)"/g)].map(
      ([, each]) => each,
    ),
  );
  if (!called.has("Identity")) fail("the names of the kernels were not found in the engine");
  const owned = new Set(
    Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs).map(moduleOf)),
  );
  return { name, ops: [...wanted].sort(), called, plugin: slim(called, owned) };
}

/** Engine and backends: one build, so that they share TF.js's core in chunks. */
async function buildEngine({ name: opSet, plugin }) {
  const result = await compile({
    ...COMMON,
    splitting: true,
    entryPoints: {
      engine: `${SOURCE}/engine.ts`,
      ...Object.fromEntries(BACKENDS.map((name) => [`backend-${name}`, `${SOURCE}/backends/${name}.ts`])),
    },
    entryNames: "runtime/[name]-[hash]",
    chunkNames: "runtime/tfjs-[hash]",
    plugins: [plugin],
  });
  const outputs = new Map(
    Object.entries(result.metafile.outputs).map(([path, value]) => [outputPath(path), value]),
  );
  const texts = new Map(result.outputFiles.map((file) => [outputPath(file.path), file.contents]));
  const entryOf = (source) => [...outputs].find(([, output]) => output.entryPoint === source)[0];
  const closure = (path, seen = new Set()) => {
    if (seen.has(path)) return seen;
    seen.add(path);
    for (const used of outputs.get(path).imports) {
      if (!used.external && used.kind === "import-statement") closure(outputPath(used.path), seen);
    }
    return seen;
  };
  const engine = entryOf(`${SOURCE}/engine.ts`);
  const always = closure(engine);
  add(engine, texts.get(engine), "engine", { part: "engine", opSet });
  for (const path of always) {
    if (path !== engine) add(path, texts.get(path), "runtime", { part: "tfjs", opSet });
  }
  const users = new Map();
  for (const backend of BACKENDS) {
    const entry = entryOf(`${SOURCE}/backends/${backend}.ts`);
    for (const path of closure(entry)) {
      if (!always.has(path))
        users.set(path, { part: "tfjs", backends: [...(users.get(path)?.backends ?? []), backend] });
    }
    users.get(entry).part = `backend-${backend}`;
  }
  for (const [path, { part, backends }] of users) {
    add(path, texts.get(path), "backend", { part, backends, opSet });
  }
  for (const path of texts.keys()) if (!files.has(path)) fail(`nothing imports ${path}`);
}

/** The worker's script, which imports nothing by itself: the page tells it where the engine is. */
async function buildWorker() {
  const result = await compile({
    ...COMMON,
    entryPoints: { worker: `${SOURCE}/worker.ts` },
    entryNames: "runtime/[name]-[hash]",
  });
  const [file] = result.outputFiles;
  add(outputPath(file.path), file.contents, "worker", { part: "worker" });
}

/** What runs preprocessing programs; in bundles that have one, and imported by the engine. */
async function buildProgram() {
  const result = await compile({
    ...COMMON,
    entryPoints: { program: `${SOURCE}/program/program.ts` },
    entryNames: "runtime/[name]-[hash]",
  });
  const [file] = result.outputFiles;
  add(outputPath(file.path), file.contents, "runtime", { part: "program" });
}

/**
 * The script of the wasm threads: Emscripten's worker with its main module inside, one file from this origin.
 * Imported as a module, which has no `this`, it only hands the main module to the thread that starts the others.
 */
async function buildThreads() {
  const { wasmWorkerContents } = require(`${WASM}/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js`);
  const loading =
    /if\(typeof e\.data\.urlOrBlob=="string"\)\{importScripts\(e\.data\.urlOrBlob\)\}else\{[^}]*\}/;
  const main = read(`${WASM}/wasm-out/tfjs-backend-wasm-threaded-simd.js`);
  // In TF.js's file the text is a template literal, whose escaped line ends have become real ones.
  const worker = replaceOnce(wasmWorkerContents.replaceAll("\n", "\\n"), loading, "");
  const name = "WasmBackendModuleThreadedSimd";
  const source = `${main}\nif (this) {${worker}} else globalThis.${name} = ${name};`;
  const { code } = await esbuild.transform(source, {
    minify: true,
    format: undefined,
    target: COMMON.target,
    legalComments: "none",
  });
  add(contentName("wasm-thread", code, "js"), code, "backend", { backends: ["wasm"], part: "wasm-thread" });
}

function addBinaries() {
  const names = {
    plain: "tfjs-backend-wasm",
    simd: "tfjs-backend-wasm-simd",
    "threaded-simd": "tfjs-backend-wasm-threaded-simd",
  };
  for (const [variant, name] of Object.entries(names)) {
    const bytes = readFileSync(`${WASM}/dist/${name}.wasm`);
    const path = contentName(`tfjs-wasm-${variant}`, bytes, "wasm");
    add(path, bytes, "backend", { backends: ["wasm"], part: `wasm-${variant}` });
  }
}

async function buildLoader() {
  const result = await compile({
    ...COMMON,
    splitting: true,
    entryPoints: { loader: `${SOURCE}/loader.ts` },
    entryNames: "[name]",
    chunkNames: "runtime/[name]-[hash]",
  });
  for (const file of result.outputFiles) {
    const path = outputPath(file.path);
    if (path === "loader.js") files.set(path, Buffer.from(file.contents));
    // What the loader imports only where it has to, for instance sha256 without crypto.subtle.
    else add(path, file.contents, "runtime", { part: `lazy-${path.replace(/^runtime\/|-[^-]*$/g, "")}` });
  }
  checkToken("loader.js");
}

/** What an npm package has of its own: its modules, which an app's bundler compiles, and a script per backend. */
async function buildPackage() {
  const modules = await compile({
    ...COMMON,
    // The app's bundler does that, and a developer may read it before.
    minify: false,
    splitting: true,
    entryPoints: { index: `${SOURCE}/npm/npm.ts`, precache: `${SOURCE}/npm/precache.ts` },
    entryNames: "npm/[name]",
    chunkNames: "npm/[name]-[hash]",
    plugins: [packageModulesAreExternal],
  });
  for (const file of modules.outputFiles) {
    const path = outputPath(file.path);
    const lazy = /^npm\/(sha2)-/.exec(path);
    addToPackage(path, file.contents, "entry", { part: lazy ? `lazy-${lazy[1]}` : "" });
  }
  for (const set of opSets) for (const backend of BACKENDS) await buildAlone(backend, set);
}

async function buildAlone(backend, { name: opSet, plugin }) {
  const result = await compile({
    ...COMMON,
    entryPoints: { [`engine-${backend}`]: `${SOURCE}/alone/${backend}.ts` },
    plugins: [privateState, plugin],
  });
  const script = result.outputFiles[0].contents;
  // No .js: bundlers would minify it, and dev servers rewrite it. As text, hosts still compress it.
  const path = `npm/${contentName(`engine-${backend}`, script, "txt")}`;
  addToPackage(path, script, "engine", { backends: [backend], part: `backend-${backend}`, opSet });
}

function addToPackage(path, contents, role, { backends = [], part = "", opSet = "" } = {}) {
  files.set(path, Buffer.from(contents));
  packageEntries.push({ path, role, backends, part, op_set: opSet });
}

async function buildServiceWorker() {
  const result = await compile({
    ...COMMON,
    format: "iife",
    entryPoints: { sw: `${SOURCE}/service-worker.ts` },
    entryNames: "[name]",
  });
  files.set("sw.js", Buffer.from(result.outputFiles[0].contents));
  checkToken("sw.js");
}

/** The elements, the demo page's style, and the stable name under which other pages import the elements. */
async function buildElements() {
  const result = await compile({
    ...COMMON,
    entryPoints: { elements: `${SOURCE}/elements/elements.ts`, "demo-style": `${SOURCE}/demo/demo.css` },
    entryNames: "runtime/[name]-[hash]",
    plugins: [styleAsText],
  });
  for (const file of result.outputFiles) {
    const path = outputPath(file.path);
    const part = path.endsWith(".css") ? "demo-style" : "elements";
    add(path, file.contents, "demo", { part });
    if (part === "elements")
      add("elements.js", `export * from "./${path}";\n`, "demo", { part: "elements-name" });
  }
}

async function buildVerify() {
  if (!existsSync(join(ROOT, SOURCE, "verify/harness.ts"))) return;
  const result = await compile({
    ...COMMON,
    entryPoints: { harness: `${SOURCE}/verify/harness.ts` },
    entryNames: "verify/[name]",
    plugins: [loaderIsExternal],
  });
  for (const file of result.outputFiles) files.set(outputPath(file.path), Buffer.from(file.contents));
  for (const name of ["harness.html"]) {
    const path = join(ROOT, SOURCE, "verify", name);
    if (existsSync(path)) files.set(`verify/${name}`, readFileSync(path));
  }
}

/** What `serve` adds to the pages of a preview, and answers in place of a service worker. */
async function buildPreview() {
  const result = await compile({
    ...COMMON,
    format: "iife",
    loader: { ".css": "text" },
    entryPoints: { preview: `${SOURCE}/preview/preview.ts`, retire: `${SOURCE}/preview/retire.ts` },
    entryNames: "preview/[name]",
  });
  for (const file of result.outputFiles) files.set(outputPath(file.path), Buffer.from(file.contents));
  files.set("preview/waiting.html", readFileSync(join(ROOT, SOURCE, "preview/waiting.html")));
}

/** Licences of everything that is compiled in, each text once. */
async function addLicences() {
  const texts = new Map();
  for (const name of [...packages].sort()) {
    const directory = join(ROOT, "node_modules", name);
    const { version, license } = JSON.parse(read(join(directory, "package.json")));
    const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"]
      .map((each) => join(directory, each))
      .find(existsSync);
    const text = file ? read(file).trim() : `Licensed under ${license}.`;
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const sections = [...texts].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`);
  add("runtime/THIRD_PARTY_LICENSES.txt", sections.join(`\n${"-".repeat(72)}\n\n`), "hosting");
}

/** Which kernels each backend registers and which ops the converter knows, asked of the packages themselves. */
async function readKernels() {
  const ask = async (contents) => {
    const result = await esbuild.build({
      absWorkingDir: ROOT,
      bundle: true,
      format: "cjs",
      platform: "node",
      mainFields: ["module", "main"],
      write: false,
      logLevel: "error",
      stdin: { contents, resolveDir: ROOT, loader: "js" },
    });
    const module = { exports: {} };
    new Function("module", "exports", "require", result.outputFiles[0].text)(module, module.exports, require);
    return module.exports.default;
  };
  const modules = BACKENDS.map((backend) => {
    const configs = kernelImports(read(`${TFJS}/tfjs-backend-${backend}/dist/register_all_kernels.js`));
    const lines = configs.map(
      ({ config, file }) =>
        `import { ${config} as ${backend}_${config} } from "@tensorflow/tfjs-backend-${backend}/dist/kernels/${file}";`,
    );
    const members = configs.map(({ config, file }) => `${file}: ${backend}_${config}.kernelName`);
    return { lines, member: `${backend}: { ${members} }` };
  });
  const kernelOf = await ask(
    `${modules.flatMap(({ lines }) => lines).join("\n")}
     export default { ${modules.map(({ member }) => member)} };`,
  );
  const backends = Object.fromEntries(
    Object.entries(kernelOf).map(([backend, kernels]) => [backend, Object.values(kernels).sort()]),
  );
  const categories = [
    ...read(`${TFJS}/tfjs-converter/dist/operations/operation_mapper.js`).matchAll(/'\.\/op_list\/(\w+)'/g),
  ];
  const imports = categories.map(
    ([, name], index) =>
      `import { json as j${index} } from "@tensorflow/tfjs-converter/dist/operations/op_list/${name}";`,
  );
  const opLists = await ask(`${imports.join("\n")}
    export default {${categories.map(([, name], index) => `${name}: j${index}`)}};`);
  const ops = Object.values(opLists)
    .flat()
    .map(({ tfOpName, category }) => [tfOpName, category]);
  const program = await ask(
    `import { OP_NAMES } from "./${SOURCE}/program/program.ts"; export default OP_NAMES;`,
  );
  return {
    backends,
    program,
    ops: Object.fromEntries(ops.sort(([a], [b]) => (a < b ? -1 : 1))),
    opLists,
    kernelOf,
  };
}

/** Write beside the output and swap: nobody reads half a runtime, a failed build leaves the previous one. */
function write() {
  const fresh = `${out}.${process.pid}.new`;
  const old = `${out}.${process.pid}.old`;
  const { version } = JSON.parse(read(join(TFJS, "tfjs-core/package.json")));
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  const op_sets = opSets.map(({ name, ops }) => ({ name, ops }));
  const runtime = { tfjs_version: version, op_sets, files: entries, npm: packageEntries };
  files.set("runtime.json", `${JSON.stringify(runtime, null, 1)}\n`);
  files.set("kernels.json", `${JSON.stringify(kernels, null, 1)}\n`);
  for (const [path, contents] of files) {
    mkdirSync(dirname(join(fresh, path)), { recursive: true });
    writeFileSync(join(fresh, path), contents);
  }
  if (existsSync(out)) renameSync(out, old);
  renameSync(fresh, out);
  rmSync(old, { recursive: true, force: true });
}

function printSizes() {
  // Binaries that a visit does not download when it runs on SIMD without threads.
  const otherWasm = /^wasm-(plain|thread)/;
  const size = (chosen) => chosen.reduce((sum, path) => sum + brotli(files.get(path)), 0);
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`loader.js ${kilobytes(size(["loader.js"]))}, sw.js ${kilobytes(size(["sw.js"]))} (brotli)`);
  const program = entries.filter(({ part }) => part === "program").map(({ path }) => path);
  const demo = entries.filter(({ role }) => role === "demo").map(({ path }) => path);
  console.log(`demo page ${kilobytes(size(demo))}: elements and styles`);
  console.log(`program ${kilobytes(size(program))} where a model takes text or looks values up`);
  for (const { name, ops, called } of opSets) {
    console.log(`${name}: ${ops.length} ops, ${called.size} kernels`);
    const visited = entries.filter(
      ({ role, part, op_set }) =>
        ["runtime", "engine", "worker", "backend"].includes(role) &&
        !/^(lazy-.*|program)$/.test(part) &&
        ["", name].includes(op_set),
    );
    const alone = packageEntries.filter(({ op_set }) => op_set === name);
    for (const backend of BACKENDS) {
      const own = ({ backends }) => backends.length === 0 || backends.includes(backend);
      const paths = visited.filter((file) => own(file) && !otherWasm.test(file.part)).map(({ path }) => path);
      const binaries = paths.filter((path) => path.endsWith(".wasm"));
      const scripts = alone.filter(own).map(({ path }) => path);
      console.log(
        `  ${backend.padEnd(7)} ${kilobytes(size(["loader.js", ...paths]))} in ${paths.length + 1} files, ` +
          `${kilobytes(size([...scripts, ...binaries]))} beside index.js in an npm package`,
      );
    }
  }
}

/** Size as a host sends it that has compressed its files beforehand. */
function brotli(contents) {
  let size = compressed.get(contents);
  if (size === undefined) {
    size = brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    compressed.set(contents, size);
  }
  return size;
}

function checkToken(path) {
  const count = files.get(path).toString().split(BUILD_TOKEN).length - 1;
  if (count !== 1) fail(`${path} has the build's token ${count} times in place of once`);
}

function read(path) {
  return readFileSync(path, "utf8");
}

function fail(message) {
  throw new Error(message);
}
