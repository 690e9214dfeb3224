/** The public JavaScript API of a bundle: `loadModel` and what it returns. Compiled to `loader.js`. */

import {
  type BackendChoice,
  type Candidate,
  candidatesFor,
  type Device,
  inspectDevice,
  runtimeFiles,
} from "./candidates.js";
import { abortedError, BundleError, isBundleError, throwIfAborted } from "./errors.js";
import { compareOutputs, drawInputs, type Golden } from "./golden.js";
import { type EngineHost, pageHost, workerHost } from "./hosts.js";
import { type Inputs, readInputs } from "./inputs.js";
import {
  type BackendName,
  directoryUrl,
  fileAt,
  filesFor,
  type Manifest,
  type ManifestFile,
  parseManifest,
  readBuild,
  type TensorInfo,
} from "./manifest.js";
import { registerOffline } from "./offline.js";
import type { EngineMemory, TensorMap, TensorValue } from "./protocol.js";
import { type FileProgress, lost, manifestFile, openStore, type Store } from "./store.js";
import type { WeightsGroup } from "./weights.js";

export type { BackendChoice, BackendName, EngineMemory, Inputs, Manifest, TensorInfo, TensorValue };
export { BundleError };

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
  /** Register the bundle's service worker, so that the page works offline; for pages in the bundle's directory. */
  serviceWorker?: boolean;
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

/**
 * Load the bundle's model: download what the backend in use needs, check every byte, start the engine.
 *
 * @throws BundleError with one of the codes `network`, `integrity`, `unsupported`, `quota`, `backend`,
 *   `aborted`; what cannot be verified is an error, never a result.
 */
