/**
 * Loading a bundle's model, whatever the bundle came in: a site (loader.ts) or an npm package (npm.ts).
 * Those two say where the files are and how a checked script is started; all the rest is here.
 */

import {
  type BackendChoice,
  type Candidate,
  candidatesFor,
  type Device,
  inspectDevice,
  namedBackends,
  runtimeFiles,
} from "./candidates.js";
import { abortedError, BundleError, isBundleError, throwIfAborted } from "./errors.js";
import { compareOutputs, drawInputs, type Golden } from "./golden.js";
import { type EngineHost, pageHost, workerHost } from "./hosts.js";
import { type Inputs, readInputs } from "./inputs.js";
import {
  BACKENDS,
  type BackendName,
  type Build,
  fileAt,
  filesFor,
  MANIFEST,
  type Manifest,
  type ManifestFile,
  parseManifest,
  type TensorInfo,
} from "./manifest.js";
import type { Control } from "./offline.js";
import type { EngineMemory, TensorMap, TensorValue } from "./protocol.js";
import { type FileProgress, lost, manifestFile, type Store } from "./store.js";
import type { WeightsGroup } from "./weights.js";

export type { BackendChoice, BackendName, EngineMemory, Inputs, Manifest, TensorInfo, TensorValue };
export { BundleError };

/** Where a bundle comes from, and what can be done with it there. */
export interface Source {
  readonly store: Store;
  /** What the build has filled in; null where nothing has, and bundle.json is taken as it is. */
  readonly build: Build | null;
  /** Whether there are Web Workers to compute in. */
  readonly workers: boolean;
  /** Scripts are imported only when the service worker, if there is one, answers with what was checked. */
  readonly control: Promise<Control>;
  /** The address under which a script whose bytes were checked can be imported or started. */
  script(url: string, bytes: ArrayBuffer): string;
}

/** Bytes of everything that this visit needs, from the network or from this device. */
export interface LoadProgress {
  loaded: number;
  total: number;
  /** Whether everything so far came from this device. */
  fromCache: boolean;
}

