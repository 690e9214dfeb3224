/**
 * The kernels that a graph runs for inputs of given shapes, recorded during one prediction and run again by themselves
 * in the next: TF.js's executor, ops and engine take longer than a small kernel does.
 *
 * A trace holds only where nothing but the numbers differs from one prediction to the next. What the executor makes of
 * shapes and constants alone is a constant of the trace; a graph that looks at other numbers has none.
 */

import {
  getKernel,
  type KernelBackend,
  type Tensor,
  type TensorInfo,
  engine as tfEngine,
} from "@tensorflow/tfjs-core";

type Kernel = (given: {
  inputs: unknown;
  attrs: unknown;
  backend: KernelBackend;
}) => TensorInfo | TensorInfo[];

/** What a kernel takes: tensors in a list or by name, of which some may be left out. */
type Inputs = Tensor[] | Record<string, Tensor | null | undefined>;

/** TF.js's engine, as far as a recording listens to it. */
interface Listened {
  runKernel(name: string, inputs: Inputs, attrs?: object): Tensor | Tensor[];
  readSync(dataId: object): unknown;
  read(dataId: object): unknown;
}

/** One kernel. Numbers are places among the trace's values. */
interface Step {
  kernel: Kernel;
  /** In a list of inputs the names are its indices. */
  inputs: readonly (readonly [name: string, place: number])[];
  isList: boolean;
  attrs: object | undefined;
  outputs: readonly number[];
  /** Whose numbers nobody takes any more. */
  done: readonly number[];
}

/** A graph as the kernels it runs; see `record`. */
export class Trace {
  /** What each place holds now: constants always, all others while they are needed. */
  private readonly values: (TensorInfo | undefined)[];

  constructor(
    private readonly backend: KernelBackend,
    private readonly steps: readonly Step[],
    /** As recorded; each prediction must come to the same shapes. */
    private readonly shapes: readonly (readonly number[])[],
    private readonly constants: ReadonlyMap<number, Tensor>,
    /** Of the constants those that are the trace's own, and no weights. */
    private readonly own: readonly Tensor[],
    private readonly fed: readonly number[],
    private readonly outputs: readonly number[],
  ) {
    this.values = new Array(shapes.length);
    for (const [place, tensor] of constants) this.values[place] = tensor;
  }

  /**
   * Run the kernels for `fed`, tensors of the recorded shapes and dtypes in the recorded order, and hand each output to
   * `read`, after which its numbers are gone.
   *
   * @throws Error where a kernel fails, or makes another shape than it made before.
   */
  run<Result>(fed: readonly TensorInfo[], read: (output: TensorInfo) => Result): Result[] {
    const { backend, values } = this;
    this.fed.forEach((place, index) => {
      values[place] = fed[index];
    });
    try {
      for (const step of this.steps) {
        const inputs: Record<string, TensorInfo | undefined> | TensorInfo[] = step.isList ? [] : {};
        for (const [name, place] of step.inputs) (inputs as Record<string, unknown>)[name] = values[place];
        const made = step.kernel({ inputs, attrs: step.attrs, backend });
        const outputs = Array.isArray(made) ? made : [made];
        for (let index = 0; index < outputs.length; index++) {
          const place = step.outputs[index]!;
          values[place] = outputs[index];
          if (!sameShape(outputs[index]!.shape, this.shapes[place]!)) throw new Error("another shape");
        }
        for (const place of step.done) this.release(place);
      }
      return this.outputs.map((place) => read(values[place]!));
    } finally {
      for (const place of this.fed) values[place] = undefined;
      for (let place = 0; place < values.length; place++) if (!this.constants.has(place)) this.release(place);
    }
  }

  dispose(): void {
    for (const tensor of this.own) tensor.dispose();
  }

  private release(place: number): void {
    const value = this.values[place];
    if (value) this.backend.disposeData(value.dataId);
    this.values[place] = undefined;
  }
}

/**
 * Run `execute` and return what `read` makes of its outputs together with its trace, `undefined` where it has none.
 *
 * @param fed what is other numbers in the next prediction; everything else that `execute` finds or makes is not.
 * @param weights tensors that outlive the trace.
 * @param read is called while the outputs are there: a constant among them goes with a trace that is given up.
 */
