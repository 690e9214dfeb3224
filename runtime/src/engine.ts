/**
 * Runs one graph model on one TF.js backend. The same module works in the worker and in the page; it
 * fetches nothing but the backend's module, and gets every byte of the model from its caller.
 */

import "@tensorflow/tfjs-core/dist/base_side_effects";
// Without it TF.js's executor warns at every prediction that a flag is not registered.
import "@tensorflow/tfjs-converter/dist/flags";
import { GraphModel } from "@tensorflow/tfjs-converter/dist/executor/graph_model";
import { getExecutionSubgraph } from "@tensorflow/tfjs-converter/dist/executor/model_analysis";
import {
  env,
  findBackend,
  memory,
  removeBackend,
  setBackend,
  type Tensor,
  type TensorInfo,
  tensor,
  engine as tfEngine,
} from "@tensorflow/tfjs-core";
import { foldProducts, type Topology } from "./products.js";
import type {
  BackendHandle,
  Dtype,
  Engine,
  EngineConfig,
  EngineMemory,
  EngineModules,
  NumberTensor,
  Program,
  TensorData,
  TensorMap,
} from "./protocol.js";
import { isRepeatable, TracedGraph } from "./traced-graph.js";
import { WeightReader, type WeightSpec, type WeightsGroup, type WeightValues } from "./weights.js";

interface ModelJson {
  modelTopology: Topology;
  signature?: { outputs?: Record<string, { name: string }> };
  userDefinedMetadata?: object;
  modelInitializer?: object;
  initializerSignature?: unknown;
  weightsManifest?: WeightsGroup[];
}

interface Loadable {
  loadWithWeightMap(artifacts: ModelJson, weights: Record<string, Tensor>): boolean;
}

/** Small models are timed a few times, large ones once: the visitor is waiting. */
const TIMING_RUNS = 8;
const TIMING_BUDGET_MS = 150;

/** Backends whose kernels compute at once, in memory that can be read at any time. */
const IN_MEMORY: ReadonlySet<string> = new Set(["cpu", "wasm"]);

/** TF.js has one active backend and one stack of scopes per page or worker: engines take turns. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const result = turn.then(work);
  turn = result.catch(() => undefined);
  return result;
}

/** Return an engine that imports its backend by the address it is given; see `engineOf`. */
export function createEngine(): Engine {
  return engineOf({
    backend: ({ backendModule }) => import(backendModule),
    program: ({ module }) => import(module),
  });
}

