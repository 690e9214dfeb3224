"""Which predictions are made: the self-check's golden cases, and those that parity is measured on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfjs_bundle.graph.ir import Signature
from tfjs_bundle.progress import Progress
from tfjs_bundle.verify.cases import (
    DATA_ROWS,
    Case,
    Choices,
    Data,
    awkward_cases,
    draw_cases,
    read_data,
    text_case,
)
from tfjs_bundle.verify.samples import is_wide

#: Rows drawn for compression, as long as they are not more numbers than these.
TYPICAL_ROWS = 64
_LARGEST_DRAWN = 10_000_000

#: Above so many input values one golden case has to do: the visitor's device runs it before it is trusted.
_LARGE_INPUT = 100_000


@dataclass(frozen=True)
class Plan:
    """Cases by purpose; all are empty for a model that draws random numbers.

    Attributes:
        golden: what the visitor's device is checked with.
        parity: what the browser is compared on with the reference.
        typical: what compression looks at: the user's data, or inputs drawn as for ``golden``.
    """

    golden: tuple[Case, ...]
    parity: tuple[Case, ...]
    typical: tuple[Case, ...] = ()


def plan(
    signature: Signature,
    ranges: Mapping[str, tuple[float, float]],
    data: Path | None,
    progress: Progress,
    *,
    comparable: bool,
    nan: bool = False,
    choices: Choices | None = None,
    scale: float = 1,
) -> Plan:
    """Draw the golden cases, and the parity cases or take the user's ``data`` for them.

    Args:
        ranges: input name to the values it takes, where they are known.
        comparable: whether two predictions of one input are equal at all.
        nan: whether the model looks for NaN, so that it means something to it.
        choices: input name to values to take from, where they are text or keys.
        scale: of :data:`tfjs_bundle.verify.cases.SCALES`, for sizes that the model leaves open.

    Raises:
        UsageError: ``data`` does not fit the signature.
    """
    if not comparable:
        return Plan((), ())
    choices = choices or {}
    golden = draw_cases(signature.inputs, ranges=ranges, batches=(1, 1), choices=choices, scale=scale)
    size = sum(math.prod(value.shape) for value in golden[0].inputs.values())
    if data is None:
        drawn = draw_cases(signature.inputs, ranges=ranges, choices=choices, scale=scale)
        awkward = awkward_cases(signature.inputs, ranges=ranges, nan=nan, choices=choices, scale=scale)
        text = text_case(signature.inputs, ranges, choices, scale)
        parity = (*drawn, *awkward, *([text] if text else []))
        count = max(1, min(TYPICAL_ROWS, _LARGEST_DRAWN // max(size, 1)))
        typical = tuple(
            draw_cases(signature.inputs, ranges=ranges, batches=(count,), choices=choices, scale=scale)
        )
    else:
        given = given_data(data, signature, choices)
        parity = typical = given.cases
        if given.used < given.rows:
            progress.warn(
                f"Parity was measured on the first {given.used} of the {given.rows} rows of {data}."
            )
    return Plan(tuple(golden[:1] if size > _LARGE_INPUT else golden), parity, typical)


def given_data(path: Path, signature: Signature, choices: Choices, limit: int | None = DATA_ROWS) -> Data:
    """Read the user's data for ``signature``; see :func:`tfjs_bundle.verify.cases.read_data`."""
    wide = [name for name, pool in choices.items() if any(is_wide(value) for value in pool)]
    outputs = [spec.name for spec in signature.outputs]
    return read_data(path, signature.inputs, outputs, limit=limit, wide=wide)
