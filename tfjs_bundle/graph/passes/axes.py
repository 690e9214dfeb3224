"""A tensor of many axes, worked on through one axis at a time.

TF.js's GPU backends have several ops for four axes only. Where an op works along one axis, or along several
one after another, every other axis can be folded into the ones before and behind it.
"""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.passes.arithmetic import Value, known, pack, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter


class Axes:
    """A tensor whose axes before and behind one are folded while an op works on that one.

    Attributes:
        sizes: of the axes, int32 scalars.
    """

    def __init__(self, tensor: str, shape: tuple[int | None, ...], dtype: str, emit: Emitter) -> None:
        self.sizes = sizes(tensor, shape, dtype, emit)
        self._tensor = tensor
        self._dtype = dtype
        self._emit = emit

    def fold(self, axis: int) -> str:
        """Return the tensor in the shape ``[all before, axis, all behind]``."""
        return self._reshape([self._any(), self.sizes[axis], self._product(axis + 1)])

    def fold_apart(self, axis: int) -> str:
        """Return the tensor in the shape ``[all before, axis, 1, all behind]``."""
        one = known(self._emit, np.int32(1))
        return self._reshape([self._any(), self.sizes[axis], one, self._product(axis + 1)])

    def fold_behind_batch(self, axis: int) -> str:
        """Return the tensor in the shape ``[axis 0, all between, axis, all behind]``; ``axis`` is not 0."""
        between = self._product(1, axis)
        return self._reshape([self._any(), between, self.sizes[axis], self._product(axis + 1)])

    def put(self, tensor: str, axis: int, size: Value) -> None:
        """Go on with ``tensor``, in one of the folded shapes, whose ``axis`` has the given size now."""
        self._tensor = tensor
        self.sizes[axis] = size

    def unfold(self) -> None:
        """Emit the last node: the tensor with all its axes; the first axis is what the others leave."""
        shape = pack([self._any(), *self.sizes[1:]], self._emit)
        self._emit.last("Reshape", [self._tensor, shape], T=self._dtype, Tshape="DT_INT32")

    def unfolded(self) -> str:
        """Return the tensor with all its axes; the first axis is what the others leave."""
        return self._reshape([self._any(), *self.sizes[1:]])

    def _reshape(self, parts: list[Value]) -> str:
        inputs = [self._tensor, pack(parts, self._emit)]
        return self._emit.op("Reshape", "fold", inputs, T=self._dtype, Tshape="DT_INT32")

    def _any(self) -> Value:
        return known(self._emit, np.int32(-1))

    def _product(self, start: int, end: int | None = None) -> Value:
        result = known(self._emit, np.int32(1))
        for size in self.sizes[start:end]:
            result = size if result.array is not None and int(result.array) == 1 else result * size
        return result