/** Return an engine with nothing in it yet; see `Engine` for the order of calls. */
export function engineOf(modules: EngineModules): Engine {
  let config: EngineConfig;
  let handle: BackendHandle;
  let json: ModelJson;
  let reader: WeightReader;
  let model: GraphModel | undefined;
  let program: Program | undefined;
  /** The graph's own: the public ones, where there is no program. */
  let edges: { inputs: readonly string[]; outputs: readonly string[] };
  let dynamic = false;
  /** Why no prediction can be trusted any more. */
  let broken = "";
  const weights: Record<string, Tensor> = {};
  /** Where a trace may stand for the executor: numbers lie in memory, and decide nothing about what is run. */
  let traced: TracedGraph<NumberTensor> | undefined;

  function activate(): Promise<void> {
    return setBackend(config.backend).then((active) => {
      if (!active) throw new Error(`the ${config.backend} backend did not start`);
    });
  }

  /** Race work against the loss of the device, after which nothing of TF.js ever settles. */
  function unlessLost<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([
      work,
      handle.lost.then((reason) => {
        broken = reason;
        throw new Error(reason);
      }),
    ]);
  }

  function keepWeight(spec: WeightSpec, values: WeightValues): void {
    weights[spec.name] = tensor(values, spec.shape, spec.dtype);
  }

  async function execute(inputs: TensorMap): Promise<TensorMap> {
    if (!program) return executeGraph(inputs);
    const run = program.before(inputs);
    const results = run.after(await executeGraph(run.feeds));
    // Only what the model gives: the graph also has what the nodes behind it took.
    return Object.fromEntries(config.outputs.map((name) => [name, results[name]!]));
  }

  async function executeGraph(inputs: TensorMap): Promise<TensorMap> {
    if (!model) throw new Error("the model is not loaded");
    if (broken) throw new Error(broken);
    // Where the program does all there is to do.
    if (edges.outputs.length === 0) return {};
    await activate();
    const scope = openScope();
    try {
      const fed = edges.inputs.map((name) => {
        const value = inputs[name];
        if (!value) throw new Error(`the input ${name} is missing`);
        if (value.dtype === "string" || value.data instanceof Float64Array) {
          throw new Error(`the input ${name} does not go into the graph as it is`);
        }
        return tensor(value.data, value.shape, value.dtype);
      });
      const values = traced ? traced.run(fed) : await executed(fed);
      if (broken) throw new Error(broken);
      return Object.fromEntries(edges.outputs.map((name, index) => [name, values[index]!]));
    } finally {
      scope.close(traced !== undefined);
    }
  }

  async function executed(fed: readonly Tensor[]): Promise<NumberTensor[]> {
    const outputs = dynamic
      ? listOf(await model!.executeAsync(byName(fed), [...edges.outputs]))
      : executeNow(fed);
    return Promise.all(outputs.map(async (output) => numbersOf(output, await output.data())));
  }

  function executeNow(fed: readonly Tensor[]): Tensor[] {
    return listOf(model!.execute(byName(fed), [...edges.outputs]));
  }

  function byName(fed: readonly Tensor[]): Record<string, Tensor> {
    return Object.fromEntries(edges.inputs.map((name, index) => [name, fed[index]!]));
  }

  return {
    start: (given) =>
      inTurn(async () => {
        config = given;
        env().set("KEEP_INTERMEDIATE_TENSORS", false);
        handle = await (await modules.backend(config)).start(config);
        await activate();
        void handle.lost.then((reason) => {
          broken = reason;
          // The next model in this page gets a new device.
          if (findBackend(config.backend)) removeBackend(config.backend);
        });
        edges = config;
        if (config.program) {
          const { createProgram } = await modules.program(config.program);
          program = createProgram(config.program.document);
          edges = program;
        }
        json = JSON.parse(new TextDecoder().decode(config.model)) as ModelJson;
        const groups = json.weightsManifest ?? [];
        const outputs = Object.values(json.signature?.outputs ?? {}).map(({ name }) => name);
        const folded = foldProducts(json.modelTopology, groups, outputs, keepWeight);
        json.modelTopology = folded.topology;
        reader = new WeightReader(groups, folded.take);
      }),

    addShard: (bytes) =>
      inTurn(async () => {
        await activate();
        reader.add(bytes);
      }),

    finish: () =>
      inTurn(async () => {
        reader.finish();
        await activate();
        const made = new GraphModel("");
        // Private only to TypeScript; the public ways in would concatenate all shards first.
        (made as unknown as Loadable).loadWithWeightMap(json, weights);
        model = made;
        dynamic = edges.outputs.length > 0 && needsAsync(made, edges);
        if (!dynamic && IN_MEMORY.has(config.backend) && isRepeatable(json.modelTopology.node)) {
          const { backend } = tfEngine();
          const read = (output: TensorInfo) => numbersOf(output, backend.readSync(output.dataId));
          traced = new TracedGraph(new Set(Object.values(weights)), executeNow, read, sameNumbers);
        }
      }),

    run: (inputs) => inTurn(() => unlessLost(execute(inputs))),

    time: (inputs, threads) =>
      inTurn(async () => {
        // Of three predictions for inputs of the same shapes the second is made both ways, see TracedGraph.
        for (let i = 0; i < 2; i++) await execute(inputs);
        const times: number[] = [];
        for (const count of threads) {
          if (count > 1) handle.setThreads?.(count);
          let best = Number.POSITIVE_INFINITY;
          const end = performance.now() + TIMING_BUDGET_MS;
          for (let i = 0; i < TIMING_RUNS && (i === 0 || performance.now() < end); i++) {
            const start = performance.now();
            await execute(inputs);
            best = Math.min(best, performance.now() - start);
          }
          times.push(best);
        }
        return times;
      }),

    setThreads: (threads) => inTurn(async () => handle.setThreads?.(threads)),

    memory: () =>
      inTurn(async (): Promise<EngineMemory> => {
        const { numTensors, numBytes } = memory();
        return { tensors: numTensors, bytes: numBytes };
      }),

    dispose: () =>
      inTurn(async () => {
        traced?.dispose();
        traced = undefined;
        if (model && !broken) model.dispose();
        else for (const each of Object.values(weights)) each.dispose();
        model = undefined;
      }),
  };
}

