"""Graphs evaluated on the user's data: as bundles in Chromium, or by TensorFlow where there is no browser."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from tfjs_bundle import convert, pack
from tfjs_bundle.compress.apply import Sensitivity
from tfjs_bundle.compress.budget import Evaluation, Tradeoff, explore
from tfjs_bundle.compress.outputs import Outputs
from tfjs_bundle.config import DEFAULT_BUDGET, BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.errors import MissingBrowserError, UsageError
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.kernels import BackendSupport
from tfjs_bundle.graph.partition import Partitioned
from tfjs_bundle.graph.vocabulary import input_uses
from tfjs_bundle.progress import Progress
from tfjs_bundle.site import stage
from tfjs_bundle.site.render import ModelFile, Site
from tfjs_bundle.verify.cases import Data
from tfjs_bundle.verify.plan import given_data
from tfjs_bundle.verify.samples import pools
from tfjs_bundle.verify.trials import Trials, joined

#: Of the backends, the first that can run the model: the fastest one that every machine has comes first.
_BACKENDS = ("wasm", "cpu", "webgl", "webgpu")

Files = Mapping[str, ModelFile]


def explore_model(
    graph: GraphModel,
    converted: convert.Converted,
    parts: Partitioned,
    support: Mapping[str, BackendSupport],
    sensitivity: Sensitivity,
    outputs: Outputs,
    site_of: Callable[[Files], Site],
    options: BuildOptions,
    progress: Progress,
    child: Child,
) -> Tradeoff:
    """Find the smallest weights of ``graph`` within the budget, on all of the user's data.

    Args:
        support: what each backend can run.
        outputs: predicts by TensorFlow; has loaded what ``sensitivity`` asks. It may have another graph
            afterwards.
        site_of: makes a site of a model's files.

    Raises:
        UsageError: the data do not fit the model, or it draws random numbers.
        BrowserError: the browser died, or is missing though verification was asked for.
    """
    if converted.random:
        raise UsageError(
            "The model draws random numbers at inference: nothing says what compression costs.",
            "Name a quantization in place of auto.",
        )
    assert options.data
    choices = pools(input_uses(parts.program))
    data = given_data(options.data, converted.graph.signature, choices, limit=None)
    original = []
    for case in data.cases:
        progress.step(f"original: {case.name}")
        original.append(convert.predict(converted, case.inputs, child))

    def files_of(graph: GraphModel, workspace: Path) -> Files:
        return pack.pack(graph, parts.program, None, options.shard_size, workspace)

    budget = DEFAULT_BUDGET if options.budget is None else options.budget
    with _evaluation(data, original, files_of, site_of, outputs, support, options, progress) as measured:
        return explore(graph, measured, sensitivity, budget=budget, prune=options.prune, progress=progress)


@contextmanager
def _evaluation(
    data: Data,
    original: Sequence[Mapping[str, np.ndarray]],
    files_of: Callable[[GraphModel, Path], Files],
    site_of: Callable[[Files], Site],
    outputs: Outputs,
    support: Mapping[str, BackendSupport],
    options: BuildOptions,
    progress: Progress,
) -> Iterator[Evaluation]:
    """Yield how graphs are weighed and measured, by one browser for all of them."""
    backend = next(name for name in _BACKENDS if support[name].supported)
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as temporary:

        def weigh(graph: GraphModel) -> int:
            with tempfile.TemporaryDirectory(dir=temporary) as directory:
                return pack.compressed_size(files_of(graph, Path(directory)))

        def by_tensorflow(graph: GraphModel) -> dict[str, np.ndarray]:
            outputs.load(graph)
            return _rows([outputs.predict(case.inputs) for case in data.cases])

        def in_browser(graph: GraphModel) -> dict[str, np.ndarray]:
            with tempfile.TemporaryDirectory(dir=temporary) as directory:
                shutil.rmtree(site)
                stage.write(site, site_of(files_of(graph, Path(directory))).files)
            return trials.predict(data.cases)

        site = Path(temporary) / "site"
        site.mkdir()
        with ExitStack() as stack:
            trials = Trials(site, backend, progress.step)
            reason = "--no-verify was given" if options.verify is False else ""
            try:
                if not reason:
                    stack.enter_context(trials)
            except MissingBrowserError as error:
                if options.verify:
                    raise
                reason = error.what.rstrip(".")
            if reason:
                progress.warn(
                    f"What compression costs was measured by TensorFlow and not in a browser: {reason}."
                )
            predict = by_tensorflow if reason else in_browser
            place = "TensorFlow" if reason else f"{backend} in {trials.browser}"
            yield Evaluation(_rows(original), data.labels, weigh, predict, place)


def _rows(cases: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: joined([case[name] for case in cases]) for name in cases[0]}
