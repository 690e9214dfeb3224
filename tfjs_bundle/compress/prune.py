"""Magnitude pruning: the smallest numbers of kernels become 0, most where the outputs mind least."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from tfjs_bundle.compress.quantize import Damage, moved_by
from tfjs_bundle.compress.weights import Weight

#: The shares of a kernel at which the outputs are asked; in between, the damage is taken for a straight line.
LEVELS = (0.25, 0.5, 0.7, 0.85, 0.95)


def pruned(values: np.ndarray, share: float) -> np.ndarray:
    """Return ``values`` with the smallest ``share`` of them set to 0; among equals the first go first."""
    count = int(share * values.size)
    if count == 0:
        return values
    flat = np.array(values, dtype=np.float32).reshape(-1)
    flat[np.argsort(np.abs(flat), kind="stable")[:count]] = 0
    return flat.reshape(values.shape)


def sensitivities(kernels: Sequence[Weight], damage: Damage | None) -> dict[str, tuple[float, ...]]:
    """Return for each kernel the squared movement of the outputs at each of :data:`LEVELS`."""
    return {kernel.name: tuple(_costs(kernel, damage)) for kernel in kernels}


def _costs(kernel: Weight, damage: Damage | None) -> list[float]:
    costs = []
    for level in LEVELS:
        costs.append(moved_by(kernel, pruned(kernel.value, level), damage) ** 2)
    return costs


def allocate(
    kernels: Sequence[Weight], costs: Mapping[str, Sequence[float]], fraction: float
) -> dict[str, float]:
    """Return for each kernel the share to prune, so that ``fraction`` of all their numbers become 0.

    Errors of single kernels add up as squares where they are independent. So the cheapest next step by
    squared movement per number is taken first, along the lower convex hull of each kernel's measurements:
    the sum is then the smallest that there is for these hulls.
    """
    steps = []
    for order, kernel in enumerate(kernels):
        for (start, low), (end, high) in _hull(costs[kernel.name]):
            slope = (high - low) / ((end - start) * kernel.value.size)
            steps.append((slope, order, start, end))
    left = fraction * sum(kernel.value.size for kernel in kernels)
    shares = dict.fromkeys((kernel.name for kernel in kernels), 0.0)
    for _, order, start, end in sorted(steps):
        kernel = kernels[order]
        taken = min(left, (end - start) * kernel.value.size)
        if taken <= 0:
            break
        shares[kernel.name] = start + taken / kernel.value.size
        left -= taken
    return shares


def _hull(costs: Sequence[float]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the edges of the lower convex hull of ``(share, cost)``, from nothing pruned to everything."""
    highest = 0.0
    points = [(0.0, 0.0)]
    for level, cost in zip(LEVELS, costs, strict=True):
        highest = max(highest, cost)  # noise: more zeros are never better
        points.append((level, highest))
    # a kernel of nothing but zeros is a layer less
    points.append((1.0, max(2 * highest, 1.0)))
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) >= 2 and _slope(hull[-1], point) <= _slope(hull[-2], hull[-1]):
            hull.pop()
        hull.append(point)
    return list(itertools.pairwise(hull))


def _slope(one: tuple[float, float], other: tuple[float, float]) -> float:
    return (other[1] - one[1]) / (other[0] - one[0])
