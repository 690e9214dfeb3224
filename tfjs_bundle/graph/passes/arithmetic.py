"""Formulas that a pass writes once: what is known while building is computed, the rest becomes nodes.

A resize's weights are constants where the size of the picture is known, and are computed by the model
where it is not. Both come from one formula over :class:`Value`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import Node
from tfjs_bundle.graph.passes.known_values import ELEMENTWISE, Shapes, known_value
from tfjs_bundle.graph.passes.rewriting import Emitter

_PROTO = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}

_UNARY: dict[str, Callable[[Any], Any]] = {
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,  # half to even, as TensorFlow's
    "Abs": np.abs,
    "Neg": np.negative,
    "Exp": np.exp,
}
_COMPARISONS = frozenset(["Less", "LessEqual", "GreaterEqual", "Equal", "NotEqual", "LogicalAnd"])


@dataclass(frozen=True, eq=False)
class Value:
    """A float32, int32 or bool tensor, known or not, with the operators of arithmetic.

    Every operation rounds to its dtype as a kernel does: known values are computed step by step in
    float32, so that both ways give the same numbers.

    Attributes:
        dtype: ``float32``, ``int32`` or ``bool``.
        array: the value, where it is known while building.
        reference: the tensor, where it is not.
    """

    emit: Emitter
    dtype: str
    array: np.ndarray | None = None
    reference: str = ""

    @property
    def tensor(self) -> str:
        """The reference to the tensor; a known value becomes a constant."""
        if self.array is None:
            return self.reference
        return self.emit.const(self.array, "known")

    @property
    def proto(self) -> str:
        """The dtype as attributes have it: ``DT_FLOAT``."""
        return _PROTO[self.dtype]

    def unknown(self) -> Value:
        """Return the value as a tensor, so that what follows is computed by the model."""
        return Value(self.emit, self.dtype, reference=self.tensor)

    def __add__(self, other: Any) -> Value:
        return self._binary("AddV2", other)

    def __radd__(self, other: Any) -> Value:
        return self._other(other)._binary("AddV2", self)

    def __sub__(self, other: Any) -> Value:
        return self._binary("Sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._other(other)._binary("Sub", self)

    def __mul__(self, other: Any) -> Value:
        return self._binary("Mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._other(other)._binary("Mul", self)

    def __truediv__(self, other: Any) -> Value:
        return self._binary("RealDiv", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._other(other)._binary("RealDiv", self)

    def __floordiv__(self, other: Any) -> Value:
        return self._binary("FloorDiv", other)

    def __neg__(self) -> Value:
        return self._unary("Neg")

    def __abs__(self) -> Value:
        return self._unary("Abs")

    def __lt__(self, other: Any) -> Value:
        return self._binary("Less", other)

    def __le__(self, other: Any) -> Value:
        return self._binary("LessEqual", other)

    def __ge__(self, other: Any) -> Value:
        return self._binary("GreaterEqual", other)

    def __and__(self, other: Value) -> Value:
        return self._binary("LogicalAnd", other)

    def equals(self, other: Any) -> Value:
        """Return where the two are equal."""
        return self._binary("Equal", other)

    def differs(self, other: Any) -> Value:
        """Return where the two are not equal."""
        return self._binary("NotEqual", other)

    def floor(self) -> Value:
        return self._unary("Floor")

    def ceil(self) -> Value:
        return self._unary("Ceil")

    def round(self) -> Value:
        """Return the nearest integers, halves to even."""
        return self._unary("Round")

    def exp(self) -> Value:
        return self._unary("Exp")

    def maximum(self, other: Any) -> Value:
        return self._binary("Maximum", other)

    def minimum(self, other: Any) -> Value:
        return self._binary("Minimum", other)

    def where(self, yes: Any, no: Any) -> Value:
        """Return ``yes`` where this bool is true, ``no`` elsewhere; the shapes broadcast."""
        picked = [each if isinstance(each, Value) else None for each in (yes, no)]
        dtype = next((each.dtype for each in picked if each), "float32")
        yes, no = (self._as(each, dtype) for each in (yes, no))
        if self.array is not None and yes.array is not None and no.array is not None:
            return self._known(np.where(self.array, yes.array, no.array), dtype)
        inputs = [self.tensor, yes.tensor, no.tensor]
        return Value(self.emit, dtype, reference=self.emit.op("SelectV2", "where", inputs, T=_PROTO[dtype]))

    def cast(self, dtype: str) -> Value:
        """Return the value as ``dtype``; floats are cut off towards zero."""
        if dtype == self.dtype:
            return self
        if self.array is not None:
            return self._known(self.array, dtype)
        source = self.tensor
        if (self.dtype, dtype) == ("int32", "float32"):
            # on webgpu the float shares the integer's buffer, and takes it to the graphics card, from where
            # a size or an index that is needed next can only be read with luck (TF.js 4.22): cast a copy
            source = (self + 0).tensor
        reference = self.emit.op("Cast", "cast", [source], SrcT=self.proto, DstT=_PROTO[dtype])
        return Value(self.emit, dtype, reference=reference)

    def reshape(self, *shape: int) -> Value:
        """Return the value in a known shape; one size may be -1."""
        if self.array is not None:
            return self._known(self.array.reshape(shape), self.dtype)
        sizes = self.emit.const(np.array(shape, np.int32), "shape")
        reference = self.emit.op("Reshape", "reshape", [self.tensor, sizes], T=self.proto, Tshape="DT_INT32")
        return Value(self.emit, self.dtype, reference=reference)

    def expanded(self) -> Value:
        """Return the value with an axis of size 1 behind the others."""
        if self.array is not None:
            return self._known(self.array[..., np.newaxis], self.dtype)
        inputs = [self.tensor, self.emit.const(np.int32(-1), "axis")]
        reference = self.emit.op("ExpandDims", "expanded", inputs, T=self.proto, Tdim="DT_INT32")
        return Value(self.emit, self.dtype, reference=reference)

    def sum(self, axis: int) -> Value:
        """Return the sum over ``axis``, which stays with size 1."""
        if self.array is not None:
            return self._known(self.array.sum(axis=axis, keepdims=True, dtype=np.float32), self.dtype)
        axes = self.emit.const(np.array([axis], np.int32), "axis")
        inputs = [self.tensor, axes]
        return Value(
            self.emit,
            self.dtype,
            reference=self.emit.op("Sum", "sum", inputs, T=self.proto, Tidx="DT_INT32", keep_dims=True),
        )

    def __getitem__(self, index: int) -> Value:
        """Return one element of a vector, as a scalar."""
        return self._pick(index, 0)

    def column(self, index: int) -> Value:
        """Return one column of a matrix, as a vector."""
        return self._pick(index, 1)

    def _pick(self, index: int, axis: int) -> Value:
        if self.array is not None:
            return self._known(self.array.take(index, axis), self.dtype)
        at, along = self.emit.const(np.int32(index), "index"), self.emit.const(np.int32(axis), "axis")
        reference = self.emit.gather(self.tensor, at, along, "element", self.proto)
        return Value(self.emit, self.dtype, reference=reference)

    def _unary(self, op: str) -> Value:
        if self.array is not None:
            return self._known(_UNARY[op](self.array), self.dtype)
        return Value(
            self.emit, self.dtype, reference=self.emit.op(op, op.lower(), [self.tensor], T=self.proto)
        )

    def _binary(self, op: str, other: Any) -> Value:
        other = self._as(other, self.dtype)
        dtype = "bool" if op in _COMPARISONS else self.dtype
        if self.array is not None and other.array is not None:
            with np.errstate(divide="ignore", invalid="ignore"):  # what is divided by 0 is not used
                return self._known(ELEMENTWISE[op](self.array, other.array), dtype)
        inputs = [self.tensor, other.tensor]
        types = {} if op == "LogicalAnd" else {"T": self.proto}
        return Value(self.emit, dtype, reference=self.emit.op(op, op.lower(), inputs, **types))

    def _other(self, value: Any) -> Value:
        return self._as(value, self.dtype)

    def _as(self, value: Any, dtype: str) -> Value:
        return value if isinstance(value, Value) else self._known(value, dtype)

    def _known(self, array: Any, dtype: str) -> Value:
        return known(self.emit, np.asarray(array).astype(dtype))


def known(emit: Emitter, array: np.ndarray | np.generic) -> Value:
    """Return a value that is known while building; ``array`` is float32, int32 or bool."""
    return Value(emit, array.dtype.name, np.asarray(array))


def read(
    tensor: str, dtype: str, emit: Emitter, by_name: Mapping[str, Node], shapes: Shapes | None = None
) -> Value:
    """Return the value of an input, known where it can be told while building.

    Args:
        dtype: ``float32``, ``int32`` or ``bool``.
        shapes: the graph's; none for a function.
    """
    value = known_value(tensor, by_name, shapes or {})
    if value is not None:
        return known(emit, np.asarray(value).astype(dtype))
    return Value(emit, dtype, reference=tensor)


def sizes(tensor: str, shape: tuple[int | None, ...], dtype: str, emit: Emitter) -> list[Value]:
    """Return the sizes of a tensor as int32 scalars: the known ones of ``shape``, the others at run time.

    Args:
        shape: of the tensor's rank.
        dtype: the tensor's, as attributes have it.
    """
    if None not in shape:
        return [known(emit, np.int32(size)) for size in shape if size is not None]
    vector = Value(emit, "int32", reference=emit.op("Shape", "sizes", [tensor], T=dtype, out_type="DT_INT32"))
    return [vector[i] if size is None else known(emit, np.int32(size)) for i, size in enumerate(shape)]


def pack(parts: list[Value], emit: Emitter) -> str:
    """Return the reference to an int32 vector of scalars, a shape for instance."""
    if all(part.array is not None for part in parts):
        return emit.const(np.array([part.array for part in parts], np.int32), "shape")
    tensors = [part.tensor for part in parts]
    return emit.op("Pack", "shape", tensors, T="DT_INT32", N=len(parts), axis=0)


def arange(size: Value) -> Value:
    """Return ``[0, 1, ..., size - 1]`` in int32; ``size`` is an int32 scalar."""
    emit = size.emit
    if size.array is not None:
        return known(emit, np.arange(int(size.array), dtype=np.int32))
    bounds = [emit.const(np.int32(0), "start"), size.tensor, emit.const(np.int32(1), "step")]
    return Value(emit, "int32", reference=emit.op("Range", "range", bounds, Tidx="DT_INT32"))


def count_up(size: Value) -> Value:
    """Return ``[0., 1., ..., size - 1]`` in float32; ``size`` is an int32 scalar."""
    return arange(size).cast("float32")


def divide(dividend: Value, divisor: Value) -> Value:
    """Divide float32 integers below 4096 times 4096, rounded as IEEE 754 says.

    A graphics card may be off by some units in the last place when it divides, never when it adds or
    multiplies, so the remainder is taken exactly (T. J. Dekker, "A floating-point technique for extending the
    available precision", 1971) and divided again.
    """
    quotient = dividend / divisor
    if quotient.array is not None:
        return quotient
    scaled = quotient * 4097.0
    high = scaled - (scaled - quotient)
    low = quotient - high
    remainder = (dividend - high * divisor) - low * divisor
    return quotient + remainder / divisor