export function record<Output>(
  fed: readonly Tensor[],
  weights: ReadonlySet<Tensor>,
  execute: () => Tensor[],
  read: (output: TensorInfo) => Output,
): { outputs: Output[]; trace: Trace | undefined } {
  const recorder = new Recorder(fed, weights);
  const listened = tfEngine() as unknown as Listened;
  const methods = { runKernel: listened.runKernel, readSync: listened.readSync, read: listened.read };
  let inKernel = false;
  listened.runKernel = (name, inputs, attrs) => {
    if (inKernel) return methods.runKernel.call(listened, name, inputs, attrs);
    inKernel = true;
    try {
      const made = methods.runKernel.call(listened, name, inputs, attrs);
      recorder.add(name, inputs, attrs, Array.isArray(made) ? made : [made]);
      return made;
    } finally {
      inKernel = false;
    }
  };
  const look =
    <Result>(reading: (dataId: object) => Result) =>
    (dataId: object): Result => {
      recorder.look(dataId);
      return reading.call(listened, dataId);
    };
  listened.readSync = look(methods.readSync);
  listened.read = look(methods.read);
  try {
    const tensors = execute();
    return { outputs: tensors.map(read), trace: recorder.finish(tensors) };
  } catch (error) {
    recorder.giveUp();
    throw error;
  } finally {
    // As they were before: methods of the class.
    for (const name of Object.keys(methods)) delete (listened as Partial<Listened>)[name as keyof Listened];
  }
}

class Recorder {
  private readonly backend = tfEngine().backend;
  private readonly steps: Omit<Step, "done">[] = [];
  private readonly shapes: number[][] = [];
  private readonly places = new Map<Tensor, number>();
  private readonly constants = new Map<number, Tensor>();
  private readonly fed: number[];
  /** Data that are other numbers in the next prediction. */
  private readonly varying = new Set<object>();
  private failed = false;

  constructor(
    fed: readonly Tensor[],
    private readonly weights: ReadonlySet<Tensor>,
  ) {
    this.fed = fed.map((tensor) => this.vary(tensor));
  }

  add(name: string, inputs: Inputs, attrs: object | undefined, outputs: readonly Tensor[]): void {
    const given = Object.entries(inputs).filter((entry): entry is [string, Tensor] => entry[1] != null);
    // What shapes and constants decide is computed once.
    if (this.failed || !given.some(([, tensor]) => this.varying.has(tensor.dataId))) return;
    const kernel = getKernel(name, tfEngine().backendName)?.kernelFunc as Kernel | undefined;
    const copy = frozenCopy(attrs);
    if (!kernel || copy === null) {
      this.failed = true;
      return;
    }
    this.steps.push({
      kernel,
      inputs: given.map(([key, tensor]) => [key, this.placeOf(tensor)]),
      isList: Array.isArray(inputs),
      attrs: copy,
      outputs: outputs.map((tensor) => this.vary(tensor)),
    });
  }

  /** Somebody reads numbers: what comes of them may be all different in the next prediction. */
  look(dataId: object): void {
    if (this.varying.has(dataId)) this.failed = true;
  }

  finish(outputs: readonly Tensor[]): Trace | undefined {
    if (this.failed || [...this.constants.values()].some((tensor) => tensor.isDisposed)) {
      this.giveUp();
      return undefined;
    }
    const wanted = outputs.map((tensor) => this.placeOf(tensor));
    const lasting = new Set([...wanted, ...this.fed, ...this.constants.keys()]);
    const steps: Step[] = [];
    for (const step of this.steps.reverse()) {
      const done = new Set(
        [...step.outputs, ...step.inputs.map(([, place]) => place)].filter((place) => !lasting.has(place)),
      );
      for (const place of done) lasting.add(place);
      steps.push({ ...step, done: [...done] });
    }
    return new Trace(
      this.backend,
      steps.reverse(),
      this.shapes,
      this.constants,
      this.own(),
      this.fed,
      wanted,
    );
  }

  giveUp(): void {
    for (const tensor of this.own()) tensor.dispose();
  }

  private own(): Tensor[] {
    return [...this.constants.values()].filter((tensor) => !this.weights.has(tensor));
  }

  private vary(tensor: Tensor): number {
    this.varying.add(tensor.dataId);
    return this.take(tensor);
  }

  private placeOf(tensor: Tensor): number {
    const known = this.places.get(tensor);
    if (known !== undefined) return known;
    const place = this.take(tensor);
    // Nobody but the trace disposes it from now on.
    if (!this.weights.has(tensor)) (tensor as { kept: boolean }).kept = true;
    this.constants.set(place, tensor);
    return place;
  }

  private take(tensor: Tensor): number {
    this.places.set(tensor, this.shapes.length);
    return this.shapes.push([...tensor.shape]) - 1;
  }
}

/** A copy that a kernel cannot change without an error; null of what cannot be copied. */
function frozenCopy(attrs: object | undefined): object | undefined | null {
  try {
    return attrs && freeze(structuredClone(attrs));
  } catch {
    return null;
  }
}

function freeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}
