"""What compression cost: the compressed model's outputs beside the original's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OutputCost:
    """One output, over all cases.

    Attributes:
        largest: the largest absolute difference; for what is no number, the share of values that changed.
        agreement: the share of rows whose largest value is at the same place; ``None`` where an output has
            no classes.
        rows: how many rows that is of.
    """

    largest: float
    agreement: float | None
    rows: int


@dataclass(frozen=True)
class Cost:
    """What the outputs of the same inputs say of a compression.

    Attributes:
        recipe: in words.
        inputs: what the inputs were, in words.
        outputs: by name.
        schemes: how many weights are written by each scheme; empty where that was not counted.
        sparsity: the share of zeros among the weights that were looked at.
    """

    recipe: str
    inputs: str
    outputs: Mapping[str, OutputCost]
    schemes: Mapping[str, int] = field(default_factory=dict)
    sparsity: float = 0.0

    @property
    def largest(self) -> float:
        """The largest difference of all outputs."""
        return max((output.largest for output in self.outputs.values()), default=0.0)

    def describe(self) -> str:
        """Say it in one line."""
        schemes = ", ".join(f"{count} {scheme}" for scheme, count in self.schemes.items())
        text = f"{self.recipe} ({schemes})" if schemes else self.recipe
        if not self.outputs:
            return f"{text}; what it cost cannot be compared"
        agreements = [
            f"{output.agreement:.1%} of {output.rows} rows keep their class"
            for output in self.outputs.values()
            if output.agreement is not None
        ]
        moved = f"outputs move by at most {self.largest:.2g} on {self.inputs}"
        return "; ".join([text, moved, *agreements])

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "recipe": self.recipe,
            "schemes": dict(self.schemes),
            "sparsity": round(self.sparsity, 4),
            "inputs": self.inputs,
            "outputs": {name: _output_json(output) for name, output in self.outputs.items()},
        }


def _output_json(output: OutputCost) -> dict[str, Any]:
    largest = output.largest
    return {
        "largest_difference": float(f"{largest:.7g}") if math.isfinite(largest) else str(largest),
        "top1_agreement": None if output.agreement is None else round(output.agreement, 6),
        "rows": output.rows,
    }


def compare(before: Sequence[Outputs], after: Sequence[Outputs]) -> dict[str, OutputCost]:
    """Return by name what became of each output; the sequences have one mapping per case."""
    if not before:
        return {}
    return {name: _compare([b[name] for b in before], [a[name] for a in after]) for name in before[0]}


def _compare(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> OutputCost:
    pairs = list(zip(before, after, strict=True))
    largest = max(_largest(old, new) for old, new in pairs)
    rows = sum(len(old) if old.ndim else 1 for old in before)
    if any(
        old.dtype.kind != "f" or old.ndim != 2 or old.shape[1] < 2 or old.shape != new.shape
        for old, new in pairs
    ):
        return OutputCost(largest, None, rows)
    same = sum(int((old.argmax(1) == new.argmax(1)).sum()) for old, new in pairs)
    return OutputCost(largest, same / max(rows, 1), rows)


def _largest(old: np.ndarray, new: np.ndarray) -> float:
    import numpy as np  # only here: to read what something cost takes none

    if old.shape != new.shape:
        return float("inf")
    if old.size == 0:
        return 0.0
    if old.dtype.kind not in "fc":
        return float(np.mean(old != new))
    with np.errstate(invalid="ignore"):
        gaps = np.abs(new.astype(np.float64) - old)
    gaps[(old == new) | (np.isnan(old) & np.isnan(new))] = 0
    return float(np.nan_to_num(gaps, nan=np.inf).max())
