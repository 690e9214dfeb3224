"""Counts what whole models compute before and after optimizing, and writes the table in docs/architecture.md.

``python tests/architectures/op_counts.py`` takes a minute. Weights are drawn: no normalization is empty.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests"), str(ROOT)]

from architectures import application, encoder, sequence_to_sequence  # noqa: E402
from models import keras  # noqa: E402

from tfjs_bundle import convert  # noqa: E402
from tfjs_bundle.config import BuildOptions  # noqa: E402
from tfjs_bundle.convert.child import Child  # noqa: E402
from tfjs_bundle.graph import passes  # noqa: E402
from tfjs_bundle.graph.ir import GraphModel  # noqa: E402
from tfjs_bundle.graph.partition import partition  # noqa: E402
from tfjs_bundle.source.identify import identify  # noqa: E402

DOCUMENT = ROOT / "docs" / "architecture.md"

#: Nodes that compute nothing.
_NOTHING = ("Const", "Placeholder", "Identity", "NoOp")


def main() -> None:
    """Count, print and write."""
    rows = []
    with Child() as child, tempfile.TemporaryDirectory() as directory:
        for name, make in MODELS.items():
            source = make() if name == "The digits example" else Path(directory) / "model.keras"
            if source.parent == Path(directory):
                make().save(source)
            graph = convert.convert(identify(source), BuildOptions(), child, Path(directory)).graph
            lowered = passes.lower(partition(graph).graph)
            rows.append(f"| {name} | {ops(lowered)} | {ops(passes.optimize(lowered))} |")
            print(rows[-1], flush=True)
    table = "\n".join(["| model | lowered | optimized |", "|---|---|---|", *rows])
    text = DOCUMENT.read_text(encoding="utf-8")
    marked = r"(<!-- op_counts.py -->\n).*?(<!-- end -->)"
    DOCUMENT.write_text(re.sub(marked, rf"\g<1>{table}\n\g<2>", text, flags=re.S), encoding="utf-8")


def ops(graph: GraphModel) -> int:
    """Return how many nodes compute something, those of functions included."""
    return sum(node.op not in _NOTHING for _, nodes in graph.bodies() for node in nodes)


def lstm_classifier() -> Any:
    k = keras()
    tokens = k.Input((40,), dtype="int32")
    x = k.layers.LSTM(32)(k.layers.Embedding(1000, 16)(tokens))
    return k.Model(tokens, k.layers.Dense(2, activation="softmax")(x))


MODELS: dict[str, Callable[[], Any]] = {
    "MobileNetV2": lambda: application("MobileNetV2", "MobileNetV2")[0],
    "MobileNetV3Small": lambda: application("MobileNetV3", "MobileNetV3Small")[0],
    "EfficientNetB0": lambda: application("EfficientNet", "EfficientNetB0")[0],
    "ConvNeXtTiny": lambda: application("ConvNeXt", "ConvNeXtTiny")[0],
    "A transformer encoder of two blocks": lambda: encoder()[0],
    "An LSTM classifier of 40 tokens": lstm_classifier,
    "Sequence to sequence, of any length": lambda: sequence_to_sequence()[0],
    "The digits example": lambda: ROOT / "demo_site" / "digits.keras",
}


if __name__ == "__main__":
    main()
