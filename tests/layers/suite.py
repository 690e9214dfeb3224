"""Runs cases: each model is saved, built into a bundle, and compared with Keras on every backend.

One Chromium and one TensorFlow process serve all cases. Each bundle is published at one address, one after
the other, and a page per backend loads them one by one, so that TF.js and its shaders are compiled once. A
case that fails is run again in a page of its own before it is called wrong.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
import numpy as np
from layer_case import LayerCase

from tfjs_bundle import pipeline
from tfjs_bundle.bundle import Bundle
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.errors import BundleError, UnsupportedModelError
from tfjs_bundle.graph.dtypes import tfjs_tensor
from tfjs_bundle.progress import Progress
from tfjs_bundle.serve.server import serving
from tfjs_bundle.verify.cases import Case, awkward_cases, draw_cases
from tfjs_bundle.verify.driver import Harness, RefusalError, opened, page_headers
from tfjs_bundle.verify.metrics import Tensor, compare

#: What a backend made of a case.
RIGHT, REFUSED, WRONG, NOT_RUN = "right", "refused", "wrong", "not run"

#: Seconds that loading, or one prediction, may take.
TIMEOUT = 120.0

#: A page is left for a fresh one after so many bundles: a browser keeps every module that it imported.
BUNDLES_PER_PAGE = 40


@dataclass(frozen=True)
class Verdict:
    """How a case went on a backend.

    Attributes:
        status: ``right``, ``refused``, ``wrong`` or ``not run``.
        detail: why, where it is not right.
    """

    status: str
    detail: str = ""


class Suite:
    """What all cases share; made by :func:`suite`."""

    def __init__(self, child: Child, browser: Any, directory: Path, backends: Sequence[str]) -> None:
        self.backends = tuple(backends)
        self._child = child
        self._browser = browser
        self._directory = directory
        self._stack = ExitStack()
        self._pages: dict[str, _Page] = {}
        self._count = 0
        self._url = ""

    def run(self, case: LayerCase, backends: Sequence[str] | None = None) -> dict[str, Verdict]:
        """Build the model of ``case`` and run it on every backend, or on ``backends``."""
        backends = backends or self.backends
        self._count += 1
        source = self._directory / f"case_{self._count}.keras"
        model = build_model(case.build)
        model.save(source)
        try:
            bundle = self._publish(source, case.options)
        except UnsupportedModelError as refusal:
            return dict.fromkeys(backends, Verdict(REFUSED, str(refusal)))
        except BundleError as error:
            return dict.fromkeys(backends, Verdict(WRONG, f"{type(error).__name__}: {error}"))
        finally:
            source.unlink()
        cases = examples(case, bundle)
        references = [reference(model, list(each.inputs.values()), bundle) for each in cases]
        return {backend: self._run(backend, bundle, cases, references, case.atol) for backend in backends}

    def close(self) -> None:
        for page in self._pages.values():
            page.close()
        self._stack.close()

    def _publish(self, source: Path, options: Mapping[str, Any]) -> Bundle:
        site = self._directory / "site"
        given = BuildOptions(**options, verify=False)
        result = pipeline.build(source, site, given, Progress(), self._child)
        if not self._url:
            self._url = self._stack.enter_context(serving(site)).url
        return result.bundle

    def _run(
        self,
        backend: str,
        bundle: Bundle,
        cases: list[Case],
        references: list[Mapping[str, np.ndarray]],
        atol: float,
    ) -> Verdict:
        # Of three predictions for the same shapes the loader makes the third by another way there.
        rounds = 2 if backend in ("cpu", "wasm") else 1
        if not bundle.backends[backend]["supported"]:
            return Verdict(REFUSED, f"{backend} lacks {', '.join(bundle.backends[backend]['missing_ops'])}")
        for attempt in range(2):
            page = self._page(backend)
            try:
                outputs = page.run(self._url, backend, str(self._count), cases * rounds)
            except RefusalError as refusal:
                verdict = Verdict(WRONG, f"{refusal.code}: {refusal.message}")
            except Exception as error:  # the page died
                verdict = Verdict(WRONG, f"{type(error).__name__}: {str(error).splitlines()[0]}")
            else:
                verdict = judge(cases * rounds, references * rounds, outputs, atol)
            if verdict.status == RIGHT:
                return verdict
            page.close()
            del self._pages[backend]
            if attempt == 0 and page.bundles == 1:
                break  # nothing came before it
        return verdict

    def _page(self, backend: str) -> _Page:
        page = self._pages.get(backend)
        if page and page.bundles >= BUNDLES_PER_PAGE:
            page.close()
            page = None
        if page is None:
            page = self._pages[backend] = _Page(self._browser, self._url)
        return page


class _Page:
    """A page that loads one bundle after the other on one backend."""

    def __init__(self, browser: Any, url: str) -> None:
        self.bundles = 0
        self._stack = ExitStack()
        self._harness: Harness
        self._harness, self._foreign = self._stack.enter_context(
            opened(browser, url, page_headers(url), TIMEOUT)
        )

    def run(self, url: str, backend: str, version: str, cases: Sequence[Case]) -> list[dict[str, Tensor]]:
        self.bundles += 1
        self._harness.load(url, backend, self_check=False, worker=False, version=version)
        outputs = [self._harness.predict(case)[1] for case in cases]
        if self._foreign:
            raise RefusalError("", f"asked for {self._foreign[0]}, which is not its own origin")
        return outputs

    def close(self) -> None:
        self._stack.close()


@contextmanager
def suite(child: Child, browser: Any, backends: Sequence[str]) -> Iterator[Suite]:
    """Make a :class:`Suite` over ``backends`` with a workspace of its own."""
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-suite-") as directory:
        made = Suite(child, browser, Path(directory), backends)
        try:
            yield made
        finally:
            made.close()


def build_model(build: Callable[[], Any]) -> Any:
    """Call ``build`` without Keras's warnings."""
    models.keras()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build()


