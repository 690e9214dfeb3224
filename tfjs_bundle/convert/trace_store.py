"""How a frozen trace crosses from the child to the caller: a pickled graph beside one file of weights.

The caller maps the file, so that weights are read from disk when they are
packed and never stand in memory twice.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfjs_bundle.graph.ir import GraphModel

TRACE = "trace.pickle"
WEIGHTS = "weights.bin"


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor stands in the weights file: byte offset, numpy dtype string, shape."""

    offset: int
    dtype: str
    shape: tuple[int, ...]


def load_trace(directory: Path) -> GraphModel:
    """Read what the child wrote; constants come back as read-only memory maps."""
    graph: GraphModel = pickle.loads((directory / TRACE).read_bytes())  # noqa: S301  our own child's
    path = directory / WEIGHTS
    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    for _, nodes in graph.bodies():
        for node in nodes:
            if isinstance(node.value, StoredTensor):
                node.value = _view(data, node.value)
    return graph


def _view(data: np.ndarray, stored: StoredTensor) -> np.ndarray:
    dtype = np.dtype(stored.dtype)
    size = int(np.prod(stored.shape, dtype=np.int64)) * dtype.itemsize
    return data[stored.offset : stored.offset + size].view(dtype).reshape(stored.shape)