export interface LoadOptions {
  /** The bundle's directory; by default the loader's own. */
  baseUrl?: string | URL;
  /** One backend, an order of them, or `"auto"`. A backend that is named may run on a software adapter. */
  backend?: BackendChoice;
  /** Compute in a Web Worker (default), or in the page. */
  worker?: boolean;
  /** Run the bundle's golden cases on this device before its backend is trusted (default). */
  selfCheck?: boolean;
  /** Called with bytes as they come. */
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

/** Whether the page will work without the network, and if not why. */
export interface OfflineState {
  ready: boolean;
  reason: string;
}

export interface Model {
  readonly manifest: Manifest;
  readonly backend: BackendName;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Threads that compute; 1 everywhere but on wasm in a cross-origin isolated page. */
  readonly threads: number;
  /** Resolves once the fall-back backends are stored too, or with the reason why there is no offline here. */
  readonly offline: Promise<OfflineState>;
  /**
   * Predict. Takes an object by input name, or the bare value where there is one input; resolves to an
   * object by output name. Calls are worked off one after the other.
   *
   * @throws BundleError `input`, `backend` or `aborted`
   */
  predict(inputs: Inputs, options?: { signal?: AbortSignal }): Promise<Record<string, TensorValue>>;
  /** Run once on zeros, so that the first prediction is as fast as the next. */
  warmUp(): Promise<void>;
  /** Tensors that TF.js holds now: the same after every prediction. */
  memory(): Promise<EngineMemory>;
  /** Give everything back; the model is of no use afterwards. */
  dispose(): void;
}

/** Load the model of `source`; see `loadModel` for what it throws. */
export async function load(options: LoadOptions, source: Source): Promise<Model> {
  const { backend = "auto", signal } = options;
  const worker = (options.worker ?? true) && source.workers;
  const wanted = namedBackends(backend) ?? BACKENDS;
  const [manifest, device] = await Promise.all([readManifest(source, signal), inspectDevice(worker, wanted)]);
  const candidates = candidatesFor(backend, manifest, device);
  const progress = progressMeter(options.onProgress);

  const failures: string[] = [];
  let unreachable: BundleError | undefined;
  for (const candidate of candidates) {
    const load = {
      manifest,
      source,
      candidate,
      worker,
      progress,
      signal,
      selfCheck: options.selfCheck ?? true,
    };
    try {
      const started = await start(load);
      return modelOf(started, load, keepForOffline(load, device));
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      if (isBundleError(error)) {
        // A damaged file is damaged on every backend; but without a network another may be stored here.
        if (error.code !== "network") throw error;
        unreachable ??= error;
      }
      failures.push(`${label(candidate)}: ${messageOf(error)}`);
    }
  }
  throw (
    unreachable ?? new BundleError("backend", `no backend works on this device (${failures.join("; ")}).`)
  );
}

interface Load {
  manifest: Manifest;
  source: Source;
  candidate: Candidate;
  worker: boolean;
  progress: ProgressMeter;
  signal?: AbortSignal;
  selfCheck: boolean;
}

interface Started {
  host: EngineHost;
  threads: number;
}

/** Read bundle.json: against the build's hash where the loader was filled in, else as the host has it. */
async function readManifest({ store, build }: Source, signal?: AbortSignal): Promise<Manifest> {
  const bytes = build
    ? await store.fetch(manifestFile(build.manifest), { signal })
    : await store.fetchUnchecked(MANIFEST, signal);
  return parseManifest(new TextDecoder().decode(bytes));
}

/** Bring one candidate up to the point where its predictions can be trusted. */
async function start(load: Load): Promise<Started> {
  const { manifest, source, candidate, worker, progress, signal } = load;
  const { store } = source;
  const modelFile = filesFor(manifest, { roles: ["model"] })[0];
  if (!modelFile) throw missing("model");
  const goldenFile = load.selfCheck ? filesFor(manifest, { roles: ["golden"] })[0] : undefined;
  const programFile = filesFor(manifest, { roles: ["program"] })[0];
  const scripts = runtimeFiles(manifest, candidate, worker);
  const weights = filesFor(manifest, { roles: ["weights"] });
  const optional = [goldenFile, programFile].filter((file) => file !== undefined);
  progress.expect([...scripts, modelFile, ...optional, ...weights]);

  const abort = new AbortController();
  const stop = () => abort.abort(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  const fetchFile = (file: ManifestFile) =>
    store.fetch(file, { signal: abort.signal, onProgress: progress.update });

  let host: EngineHost | undefined;
  try {
    // The scripts' bytes are checked and kept here; the import that follows finds them in the cache.
    const isBinary = ({ part }: ManifestFile) => part === `wasm-${candidate.variant}`;
    const fetched = Promise.all(
      scripts.filter((file) => !isBinary(file)).map(async (file) => [file, await fetchFile(file)] as const),
    );
    const binaryFile = scripts.find(isBinary);
    const binary = binaryFile ? fetchFile(binaryFile) : Promise.resolve(null);
    binary.catch(() => undefined);
    const golden = goldenFile ? fetchFile(goldenFile) : Promise.resolve(null);
    const document = programFile ? fetchFile(programFile) : Promise.resolve(null);
    golden.catch(() => undefined);
    document.catch(() => undefined);
    fetched.catch(() => undefined);
    const modelBytes = await fetchFile(modelFile);
    const shards = prefetch(shardsInOrder(modelBytes, modelFile, manifest), fetchFile);
    await source.control;
    const byPart = new Map((await fetched).map(([file, bytes]) => [file.part ?? file.role, { file, bytes }]));
    const script = (part: string): string => {
      const found = byPart.get(part);
      if (!found) throw missing(part);
      return source.script(store.url(found.file), found.bytes);
    };
    const backendModule = script(`backend-${candidate.backend}`);
    // An npm package has one script per backend, which is engine, backend and worker in one.
    const alone = byPart.get(`backend-${candidate.backend}`)!.file.role === "engine";
    const engine = alone ? backendModule : script("engine");
    const program = await document;
    if (!worker) host = await pageHost(engine);
    else host = alone ? workerHost(engine) : workerHost(script("worker"), engine);
    const running = host;
    // A worker that is ended rejects what it is asked, so that an abort reaches every await below.
    abort.signal.addEventListener("abort", () => running.terminate(), { once: true });
    await host.engine.start({
      backend: candidate.backend,
      backendModule,
      anyAdapter: candidate.anyAdapter,
      model: modelBytes,
      inputs: manifest.signature.inputs.map(({ name }) => name),
      outputs: manifest.signature.outputs.map(({ name }) => name),
      program: program ? { module: alone ? "" : script(PROGRAM_PART), document: program } : undefined,
      wasm: candidate.variant && {
        variant: candidate.variant,
        binary: (await binary)!,
        threadScript: byPart.has("wasm-thread") ? script("wasm-thread") : undefined,
        threads: candidate.threads,
      },
    });
    for (let bytes = await shards(); bytes; bytes = await shards()) await host.engine.addShard(bytes);
    await host.engine.finish();
    const bytes = await golden;
    const cases = bytes ? (JSON.parse(new TextDecoder().decode(bytes)) as Golden) : null;
    if (cases) await selfCheck(host, cases);
    const threads = await chooseThreads(host, candidate, manifest, cases);
    if (cases && threads > 1) await selfCheck(host, cases);
    await store.stored();
    throwIfAborted(signal);
    return { host, threads };
  } catch (error) {
    abort.abort();
    host?.terminate();
    // A script that was checked a moment ago and cannot be imported now: is the server gone?
    const first = scripts[0]!;
    if (!isBundleError(error) && !signal?.aborted && !(await store.isThere(first))) {
      throw new BundleError("network", lost(first, false), { cause: error });
    }
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The module that runs preprocessing programs; in bundles that have one. */
const PROGRAM_PART = "program";

function missing(what: string): BundleError {
  return new BundleError("integrity", `bundle.json names no ${what}. Upload the bundle again.`);
}

/** The shards in the order in which model.json lays the weights out in them. */
function shardsInOrder(model: ArrayBuffer, modelFile: ManifestFile, manifest: Manifest): ManifestFile[] {
  const json = JSON.parse(new TextDecoder().decode(model)) as { weightsManifest?: WeightsGroup[] };
  const directory = modelFile.path.replace(/[^/]*$/, "");
  return (json.weightsManifest ?? []).flatMap(({ paths }) =>
    paths.map((path) => fileAt(manifest, directory + path)),
  );
}

/** Shards on their way at once: enough to fill the line, few enough to keep memory low. */
const IN_FLIGHT = 4;

/** Start fetching; the function returned gives the bytes of one file after the other, then null. */
function prefetch(
  files: readonly ManifestFile[],
  fetchFile: (file: ManifestFile) => Promise<ArrayBuffer>,
): () => Promise<ArrayBuffer | null> {
  const ahead: Promise<ArrayBuffer>[] = [];
  let next = 0;
  const fill = () => {
    while (next < files.length && ahead.length < IN_FLIGHT) {
      const bytes = fetchFile(files[next++]!);
      // A failure is thrown where its turn comes.
      bytes.catch(() => undefined);
      ahead.push(bytes);
    }
  };
  fill();
  return async () => {
    const bytes = await (ahead.shift() ?? null);
    fill();
    return bytes;
  };
}

/** @throws Error where this device does not compute what Keras computed. */
async function selfCheck(host: EngineHost, golden: Golden): Promise<void> {
  for (const { inputs, outputs } of golden.cases) {
    const actual = await host.engine.run(drawInputs(inputs));
    const problem = compareOutputs(actual, outputs, golden);
    if (problem) throw new Error(`it fails the self-check: ${problem}`);
  }
}

/** Milliseconds of a prediction that is worth splitting. */
const WORTH_SPLITTING_MS = 10;
/** Threads kept in vain cost little; given up in vain, they cost all that they save. */
const SEEMINGLY_SLOWER = 1.5;

/**
 * Keep the threads only where they help: with other work on the machine they often do not. Some of that work
 * is the page's own while it loads, and ends: where there is much to split, threads may seem slower now.
 */
async function chooseThreads(
  host: EngineHost,
  candidate: Candidate,
  manifest: Manifest,
  golden: Golden | null,
): Promise<number> {
  const threads = candidate.threads ?? 1;
  if (threads < 2) return 1;
  const first = golden?.cases[0];
  const inputs = first ? drawInputs(first.inputs) : zeros(manifest.signature.inputs);
  const [one, many] = await host.engine.time(inputs, [1, threads]);
  if (many! < one! * (one! > WORTH_SPLITTING_MS ? SEEMINGLY_SLOWER : 1)) return threads;
  await host.engine.setThreads(1);
  return 1;
}

/** One example of zeros, unknown sizes taken as 1. */
function zeros(inputs: readonly TensorInfo[]): TensorMap {
  const tensors: TensorMap = {};
  for (const { name, shape, dtype } of inputs) {
    const sizes = (shape ?? []).map((size) => size ?? 1);
    const length = sizes.reduce((product, size) => product * size, 1);
    if (dtype === "string") tensors[name] = { data: new Array<string>(length).fill(""), shape: sizes, dtype };
    else if (dtype === "int32") tensors[name] = { data: new Int32Array(length), shape: sizes, dtype };
    else if (dtype === "bool") tensors[name] = { data: new Uint8Array(length), shape: sizes, dtype };
    else tensors[name] = { data: new Float32Array(length), shape: sizes, dtype: "float32" };
  }
  return tensors;
}

/** Store the backends to fall back on, once the model is at work and the line is free. */
async function keepForOffline({ manifest, source, worker }: Load, device: Device): Promise<OfflineState> {
  const { store } = source;
  const control = await source.control;
  if (!control.controlled) return { ready: false, reason: control.reason };
  const fallbacks: Candidate[] = [{ backend: "cpu", anyAdapter: false }];
  if (device.wasm !== "none") fallbacks.push({ backend: "wasm", anyAdapter: false, variant: device.wasm });
  const files = fallbacks
    .filter(({ backend }) => manifest.backends[backend]?.supported)
    .flatMap((candidate) => runtimeFiles(manifest, candidate, worker));
  const wanted = [...new Set(files), ...filesFor(manifest, { roles: ["demo"] })];
  try {
    const missing: ManifestFile[] = [];
    for (const file of wanted) if (!(await store.has(file))) missing.push(file);
    if (missing.length > 0) await store.ensure(missing);
    return { ready: !store.problem, reason: store.problem };
  } catch (error) {
    return { ready: false, reason: messageOf(error) };
  }
}

function modelOf({ host, threads }: Started, load: Load, offline: Promise<OfflineState>): Model {
  const { manifest, candidate } = load;
  const { inputs, outputs } = manifest.signature;
  let disposed = false;
  /** The prediction before: one that is aborted while it waits is never started. */
  let previous: Promise<unknown> = Promise.resolve();

  async function run(tensors: TensorMap, signal?: AbortSignal): Promise<Record<string, TensorValue>> {
    const result = previous.then(() => {
      if (disposed) throw new BundleError("backend", "the model was disposed.");
      throwIfAborted(signal);
      return host.engine.run(tensors);
    });
    previous = result.catch(() => undefined);
    let results: TensorMap;
    try {
      results = await orAbort(result, signal);
    } catch (error) {
      if (isBundleError(error)) throw error;
      if (error instanceof Error && "code" in error && error.code === "input") {
        throw new BundleError("input", `${messageOf(error)}.`, { cause: error });
      }
      throw new BundleError("backend", `${label(candidate)} could not predict: ${messageOf(error)}.`, {
        cause: error,
      });
    }
    checkOutputs(results, outputs);
    return results;
  }
  return {
    manifest,
    backend: candidate.backend,
    inputs,
    outputs,
    threads,
    offline,
    async predict(given, { signal } = {}) {
      throwIfAborted(signal);
      return run(await readInputs(given, inputs, manifest.preprocessing), signal);
    },
    async warmUp() {
      try {
        await run(zeros(inputs));
      } catch (error) {
        // A vocabulary may have no room for the empty text; the program is warm all the same.
        if (!isBundleError(error) || error.code !== "input") throw error;
      }
    },
    memory: () => host.engine.memory(),
    dispose() {
      disposed = true;
      host.terminate();
    },
  };
}

/** The engine cannot be interrupted; an aborted call leaves it and lets it finish for nobody. */
function orAbort<Result>(work: Promise<Result>, signal?: AbortSignal): Promise<Result> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortedError(signal));
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function checkOutputs(results: TensorMap, outputs: readonly TensorInfo[]): void {
  for (const { name, shape, dtype } of outputs) {
    const result = results[name];
    const fits =
      result !== undefined &&
      result.dtype === dtype &&
      (shape === null ||
        (shape.length === result.shape.length &&
          shape.every((size, axis) => size === null || size === result.shape[axis])));
    if (!fits) {
      const given = result ? `${result.dtype} [${result.shape}]` : "nothing";
      throw new BundleError(
        "backend",
        `the output ${name} came as ${given}, which is not what the model gives.`,
      );
    }
  }
}

function label({ backend, variant }: Candidate): string {
  return variant ? `${backend} (${variant})` : backend;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface ProgressMeter {
  expect(files: readonly ManifestFile[]): void;
  update(progress: FileProgress): void;
}

/** Adds up the files; one that a second backend asks for again counts once. */
function progressMeter(report?: LoadOptions["onProgress"]): ProgressMeter {
  const sizes = new Map<string, number>();
  const loaded = new Map<string, number>();
  let fromCache = true;
  const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
  return {
    expect(files) {
      for (const file of files) sizes.set(file.path, file.size);
    },
    update(progress) {
      if (!report) return;
      const { path } = progress.file;
      if (loaded.get(path) === sizes.get(path)) return;
      loaded.set(path, progress.loaded);
      fromCache &&= progress.fromCache;
      report({ loaded: sum(loaded.values()), total: sum(sizes.values()), fromCache });
    },
  };
}
