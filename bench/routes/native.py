"""LiteRT in Python, on one thread: as fast as this machine does it outside of a browser.

Run as ``python native.py MODEL.tflite INPUTS.npz`` with the peers' interpreter; prints one JSON object: the
outputs for ``x0, x1, ...``, and the milliseconds of warm predictions with ``x0``.
"""

import json
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

WARM_UP, SECONDS, COUNT = 0.5, 1.0, 60


def main() -> None:
    """Measure and print."""
    file, inputs = sys.argv[1:]
    interpreter = Interpreter(file, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    answer = interpreter.get_output_details()[0]["index"]

    def predict(values: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(entry, values)
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    with np.load(inputs) as arrays:
        drawn = [arrays[name] for name in sorted(arrays.files) if name.startswith("x")]
    outputs = [predict(values).ravel().tolist() for values in drawn]
    until = time.perf_counter() + WARM_UP
    while time.perf_counter() < until:
        predict(drawn[0])
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 5 or (len(times) < COUNT and time.perf_counter() - begin < SECONDS):
        before = time.perf_counter()
        predict(drawn[0])
        times.append(1000 * (time.perf_counter() - before))
    warm = {"median": float(np.median(times)), "min": min(times), "count": len(times)}
    json.dump({"outputs": outputs, "warm": warm}, sys.stdout)


if __name__ == "__main__":
    main()
