"""What optimizing saves on each backend: small models, built with all passes and with none, timed in turns.

    python -m bench.passes [ROUNDS]

Prints a table: the nodes that compute, as lowered and as optimized, and for each backend the time of the
optimized graph as a part of the lowered one's, the median of all rounds. Both GPU backends run on software
adapters, as in all tests, so that theirs say little of a graphics card.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

from playwright.sync_api import sync_playwright

from tfjs_bundle import pipeline
from tfjs_bundle.bundle import BACKENDS, load_bundle
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.graph import passes
from tfjs_bundle.progress import Progress
from tfjs_bundle.serve.server import serving
from tfjs_bundle.verify.browser import launch
from tfjs_bundle.verify.cases import Case, draw_cases
from tfjs_bundle.verify.driver import Harness, opened, page_headers

#: Nodes that compute nothing.
_NOTHING = ("Const", "Placeholder", "Identity", "NoOp")


def main(rounds: str = "5") -> None:
    """Measure and print."""
    print("| model | nodes | " + " | ".join(BACKENDS) + " |")
    print("|---" * (len(BACKENDS) + 2) + "|")
    with Child() as child, sync_playwright() as playwright, ExitStack() as stack:
        browser = launch(playwright)
        stack.callback(browser.close)
        for name, make in _models().items():
            with tempfile.TemporaryDirectory() as directory:
                source = Path(directory) / "model.keras"
                make().save(source)
                sites = [_build(source, Path(directory) / "optimized", child, passes.OPTIMIZING)]
                sites.append(_build(source, Path(directory) / "lowered", child, ()))
                cells = [_ratio(browser, sites, backend, int(rounds)) for backend in BACKENDS]
                after, before = (_nodes(site) for site in sites)
            print(f"| {name} | {before} to {after} | " + " | ".join(cells) + " |", flush=True)


def _build(source: Path, site: Path, child: Child, optimizing: tuple[Any, ...]) -> Path:
    with mock.patch.object(passes, "OPTIMIZING", optimizing):
        pipeline.build(source, site, BuildOptions(verify=False), Progress(), child)
    return site


def _nodes(site: Path) -> int:
    nodes = json.loads((site / "model" / "model.json").read_text())["modelTopology"]["node"]
    return sum(node["op"] not in _NOTHING for node in nodes)


def _ratio(browser: Any, sites: list[Path], backend: str, rounds: int) -> str:
    """Return how long the first site's prediction takes, the other's being 1; and what that is in ms."""
    with ExitStack() as stack:
        pages: list[tuple[Harness, Case]] = []
        for site in sites:
            url = stack.enter_context(serving(site)).url
            harness, _ = stack.enter_context(opened(browser, url, page_headers(url)))
            harness.load(url, backend, self_check=True)
            pages.append((harness, draw_cases(load_bundle(site).inputs, batches=(1,))[0]))
        times = [[harness.time(case)[0] for harness, case in pages] for _ in range(rounds)]
    ratio = statistics.median(one / other for one, other in times)
    return f"{ratio:.2f} ({statistics.median(one for one, _ in times):.2g} ms)"


def _dense(between: Callable[[Any], Any]) -> Any:
    """Two dense layers with something between them, on 64 rows of 256."""
    import keras

    rows = keras.Input((64, 256))
    x = keras.layers.Dense(256)(rows)
    return keras.Model(rows, keras.layers.Dense(256)(between(x)))


def _pictures(*layers: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((56, 56, 32)), *layers])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # as training leaves them, and not empty
            layer.set_weights([keras.random.uniform(each.shape, 0.5, 2) for each in layer.get_weights()])
    return model


def _models() -> dict[str, Callable[[], Any]]:
    import keras

    k = keras.layers
    return {
        "dense, relu": lambda: _dense(keras.ops.relu),
        "dense, swish": lambda: _dense(keras.ops.silu),
        "dense, gelu": lambda: _dense(lambda x: keras.ops.gelu(x, approximate=False)),
        "dense, gelu by tanh": lambda: _dense(keras.ops.gelu),
        "dense, hard swish": lambda: _dense(keras.ops.hard_silu),
        "dense, layer normalization": lambda: _dense(k.LayerNormalization()),
        "convolution, batch normalization, relu6": lambda: _pictures(
            k.Conv2D(32, 3, padding="same", use_bias=False), k.BatchNormalization(), k.ReLU(6)
        ),
        "depthwise convolution, batch normalization, relu6": lambda: _pictures(
            k.DepthwiseConv2D(3, padding="same", use_bias=False), k.BatchNormalization(), k.ReLU(6)
        ),
        "pad, depthwise convolution of stride 2": lambda: _pictures(
            k.ZeroPadding2D(((0, 1), (0, 1))), k.DepthwiseConv2D(3, strides=2), k.ReLU()
        ),
        "batch normalization, relu, convolution": lambda: _pictures(
            k.BatchNormalization(), k.ReLU(), k.Conv2D(32, 1)
        ),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