def examples(case: LayerCase, bundle: Bundle) -> list[Case]:
    """Return the examples of ``case``, or draw them, awkward ones included."""
    if case.examples is None:
        zeros, extremes = awkward_cases(bundle.inputs)
        return [*draw_cases(bundle.inputs), zeros, *([extremes] if case.extremes else [])]
    names = [spec.name for spec in bundle.inputs]
    return [
        Case(f"example {index}", dict(zip(names, map(np.asarray, example), strict=True)))
        for index, example in enumerate(case.examples, 1)
    ]


def reference(model: Any, inputs: Sequence[np.ndarray], bundle: Bundle) -> dict[str, np.ndarray]:
    """Return what Keras itself predicts, by the bundle's names of the outputs, in TF.js's dtypes."""
    import tensorflow as tf

    values = [
        tf.constant(value.tolist(), tf.string)
        if spec.source_dtype == "string"
        else tf.cast(tf.constant(value), spec.source_dtype)
        for value, spec in zip(inputs, bundle.inputs, strict=True)
    ]
    structure = models.keras().tree.pack_sequence_as(model.input, values)

    def predict(given: Any) -> list[np.ndarray]:
        return models.keras().tree.flatten(model(given, training=False))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outputs = predict(structure)
        except tf.errors.OpError:  # channels_first, on the CPU
            outputs = tf.function(predict, autograph=False, jit_compile=True)(structure)
        if any(value.dtype != spec.source_dtype for value, spec in zip(outputs, bundle.outputs, strict=True)):
            # layers of pictures keep bytes as they are when they run eagerly, not in Keras's own predict()
            outputs = tf.function(predict, autograph=False)(structure)
    return {
        spec.name: tfjs_tensor(np.asarray(value)) for spec, value in zip(bundle.outputs, outputs, strict=True)
    }


def judge(
    cases: Sequence[Case],
    references: Sequence[Mapping[str, np.ndarray]],
    outputs: Sequence[Mapping[str, Tensor]],
    atol: float,
) -> Verdict:
    """Compare every output of every case; every example counts as awkward."""
    for case, expected, actual in zip(cases, references, outputs, strict=True):
        for found in compare(case.name, expected, actual, atol=atol, awkward=True):
            if not found.passed:
                return Verdict(WRONG, found.describe())
    return Verdict(RIGHT)
