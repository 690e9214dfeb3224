/** An esbuild plugin that leaves out of TF.js what a graph model of given ops never calls. */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { cured } from "./cures.mjs";

const ROOT = resolve(import.meta.dirname, "..");
const TFJS = join(ROOT, "node_modules/@tensorflow");
const read = (path) => readFileSync(path, "utf8");

const CORE = "@tensorflow/tfjs-core";

/** What the core's index exports, by name: the module that it comes from, and its name there or `*`. */
const EXPORTS = exportsOf(`${CORE}/dist/base`);

function exportsOf(module) {
  const text = read(join(TFJS, "..", `${module}.js`));
  const at = (path) => join(module, "..", path).replaceAll("\\", "/");
  const found = new Map();
  for (const [, path] of text.matchAll(/^export \* from '(.+)';$/gm)) {
    for (const [name, origin] of exportsOf(at(path))) found.set(name, origin);
  }
  const imported = new Map();
  for (const [, names, path] of text.matchAll(/^import \{ (.+) \} from '(\..+)';$/gm)) {
    for (const { name, as } of clauses(names)) imported.set(as, { module: at(path), name });
  }
  for (const [, name, path] of text.matchAll(/^import \* as (\w+) from '(.+)';$/gm)) {
    imported.set(name, { module: at(path), name: "*" });
  }
  for (const [, names, path] of text.matchAll(/^export \{ (.+) \}(?: from '(.+)')?;$/gm)) {
    for (const { name, as } of clauses(names)) {
      found.set(as, path ? { module: at(path), name } : (imported.get(name) ?? { module, name: as }));
    }
  }
  for (const [, name] of text.matchAll(/^export (?:async )?(?:const|let|var|function|class) (\w+)/gm)) {
    found.set(name, { module, name });
  }
  return found;
}

/** The names in the braces of an import or export. */
function clauses(text) {
  return text
    .split(",")
    .map((each) => each.trim().split(" as "))
    .filter(([name]) => name)
    .map(([name, as = name]) => ({ name, as }));
}

/** Modules of TF.js by the end of their path, and what there is in place of them. */
const STUBS = {
  // Reading and saving models: our weights come from weights.ts.
  "tfjs-core/dist/io/io": "export {};",
  "tfjs-core/dist/io/indexed_db": "export class BrowserIndexedDB {} export class BrowserIndexedDBManager {}",
  "tfjs-core/dist/io/local_storage":
    "export class BrowserLocalStorage {} export class BrowserLocalStorageManager {}",
  "tfjs-core/dist/io/model_management":
    "export class ModelStoreManagerRegistry { static registerManager() {} }",
  "tfjs-core/dist/io/io_utils": "export function decodeWeightsStream() {}",
  "tfjs-core/dist/platforms/platform_node": "export {};",
  // Nobody asks for gradients: what an op saves for them is dropped.
  "tfjs-core/dist/gradients": `import { ENGINE } from "./engine";
    export const customGrad = (f) => (...args) => ENGINE.tidy(() => f(...args, () => {}).value);
    export { customGrad as grad, customGrad as grads, customGrad as variableGrads };
    export { customGrad as valueAndGrad, customGrad as valueAndGrads };`,
  "tfjs-core/dist/tape":
    "export function backpropagateGradients() {} export function getFilteredNodesXToY() {}",
  // The stock way to start threads, with blob: URLs; ours is in src/backends/wasm.ts.
  "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker":
    'export const wasmWorkerContents = "";',
};

/** By the one op that needs it: 64-bit integers take a package of their own. */
const STUBS_WITHOUT = {
  StringToHashBucketFast: {
    "tfjs-core/dist/hash_util": "export function hexToLong() {} export function fingerPrint64() {}",
  },
};

/** Files of TF.js by a pattern, and what to replace in them: patterns that must occur, by a text. */
const PATCHES = [
  // In Node Emscripten looks for files beside it, which it needs neither there nor here.
  [
    /wasm-out\/tfjs-backend-wasm(-threaded-simd)?$/,
    [[/(?<=ENVIRONMENT_IS_NODE=)typeof process=="object"[^;]*/, "false"]],
  ],
  // Emscripten starts eight threads whatever is asked for; each takes time and memory.
  [
    /wasm-out\/tfjs-backend-wasm-threaded-simd$/,
    [[/pthreadPoolSize=8;/, 'pthreadPoolSize=Module["threadPoolSize"]||8;']],
  ],
  // Gradients, and what computes them: methods of a class stay otherwise, called or not.
  [
    /tfjs-core\/dist\/engine$/,
    [
      [/^ {4}gradients\([\s\S]*?^ {4}\}$/m, ""],
      [/^ {4}customGrad\([\s\S]*?^ {4}\}$/m, ""],
    ],
  ],
  // Ops are taken apart only where somebody asks for gradients.
  [
    /tfjs-core\/dist\/ops\/fused\/\w+$/,
    [
      [/^ {4}if \(shouldFuse\([\s\S]*?^ {4}\}$/m, ""],
      [/^ {4}const grad = \([\s\S]*?^ {4}\};$/m, "const grad = undefined;"],
    ],
  ],
  // A namespace in a namespace keeps all that is in it.
  [
    /tfjs-converter\/dist\/operations\/operation_executor$/,
    [
      [
        /^import \* as tfc from '@tensorflow\/tfjs-core';$/m,
        "import { tidy as scoped, util } from '@tensorflow/tfjs-core';",
      ],
      [/tidy = tfc\.tidy\)/, "tidy = scoped)"],
      [/tfc\.util/, "util"],
    ],
  ],
];

