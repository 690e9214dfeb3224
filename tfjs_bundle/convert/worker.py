"""The child process itself: reads calls from standard input, answers on standard output.

Run as ``python -m tfjs_bundle.convert.worker`` by :class:`tfjs_bundle.convert.child.Child`. The
functions in :data:`CALLS` are all it can do; the model read last stays here.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tfjs_bundle.convert.child import receive, send
from tfjs_bundle.convert.info import ModelInfo
from tfjs_bundle.errors import BundleError

if TYPE_CHECKING:
    from tfjs_bundle.convert.variants import Variants
    from tfjs_bundle.source.identify import SourceFile
    from tfjs_bundle.source.model import SourceModel


class Worker:
    """Holds the model read last, and what is done with it."""

    def __init__(self, answer: Callable[[str, object], None]) -> None:
        self._answer = answer
        self._model: SourceModel | None = None
        self._variants: Variants | None = None

    def open(self, file: SourceFile, options: dict[str, Any]) -> ModelInfo:
        """Read ``file``; its warnings are passed on at once."""
        import keras
        import tensorflow as tf

        from tfjs_bundle.source.model import open_model

        self._answer("step", f"reading {file.path.name}")
        self._model = open_model(file, **options)
        for warning in self._model.warnings:
            self._answer("warning", warning)
        return ModelInfo(
            inputs=self._model.inputs,
            output_names=self._model.output_names,
            layers=self._model.layers,
            reader=self._model.reader,
            keras_version=self._model.keras_version,
            model_name=self._model.model_name,
            versions={"tensorflow": tf.__version__, "keras": keras.__version__},
        )

    def trace(self, directory: str) -> None:
        """Freeze the model into ``directory`` (see :mod:`tfjs_bundle.convert.freeze`)."""
        from tfjs_bundle.convert.freeze import freeze

        assert self._model, "open comes first"
        self._answer("step", "tracing")
        freeze(self._model, Path(directory))

    def predict(self, inputs: list[np.ndarray], traced: bool = False) -> list[np.ndarray]:
        """Return the reference prediction, one array per output in the signature's order."""
        assert self._model, "open comes first"
        return self._model.reference(inputs, traced)

    def run_graph(self, graph: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Run a :class:`GraphModel` with TensorFlow's own kernels."""
        from tfjs_bundle.convert.execute import execute

        return execute(graph, inputs)

    def prepare_graph(self, graph: Any, varied: list[str]) -> None:
        """Make ``graph`` ready to be run again and again, with other numbers in the constants ``varied``."""
        from tfjs_bundle.convert.variants import Variants

        self._variants = Variants(graph, varied)

    def run_prepared(self, inputs: list[np.ndarray], values: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run the graph prepared last, with ``values`` in place of constants by name."""
        assert self._variants, "prepare_graph comes first"
        return self._variants.run(inputs, values)

    def save_signature(self, directory: str) -> None:
        """Write the model as a frozen SavedModel for the stock converter."""
        from tfjs_bundle.convert.freeze import save_frozen

        assert self._model, "open comes first"
        save_frozen(self._model, Path(directory))

    def release(self) -> int:
        """Forget the model; return the peak resident memory of this process in bytes, 0 where unknown."""
        self._model = self._variants = None
        if "tensorflow" in sys.modules:
            import keras

            keras.utils.clear_session()
        try:
            import resource
        except ImportError:  # Windows
            return 0
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


CALLS = (
    *("open", "trace", "predict", "save_signature", "release"),
    *("run_graph", "prepare_graph", "run_prepared"),
)


def main(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Serve calls until the caller closes the pipe."""

    def answer(kind: str, value: object) -> None:
        send(answers, (kind, value))

    worker = Worker(answer)
    while True:
        try:
            directory, name, arguments = receive(requests)
        except EOFError:
            return
        if directory:
            os.chdir(directory)  # a relative path is the caller's, who may have moved since the last call
        assert name in CALLS
        try:
            answer("value", getattr(worker, name)(*arguments))
        except BundleError as error:
            answer("refused", error)
        except Exception:
            answer("bug", traceback.format_exc())


if __name__ == "__main__":
    # Keep the answers' pipe to ourselves: whatever TensorFlow prints on standard
    # output, from Python or from C++, goes where standard error goes.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    main(sys.stdin.buffer, pipe)