function listOf(tensors: Tensor | Tensor[]): Tensor[] {
  return Array.isArray(tensors) ? tensors : [tensors];
}

function numbersOf({ shape, dtype }: TensorInfo, data: unknown): NumberTensor {
  return { data: copied(data, dtype as Dtype), shape: [...shape], dtype: dtype as Dtype };
}

function sameNumbers(a: NumberTensor, b: NumberTensor): boolean {
  const [bytes, others] = [a, b].map(
    ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
  return bytes!.length === others!.length && bytes!.every((byte, index) => byte === others![index]);
}

/**
 * A copy of its own: on the cpu backend the data may be the memory of a weight or an input, and where an
 * int32 was cast from bool its array is still that of a bool.
 */
function copied(data: unknown, dtype: Dtype): TensorData {
  const numbers = data as TensorData;
  if (dtype === "int32" && !(numbers instanceof Int32Array)) return Int32Array.from(numbers);
  if (dtype === "float32" && !(numbers instanceof Float32Array)) return Float32Array.from(numbers);
  return numbers.slice() as TensorData;
}

/** Whether TF.js must look at values to know what to run next (loops, branches, Where and the like). */
function needsAsync(
  model: GraphModel,
  edges: { inputs: readonly string[]; outputs: readonly string[] },
): boolean {
  const { executor } = model as unknown as {
    executor: {
      weightMap: Record<string, Tensor[]>;
      graph: {
        nodes: Record<string, never>;
        signature?: Record<"inputs" | "outputs", Record<string, { name: string }>>;
      };
      _initNodes?: never[];
    };
  };
  const { graph } = executor;
  const node = (side: "inputs" | "outputs", name: string): string =>
    (graph.signature?.[side]?.[name]?.name ?? name).replace(/:\d+$/, "");
  const inputs = Object.fromEntries(edges.inputs.map((name) => [node("inputs", name), {} as Tensor]));
  const outputs = edges.outputs.map((name) => graph.nodes[node("outputs", name)]!);
  const { dynamicNode } = getExecutionSubgraph(inputs, outputs, executor.weightMap, executor._initNodes);
  return dynamicNode != null;
}

/**
 * A scope of TF.js that may stay open across awaits, which `tidy` may not: engines take turns, so that
 * nothing else opens one meanwhile. Closing it disposes whatever was made in it, tensors included that a
 * failed loop has marked to be kept; but not while `sparing` what a trace keeps.
 */
function openScope(): { close(sparing: boolean): void } {
  const state = tfEngine() as unknown as {
    startScope(name?: string): void;
    endScope(result?: unknown): void;
    state: { activeScope: { track: Tensor[] }; scopeStack: unknown[] };
  };
  state.startScope("prediction");
  const depth = state.state.scopeStack.length;
  const scope = state.state.activeScope;
  return {
    close(sparing) {
      while (state.state.scopeStack.length > depth) state.endScope();
      for (const each of scope.track) if (!each.isDisposed && !(sparing && each.kept)) each.dispose();
      state.endScope();
    },
  };
}