/**
 * @param ops names of TensorFlow ops, a Set; what only others need is left out.
 * @param kernels names of TF.js's kernels, a Set; the backends register no others.
 * @param owned modules of the engine, a Set of what `moduleOf` gives.
 * @param opLists the converter's op lists by the names of their files.
 * @param kernelOf by backend and the name of a kernel's file, the kernel's name.
 */
export function slimTfjs({ ops, kernels, owned, opLists, kernelOf }) {
  const stubs = { ...STUBS };
  for (const [op, files] of Object.entries(STUBS_WITHOUT)) if (!ops.has(op)) Object.assign(stubs, files);
  const operations = Object.values(opLists).flat();
  const wanted = operations.filter(({ tfOpName }) => ops.has(tfOpName));
  const categories = new Set(wanted.map(({ category }) => category));

  /** The text of a module of TF.js. */
  function slim(path) {
    const module = moduleOf(path);
    if (module in stubs) return stubs[module];
    const [, folder, file] = /(\w+)\/([\w-]+)$/.exec(module);
    if (folder === "op_list") {
      const list = opLists[file].filter(({ tfOpName }) => ops.has(tfOpName));
      return `export const json = ${JSON.stringify(list)};`;
    }
    let text = cured(module, read(path));
    if (file === "register_all_kernels") {
      const [, backend] = /^tfjs-backend-(\w+)\//.exec(module);
      return pastTheIndex(onlyKernels(text, kernels, kernelOf[backend]));
    }
    if (file === "operation_executor") text = onlyCases(text, 12, categories);
    if (folder === "executors" && file.endsWith("_executor")) text = plainImports(onlyCases(text, 8, ops));
    for (const [files, replacements] of PATCHES) {
      if (!files.test(module)) continue;
      for (const [pattern, replacement] of replacements) text = replaceOnce(text, pattern, replacement);
    }
    return pastTheIndex(text);
  }

  return {
    name: "slim-tfjs",
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path, importer, resolveDir, pluginData }) => {
        const file = fileOf(path, importer, resolveDir);
        if (!file) return undefined;
        const sideEffects = SIDE_EFFECTS.test(moduleOf(file));
        const backend = BACKEND.exec(slashed(importer))?.[1] ?? pluginData?.backend;
        // What is not the engine's, every backend has of its own: else any two that share something share a chunk.
        if (!backend || owned?.has(moduleOf(file))) return { path: file, sideEffects };
        return { path: file, sideEffects, suffix: `?${backend}`, pluginData: { backend } };
      });
      build.onLoad({ filter: /@tensorflow[\\/]tfjs-.*\.js$/ }, ({ path, pluginData }) => ({
        contents: slim(path),
        loader: "js",
        pluginData,
      }));
      build.onLoad({ filter: /runtime[\\/]src[\\/](engine|backends[\\/]\w+)\.ts$/ }, ({ path }) => ({
        // All that the engine has is in every backend's reach, and so in one chunk.
        contents: `${pastTheIndex(read(path))}${path.endsWith("engine.ts") ? "" : 'import "../engine.js";'}`,
        loader: "ts",
      }));
      // Of seedrandom's seven generators TF.js uses one.
      build.onResolve({ filter: /^seedrandom$/ }, () => ({ path: "alea", namespace: "seedrandom" }));
      build.onLoad({ filter: /.*/, namespace: "seedrandom" }, () => ({
        contents: 'export { default as alea } from "seedrandom/lib/alea.js";',
        resolveDir: ROOT,
      }));
    },
  };
}

const BACKEND = /runtime\/src\/backends\/(\w+)\.ts$/;
const slashed = (path) => path.replaceAll("\\", "/");

/** A module of TF.js by its path, such as `tfjs-core/dist/util`. */
export const moduleOf = (path) => slashed(path).replace(/^.*\/@tensorflow\/|\.js(\?\w+)?$/g, "");