export async function loadModel(options: LoadOptions = {}): Promise<Model> {
  const { worker = true, backend = "auto", signal } = options;
  throwIfAborted(signal);
  const baseUrl = directoryUrl(new URL(options.baseUrl ?? import.meta.url, globalThis.document?.baseURI));
  const build = readBuild("__TFJS_BUNDLE_BUILD__");
  const store = await openStore(baseUrl);
  const offline = options.serviceWorker ? registerOffline(baseUrl, build) : null;
  const [manifest, device] = await Promise.all([
    readManifest(store, baseUrl, build, signal),
    inspectDevice(worker),
  ]);
  const candidates = candidatesFor(backend, manifest, device);
  const progress = progressMeter(options.onProgress);
  // Scripts are imported only when the service worker answers for them with the bytes that were checked.
  const controlled = offline ? offline.control() : Promise.resolve(null);

  const failures: string[] = [];
  let unreachable: BundleError | undefined;
  for (const candidate of candidates) {
    const load = {
      manifest,
      store,
      candidate,
      worker,
      controlled,
      progress,
      signal,
      selfCheck: options.selfCheck ?? true,
    };
    try {
      const started = await start(load);
      return modelOf(started, load, keepForOffline(load, device, controlled));
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
  store: Store;
  candidate: Candidate;
  worker: boolean;
  controlled: Promise<unknown>;
  progress: ProgressMeter;
  signal?: AbortSignal;
  selfCheck: boolean;
}

interface Started {
  host: EngineHost;
  threads: number;
}

/** Read bundle.json: against the build's hash where the loader was filled in, else as the host has it. */
async function readManifest(
  store: Store,
  baseUrl: string,
  build: ReturnType<typeof readBuild>,
  signal?: AbortSignal,
): Promise<Manifest> {
  if (build) {
    const bytes = await store.fetch(manifestFile(build.manifest), { signal });
    return parseManifest(new TextDecoder().decode(bytes));
  }
  let response: Response;
  try {
    response = await fetch(`${baseUrl}bundle.json`, { signal, credentials: "same-origin" });
  } catch (error) {
    if (signal?.aborted) throw abortedError(signal);
    throw new BundleError("network", "the server could not be reached for bundle.json.", { cause: error });
  }
  if (!response.ok)
    throw new BundleError("network", `the server answered ${response.status} for bundle.json.`);
  return parseManifest(await response.text());
}

/** Bring one candidate up to the point where its predictions can be trusted. */
async function start(load: Load): Promise<Started> {
  const { manifest, store, candidate, worker, controlled, progress, signal } = load;
  const modelFile = only(manifest, "model");
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
    const fetched = Promise.all(scripts.map(async (file) => [file, await fetchFile(file)] as const));
    const golden = goldenFile ? fetchFile(goldenFile) : Promise.resolve(null);
    const document = programFile ? fetchFile(programFile) : Promise.resolve(null);
    golden.catch(() => undefined);
    document.catch(() => undefined);
    fetched.catch(() => undefined);
    const modelBytes = await fetchFile(modelFile);
    const shards = prefetch(shardsInOrder(modelBytes, modelFile, manifest), fetchFile);
    await controlled;
    const url = (file: ManifestFile) => new URL(file.path, store.baseUrl).href;
    const engineUrl = url(only(manifest, "engine"));
    const byPart = new Map(
      (await fetched).map(([file, bytes]) => [file.part ?? "", { url: url(file), bytes }]),
    );
    const program = await document;
    host = worker ? workerHost(url(only(manifest, "worker")), engineUrl) : await pageHost(engineUrl);
    const running = host;
    // A worker that is ended rejects what it is asked, so that an abort reaches every await below.
    abort.signal.addEventListener("abort", () => running.terminate(), { once: true });
    await host.engine.start({
      backend: candidate.backend,
      backendModule: byPart.get(`backend-${candidate.backend}`)!.url,
      anyAdapter: candidate.anyAdapter,
      model: modelBytes,
      inputs: manifest.signature.inputs.map(({ name }) => name),
      outputs: manifest.signature.outputs.map(({ name }) => name),
      program: program
        ? { module: url(only(manifest, "runtime", PROGRAM_PART)), document: program }
        : undefined,
      wasm: candidate.variant && {
        variant: candidate.variant,
        binary: byPart.get(`wasm-${candidate.variant}`)!.bytes,
        threadScript: byPart.get("wasm-thread")?.url,
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
    throwIfAborted(signal);
    return { host, threads };
  } catch (error) {
    abort.abort();
    host?.terminate();
    // A script that was checked a moment ago and cannot be imported now: is the server gone?
    const script = scripts[0]!;
    if (!isBundleError(error) && !signal?.aborted && !(await isThere(script, store))) {
      throw new BundleError("network", lost(script, false), { cause: error });
    }
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The module that runs preprocessing programs; in bundles that have one. */
const PROGRAM_PART = "program";

/** Whether the file can be had at its address, from the host or from the service worker. */
async function isThere(file: ManifestFile, store: Store): Promise<boolean> {
  const request = fetch(new URL(file.path, store.baseUrl), { method: "HEAD", cache: "no-store" });
  return request.then(
    () => true,
    () => false,
  );
}

function only(manifest: Manifest, role: ManifestFile["role"], part?: string): ManifestFile {
  const [file] = filesFor(manifest, { roles: [role], parts: part ? [part] : undefined });
  if (!file) {
    throw new BundleError("integrity", `bundle.json names no ${part ?? role}. Upload the bundle again.`);
  }
  return file;
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

/** Keep the threads only where they help: with other work on the machine they often do not. */
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
  // The first run of all is slower than the next; where there was a self-check, that was it.
  if (!golden) await host.engine.run(zeros(manifest.signature.inputs));
  const [one, many] = await host.engine.time(inputs, [1, threads]);
  if (many! < one!) return threads;
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
async function keepForOffline(
  load: Load,
  device: Device,
  controlled: Promise<unknown>,
): Promise<OfflineState> {
  const control = (await controlled) as Awaited<
    ReturnType<ReturnType<typeof registerOffline>["control"]>
  > | null;
  if (!control) return { ready: false, reason: "this page did not ask for it" };
  if (!control.controlled) return { ready: false, reason: control.reason };
  const { manifest, store, worker } = load;
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
