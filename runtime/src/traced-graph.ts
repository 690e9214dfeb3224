/** A graph that is run by TF.js's executor twice for inputs of the same shapes, and by its trace from then on. */

import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { record, type Trace } from "./trace.js";

/** One for each batch size, say: more are hardly of use, and each holds memory. */
const MOST_TRACES = 4;

/** Ops that make other numbers each time. */
const RANDOM_OP = /^(Random|Stateless|Stateful|Truncated|Parameterized|Multinomial|Dropout)/;

/** Whether a graph makes the same of the same inputs, as far as its ops tell. */
export function isRepeatable(nodes: readonly { op: string }[]): boolean {
  return !nodes.some(({ op }) => RANDOM_OP.test(op));
}

interface Attempt {
  /** Undefined where only the executor is right. */
  trace: Trace | undefined;
  /** Whether it has come to what the executor came to, bit by bit. */
  checked: boolean;
}

export class TracedGraph<Output> {
  private readonly attempts = new Map<string, Attempt>();

  /**
   * @param weights of the graph; whoever made them disposes them.
   * @param execute runs the executor, within a scope that disposes what it makes.
   * @param read returns a copy of an output's numbers, at once.
   * @param same whether two outputs have the same bits.
   */
  constructor(
    private readonly weights: ReadonlySet<Tensor>,
    private readonly execute: (fed: readonly Tensor[]) => Tensor[],
    private readonly read: (output: TensorInfo) => Output,
    private readonly same: (a: Output, b: Output) => boolean,
  ) {}

  run(fed: readonly Tensor[]): Output[] {
    const key = fed.map(({ shape, dtype }) => `${dtype} ${shape}`).join(";");
    const attempt = this.attempts.get(key);
    if (!attempt) return this.first(key, fed);
    if (attempt.checked && attempt.trace) {
      const outputs = this.byTrace(attempt, fed);
      if (outputs) return outputs;
    }
    const outputs = this.execute(fed).map(this.read);
    if (attempt.trace) {
      const again = this.byTrace(attempt, fed);
      attempt.checked = again?.every((output, index) => this.same(output, outputs[index]!)) ?? false;
      if (!attempt.checked) drop(attempt);
    }
    return outputs;
  }

  dispose(): void {
    for (const attempt of this.attempts.values()) drop(attempt);
    this.attempts.clear();
  }

  private first(key: string, fed: readonly Tensor[]): Output[] {
    const { outputs, trace } = record(fed, this.weights, () => this.execute(fed), this.read);
    const [oldest] = this.attempts;
    if (oldest && this.attempts.size >= MOST_TRACES) {
      drop(oldest[1]);
      this.attempts.delete(oldest[0]);
    }
    this.attempts.set(key, { trace, checked: false });
    return outputs;
  }

  private byTrace(attempt: Attempt, fed: readonly Tensor[]): Output[] | undefined {
    try {
      return attempt.trace?.run(fed, this.read);
    } catch {
      // Whatever it is, the executor meets it too, or it is the trace that is wrong.
      drop(attempt);
      return undefined;
    }
  }
}

function drop(attempt: Attempt): void {
  attempt.trace?.dispose();
  attempt.trace = undefined;
}