/** Modules that do something as they are imported, as their packages say; the index is read past. */
const SIDE_EFFECTS = new RegExp(
  [
    "^tfjs-core/dist/(engine|tensor|base_side_effects|flags|platforms/\\w+)$",
    "^tfjs-converter/dist/flags$",
    "^tfjs-backend-\\w+/dist/(register_all_kernels|flags_\\w+|base|index)$",
  ].join("|"),
);

/** Where a module of TF.js is that is imported, or undefined for other modules. */
function fileOf(path, importer, directory) {
  let file;
  if (path === CORE) file = `${CORE}/dist/base`;
  else if (/^@tensorflow\/[\w-]+$/.test(path)) file = `${path}/dist/index`;
  else if (path.startsWith("@tensorflow/")) file = path;
  else if (path.startsWith(".") && slashed(importer).includes("/@tensorflow/")) file = join(directory, path);
  else return undefined;
  return `${resolve(TFJS, "..", file).replace(/\.js$/, "")}.js`;
}

/**
 * A namespace as a default parameter keeps every op of TF.js alive, and one in a namespace all that is in it; plain
 * imports do not.
 */
function plainImports(text) {
  if (!text.includes("tfOps")) return text;
  const named = replaceOnce(text, /import \* as tfOps from/, "import * as ops from");
  const lines = new Set();
  const flat = named.replace(/\bops\.(image|linalg|sparse|string)\.(\w+)/g, (_, namespace, name) => {
    const [, path] = new RegExp(`^import \\{ ${name} \\} from '\\./(${namespace}/\\w+)';$`, "m").exec(OPS);
    lines.add(`import { ${name} as ${namespace}_${name} } from "${CORE}/dist/ops/${path}";\n`);
    return `${namespace}_${name}`;
  });
  return [...lines].join("") + replaceOnce(flat, /, ops = tfOps\) =>/, ") =>");
}

const OPS = read(join(TFJS, "tfjs-core/dist/ops/ops.js"));

/**
 * Import each thing of the core from where it is: through the index all would come along, into whatever chunk is
 * shared, and a namespace that comes through it keeps all that is in it.
 */
function pastTheIndex(text) {
  return text.replace(/^import \{([^}]+)\} from ['"]@tensorflow\/tfjs-core['"];$/gm, (_, names) =>
    clauses(names)
      .filter(({ name }) => !name.startsWith("type "))
      .map(({ name, as }) => {
        const origin = EXPORTS.get(name);
        if (!origin) throw new Error(`tfjs-core has no ${name}`);
        const what = origin.name === "*" ? `* as ${as}` : `{ ${origin.name} as ${as} }`;
        return `import ${what} from "${origin.module}";`;
      })
      .join(" "),
  );
}

/** Leave out the cases of a switch, indented by so many spaces, whose labels are none of `wanted`. */
function onlyCases(text, indent, wanted) {
  const [head, ...cases] = text.split(new RegExp(`^(?= {${indent}}(?:case '|default:))`, "m"));
  if (cases.length === 0) throw new Error(`TF.js has changed: no case is indented by ${indent} spaces`);
  let kept = head;
  /** Of cases that fall through to the next. */
  let labels = "";
  for (const each of cases) {
    const [label, name] = /^ *(?:case '(\w+)'|default):/.exec(each);
    const body = each.slice(label.length);
    if (name === undefined || wanted.has(name)) labels += label;
    if (!body.trim()) continue;
    if (labels) kept += labels + body;
    labels = "";
  }
  // The last part also has what follows the switch.
  if (!kept.endsWith(cases.at(-1))) throw new Error(`TF.js has changed: a switch ends with ${cases.at(-1)}`);
  return kept;
}

/** What a backend's register_all_kernels.js imports: names of configurations, and of their files. */
export function kernelImports(text) {
  const imports = [...text.matchAll(/^import \{ (\w+) \} from '\.\/kernels\/(\w+)';$/gm)];
  if (imports.length < 100) throw new Error("TF.js has changed: kernels are registered in another way");
  return imports.map(([line, config, file]) => ({ line, config, file }));
}

/** The module that registers kernels, with those that are wanted; `kernelOf` names the kernel in each file. */
function onlyKernels(text, kernels, kernelOf) {
  const wanted = kernelImports(text).filter(({ file }) => kernels.has(kernelOf[file]));
  return `import { registerKernel } from "@tensorflow/tfjs-core";
${wanted.map(({ line }) => line).join("\n")}
    for (const config of [${wanted.map(({ config }) => config)}]) registerKernel(config);`;
}

export function replaceOnce(text, pattern, replacement) {
  if (!pattern.test(text)) throw new Error(`TF.js has changed: ${pattern} was not found`);
  return text.replace(pattern, replacement);
}
