// What every contender's page shares: the inputs, the clock and the answers. A contender's module calls
// `measure(load)`; `load(options)` resolves to { predict(data), threads, settled? }, where `predict` takes the input
// as a flat typed array and resolves to the output as one, and `settled` waits for what is left to be stored.

const options = JSON.parse(new URL(location.href).searchParams.get("options"));

/** mulberry32, as golden.json has it: the same inputs in Python and here, without a download. */
function draw(seed) {
  const { shape, dtype, low, high } = options.input;
  const size = shape.reduce((product, side) => product * side, 1);
  const data = dtype === "int32" ? new Int32Array(size) : new Float32Array(size);
  let state = seed >>> 0;
  for (let i = 0; i < size; i++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const value = low + (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low);
    data[i] = dtype === "int32" ? Math.floor(value) : value;
  }
  return data;
}

const middle = (sorted) => (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;

/** Load, predict once, and offer the rest of the measuring to whoever drives the browser. */
export function measure(load) {
  const started = first(load);
  // An error is an answer too: a promise that rejects before anybody asks would only be a line in the console.
  const said = started.then(
    ({ milliseconds, threads }) => ({ milliseconds, threads }),
    (error) => ({ error: String(error?.message ?? error) }),
  );
  globalThis.bench = {
    first: () => said,
    outputs: async () => {
      const { predict } = await started;
      const outputs = [];
      for (const seed of options.seeds) outputs.push(Array.from(await predict(draw(seed))));
      return outputs;
    },
    settled: async () => {
      await (await started).settled?.();
    },
    warm: async (limits) => warm((await started).predict, limits),
  };
}

async function first(load) {
  const data = draw(options.seeds[0]);
  const contender = await load(options);
  await contender.predict(data);
  return { milliseconds: performance.now(), ...contender }; // since the navigation began
}

/** Predict until `milliseconds` have passed or `count` is reached, after a warm-up of `warmUp` milliseconds. */
async function warm(predict, { warmUp, milliseconds, count }) {
  const data = draw(options.seeds[0]);
  const begin = performance.now();
  do await predict(data);
  while (performance.now() - begin < warmUp);
  const times = [];
  const start = performance.now();
  while (times.length < 5 || (times.length < count && performance.now() - start < milliseconds)) {
    const before = performance.now();
    await predict(data);
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  return { median: middle(times), min: times[0], count: times.length };
}
