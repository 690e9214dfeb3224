"""The arithmetic of a comparison: medians, and ratios that are taken round by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """How much of the best peer's value ours is: below 1 is better.

    Attributes:
        value: the median of ours / the peer's of every round.
        peer: the peer's name.
    """

    value: float
    peer: str


def best_ratio(ours: Sequence[float], peers: Mapping[str, Sequence[float]]) -> Ratio | None:
    """Return the ratio to the best peer, the one with the smallest median; None without ours or a peer.

    The rounds of all are the same ones: what slows the machine down for a while slows both sides of a pair.
    Where one side has fewer values, the rounds that it lacks are left out.
    """
    measured = {name: values for name, values in peers.items() if values}
    if not ours or not measured:
        return None
    best = min(measured, key=lambda name: median(measured[name]))
    return Ratio(paired(ours, measured[best]), best)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of every round (infinite where a peer's value is 0 and ours is not)."""
    pairs = zip(ours, theirs, strict=False)
    return median(one / other if other else (float("inf") if one else 1.0) for one, other in pairs)
