"""One difference between the browser and the reference, and how large one may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Parity: |actual - reference| <= ATOL + RTOL * |reference|, for floats; all else must be equal.
ATOL = 1e-4
RTOL = 1e-4


@dataclass(frozen=True)
class Difference:
    """How one output of one case differs.

    Attributes:
        output: its name.
        case: the case's name.
        largest: the largest absolute difference; infinite where exactly one side is NaN or
            infinite; ``nan`` where the tensors cannot be compared.
        relative: the largest of |actual - reference| / |reference| where the reference is not 0.
        index: where ``largest`` is, one number per dimension.
        reference: the reference's value there.
        actual: the browser's value there.
        wrong: elements out of tolerance.
        elements: elements compared.
        problem: what keeps the tensors from being compared (a missing output, another shape
            or dtype); empty where values were compared.
    """

    output: str
    case: str
    largest: float = 0.0
    relative: float = 0.0
    index: tuple[int, ...] = ()
    reference: Any = None
    actual: Any = None
    wrong: int = 0
    elements: int = 0
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem and self.wrong == 0

    def describe(self) -> str:
        """Say it in words: what differs, by how much, where."""
        if self.problem:
            return f"output {self.output!r} ({self.case}): {self.problem}"
        size = "" if isinstance(self.actual, str) else f"largest difference {self.largest:.3g} "
        return (
            f"output {self.output!r} ({self.case}): {size}at {list(self.index)}, where the browser has "
            f"{_text(self.actual)} and the reference {_text(self.reference)}; "
            f"{self.wrong} of {self.elements} values are out of tolerance"
        )


def _text(value: object) -> str:
    return f"{value:.7g}" if isinstance(value, float) else repr(value)
