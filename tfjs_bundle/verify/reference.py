"""What the source itself predicts: what parity compares the browser with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfjs_bundle import convert
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph.partition import Partitioned
from tfjs_bundle.graph.ranges import input_ranges
from tfjs_bundle.graph.vocabulary import input_uses
from tfjs_bundle.presentation import Presentation
from tfjs_bundle.progress import Progress
from tfjs_bundle.verify.cases import SCALES
from tfjs_bundle.verify.plan import Plan, plan
from tfjs_bundle.verify.samples import pools


@dataclass(frozen=True)
class Reference:
    """Predictions, case by case of the plan, by output name."""

    plan: Plan
    golden: tuple[dict[str, np.ndarray], ...]
    parity: tuple[dict[str, np.ndarray], ...]


def predict(
    converted: convert.Converted,
    parts: Partitioned,
    presentation: Presentation,
    options: BuildOptions,
    progress: Progress,
    child: Child,
) -> Reference:
    """Choose what is predicted, from values that the model takes, and predict it.

    Raises:
        UnsupportedModelError: the model takes none of the sizes that are tried where it leaves them open.
    """
    graph = converted.graph
    ranges = {**presentation.ranges(), **input_ranges(graph)}
    open_sizes = any(spec.shape is None or None in spec.shape[1:] for spec in graph.signature.inputs)
    failures = []
    for scale in SCALES if open_sizes and options.data is None else SCALES[:1]:
        cases = plan(
            graph.signature,
            ranges,
            options.data,
            progress,
            comparable=not converted.random,
            nan=bool(graph.ops() & {"IsNan", "Bucketize"}),
            choices=pools(input_uses(parts.program)),
            scale=scale,
        )
        try:
            golden = tuple(convert.predict(converted, case.inputs, child) for case in cases.golden)
            parity = tuple(convert.predict(converted, case.inputs, child) for case in cases.parity)
        except UnsupportedModelError as failure:
            if child.pid is None:  # not the sizes: TensorFlow's process ended, and the model is gone with it
                raise
            failures.append(failure)
        else:
            return Reference(cases, golden, parity)
    raise failures[0]
