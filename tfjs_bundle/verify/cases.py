"""What verification and the self-check run: seeded random inputs, or the user's own data.

The generator is mulberry32, stated in docs/architecture.md ("golden.json") and written a
second time in TypeScript, so that a golden case travels as a seed and not as numbers.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfjs_bundle.errors import UsageError
from tfjs_bundle.verify.difference import ATOL, RTOL
from tfjs_bundle.verify.metrics import Expected, text_of, tfjs_dtype_of
from tfjs_bundle.verify.samples import AWKWARD, pick, rows

#: Batch sizes of the cases drawn where the batch is open.
BATCHES = (1, 3)

#: Open sizes other than the batch, one per case in turn: pictures (and volumes) must survive
#: five halvings, sequences must differ in length.
SPATIAL_SIZES = (64, 96)
SEQUENCE_SIZES = (16, 24)

#: By what to multiply these, in turn, until the model takes them: tables of positions end, and windows of a
#: spectrogram need some thousand samples. Pictures grow at most :data:`_LARGEST_PICTURES` times.
SCALES = (1, 1 / 4, 8, 128)
_LARGEST_PICTURES = 4

#: Floats of the awkward cases lie between this and its negative, where the model does not say what it takes.
LARGE = 100.0

#: Values that a golden output keeps at most.
GOLDEN_VALUES = 64

#: Rows of a ``--data`` file that are run at most, and per case.
DATA_ROWS = 256
DATA_BATCH = 16

#: Where all rows are run, a case has so many values, and rows, at most.
_LARGEST_BATCH = 1 << 20
_MOST_ROWS = 128

#: Values to take from, by input name (:func:`tfjs_bundle.verify.samples.pools`).
Choices = Mapping[str, Sequence[Any]]

#: TF.js dtype to the numpy dtype that holds it here.
NUMPY_DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "int32": np.int32,
    "bool": np.bool_,
    "string": object,
}


class Spec(Protocol):
    """What a case needs to know of an input: ``TensorSpec`` and ``TensorInfo`` both do."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int | None, ...] | None: ...
    @property
    def dtype(self) -> str: ...
    @property
    def source_dtype(self) -> str: ...


@dataclass(frozen=True)
class Draw:
    """How one input is drawn: all that golden.json says of it.

    Attributes:
        seed: of the generator, an unsigned 32-bit integer.
        low: the smallest value.
        high: the bound that no float passes and no integer reaches.
        dtype: as TF.js has it.
        shape: without unknown dimensions.
    """

    seed: int
    low: float
    high: float
    dtype: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the draw as golden.json has it."""
        return {
            "seed": self.seed,
            "low": _plain(self.low),
            "high": _plain(self.high),
            "dtype": self.dtype,
            "shape": list(self.shape),
        }

    def values(self) -> np.ndarray:
        """Return the tensor; dtype float32, int32 or bool."""
        uniform = mulberry32(self.seed, math.prod(self.shape)).astype(np.float64) / 2**32
        if self.dtype == "bool":
            flat: np.ndarray = uniform >= 0.5
        else:
            scaled = self.low + uniform * (self.high - self.low)
            flat = scaled.astype(np.float32) if self.dtype == "float32" else np.floor(scaled).astype(np.int32)
        return flat.reshape(self.shape)


@dataclass(frozen=True)
class Case:
    """One prediction to make.

    Attributes:
        name: for messages, for instance ``"random, batch 3"``.
        inputs: by name, in the signature's order, in TF.js's dtypes (whatever the source
            calls for, uint8 say, fits into them).
        draws: how the inputs were drawn, by name; empty where they are data.
        awkward: whether the inputs are ones that nobody expects: the tolerance is then relative to the size
            of the output, and where the reference is NaN there is nothing to compare with.
    """

    name: str
    inputs: dict[str, np.ndarray]
    draws: dict[str, Draw] = field(default_factory=dict)
    awkward: bool = False


@dataclass(frozen=True)
class Data:
    """A ``--data`` file.

    Attributes:
        cases: its rows in batches.
        labels: for the rows of ``cases``, by the name of an output or as ``y``; often empty.
        rows: rows of the file.
        used: rows in ``cases``.
    """

    cases: tuple[Case, ...]
    labels: dict[str, np.ndarray]
    rows: int
    used: int


def mulberry32(seed: int, count: int) -> np.ndarray:
    """Return ``count`` draws of mulberry32 as uint32.

    The generator adds a constant to its state before each draw, so all states are known at once.
    """
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint32)
        state = np.uint32(seed & 0xFFFFFFFF) + steps * np.uint32(0x6D2B79F5)
        mixed = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
        mixed ^= mixed + (mixed ^ (mixed >> np.uint32(7))) * (mixed | np.uint32(61))
        return mixed ^ (mixed >> np.uint32(14))


def draw_cases(
    inputs: Sequence[Spec],
    *,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    batches: Sequence[int] = BATCHES,
    choices: Choices | None = None,
    scale: float = 1,
) -> list[Case]:
    """Draw one case per entry of ``batches`` from the signature's ``inputs``.

    Args:
        ranges: input name to ``(low, high)``, where the model says what it takes (an embedding's
            vocabulary, pictures of 0 to 255); ``high`` is not reached by integers.
        batches: the first dimension where it is open; where it is not, only the seeds differ.
        choices: input name to values to take from, where they are text or keys of a vocabulary; they are
            written out and not drawn.
        scale: of :data:`SCALES`, for open dimensions other than the batch.

    Raises:
        UsageError: an input's dtype cannot be drawn.
    """
    cases = []
    for index, batch in enumerate(batches):
        draws = {}
        values: dict[str, np.ndarray] = {}
        for spec in inputs:
            shape = _filled(spec.shape, batch, index, scale)
            low, high = (ranges or {}).get(spec.name) or default_range(spec, shape)
            seed = zlib.crc32(f"{spec.name}/{index}".encode())
            if spec.dtype not in NUMPY_DTYPES:
                raise UsageError(
                    f"No test input can be drawn for {spec.name!r}: its dtype is {spec.dtype}.",
                    "Build with --no-verify.",
                )
            pool = _pool(spec, choices)
            if pool is not None:
                values[spec.name] = pick(pool, shape, spec.name, index)
                continue
            draws[spec.name] = Draw(seed, low, high, spec.dtype, shape)
            values[spec.name] = draws[spec.name].values()
        size = next((value.shape[0] for value in values.values() if value.shape), 1)
        cases.append(Case(f"random {index + 1}, batch {size}", values, draws))
    return cases


def text_case(
    inputs: Sequence[Spec],
    ranges: Mapping[str, tuple[float, float]] | None,
    choices: Choices,
    scale: float = 1,
) -> Case | None:
    """Return one case with all the values of ``choices``; ``None`` where there are none, or no open batch."""
    shapes = {spec.name: _filled(spec.shape, 1, 0, scale) for spec in inputs}
    chosen = {spec.name: pool for spec in inputs if (pool := _pool(spec, choices)) is not None}
    if not chosen or any(not spec.shape or spec.shape[0] is not None for spec in inputs):
        return None
    batch = rows(chosen, shapes)
    (case,) = draw_cases(inputs, ranges=ranges, batches=(batch,), choices=choices, scale=scale)
    return replace(case, name=f"text and keys, batch {batch}")


def awkward_cases(
    inputs: Sequence[Spec],
    *,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    nan: bool = False,
    choices: Choices | None = None,
    scale: float = 1,
) -> list[Case]:
    """Return one case of zeros and one of extremes, as :func:`draw_cases` returns cases.

    Extremes are, for an input with known values, the lowest and the highest of them in turn; for other
    floats, values up to :data:`LARGE` of either sign.

    Args:
        nan: add a case in which every fourth float is NaN, for a model that looks for it.
    """
    cases: list[Case] = []
    makers = [("zeros", _zeros), ("extremes", _extremes), ("NaN", _with_nan)]
    for name, draw_one in makers if nan else makers[:2]:
        values = {}
        for spec in inputs:
            shape = _filled(spec.shape, 2, 0, scale)
            known = (ranges or {}).get(spec.name)
            pool = _pool(spec, choices)
            values[spec.name] = (
                pick(pool, shape, spec.name, len(cases)) if pool else draw_one(spec, shape, known)
            )
        size = next((value.shape[0] for value in values.values() if value.shape), 1)
        cases.append(Case(f"{name}, batch {size}", values, awkward=True))
    return cases


def first_rows(cases: Sequence[Case], inputs: Sequence[Spec], count: int) -> list[Mapping[str, np.ndarray]]:
    """Return what ``cases`` feed the signature's ``inputs``: whole batches where their size is fixed, else
    ``count`` rows of them at most."""
    found: list[Mapping[str, np.ndarray]] = []
    open_batch = all(spec.shape and spec.shape[0] is None for spec in inputs)
    for case in cases:
        if count <= 0:
            break
        rows = min((len(value) for value in case.inputs.values() if value.ndim), default=1)
        found.append({name: value[:count] if open_batch else value for name, value in case.inputs.items()})
        count -= rows
    return found


def _pool(spec: Spec, choices: Choices | None) -> Sequence[Any] | None:
    pool = (choices or {}).get(spec.name)
    return AWKWARD if pool is None and spec.dtype == "string" else pool


def _zeros(spec: Spec, shape: tuple[int, ...], known: tuple[float, float] | None) -> np.ndarray:
    if spec.dtype == "string":
        return np.full(shape, "", object)
    low = known[0] if known and not known[0] <= 0 < known[1] else 0
    return np.full(shape, low, NUMPY_DTYPES[spec.dtype])


def _extremes(spec: Spec, shape: tuple[int, ...], known: tuple[float, float] | None) -> np.ndarray:
    if spec.dtype in ("string", "bool") or (known is None and spec.dtype == "float32"):
        span = LARGE if known is None and spec.dtype == "float32" else 1
        return Draw(zlib.crc32(f"{spec.name}/extremes".encode()), -span, span, spec.dtype, shape).values()
    low, high = known or default_range(spec, shape)
    if spec.dtype == "int32":
        high = math.ceil(high) - 1
    flat = np.where(np.arange(math.prod(shape)) % 2, high, low)
    return flat.astype(NUMPY_DTYPES[spec.dtype]).reshape(shape)


def _with_nan(spec: Spec, shape: tuple[int, ...], known: tuple[float, float] | None) -> np.ndarray:
    low, high = known or default_range(spec, shape)
    values = Draw(zlib.crc32(f"{spec.name}/NaN".encode()), low, high, spec.dtype, shape).values()
    if spec.dtype == "float32":
        values.reshape(-1)[::4] = np.nan
    return values


def default_range(spec: Spec, shape: Sequence[int]) -> tuple[float, float]:
    """Return the values to draw where nothing is known: floats around 0, integers that any
    vocabulary has, bytes for what looks like a picture of integers."""
    if spec.dtype == "float32":
        return -1.0, 1.0
    picture = len(shape) == 4 and shape[-1] in (1, 3, 4) and min(shape[1:3]) > 4
    if spec.dtype == "int32" and picture:
        return 0, 128 if spec.source_dtype == "int8" else 256
    return 0, 2


def read_data(
    path: str | Path,
    inputs: Sequence[Spec],
    outputs: Sequence[str] = (),
    *,
    limit: int | None = DATA_ROWS,
    wide: Container[str] = (),
) -> Data:
    """Read a ``.npz`` file whose keys are input names; ``y``, or keys that name an output, hold labels.

    Args:
        outputs: the outputs' names; an input of the same name comes first.
        limit: rows run at most, the first ones; without it all of them, in larger batches.
        wide: inputs that take whole numbers beyond 32 bits.

    Raises:
        UsageError: it is no such file, or a name, a shape, a dtype or a number of rows does
            not fit the signature.
    """
    path = Path(path)
    arrays = _load(path)
    taken = {spec.name for spec in inputs}
    labels = {name: arrays.pop(name) for name in ("y", *outputs) if name in arrays and name not in taken}
    named = ", ".join(repr(spec.name) for spec in inputs)
    for spec in inputs:
        if spec.name not in arrays:
            had = ", ".join(map(repr, arrays)) or "no arrays"
            raise UsageError(
                f"{path} has no array for the input {spec.name!r}; it has {had}.",
                f"Save it with np.savez(path, **arrays): the keys are the inputs' names ({named}), and `y`.",
            )
    unknown = sorted(set(arrays) - {spec.name for spec in inputs})
    if unknown:
        raise UsageError(
            f"{path} has arrays that the model has no input for: {', '.join(map(repr, unknown))}.",
            f"The model's inputs are {named}; labels are called `y`, or as the output is.",
        )
    tensors = {spec.name: _as_input(arrays[spec.name], spec, path, spec.name in wide) for spec in inputs}
    counts = {name: len(tensor) for name, tensor in tensors.items()}
    counts |= {name: len(each) if each.ndim else 0 for name, each in labels.items()}
    rows = next(iter(counts.values()), 0)
    if len(set(counts.values())) > 1 or rows == 0:
        listed = ", ".join(f"{name!r}: {count}" for name, count in counts.items())
        raise UsageError(
            f"The arrays of {path} need one number of rows, at least 1; they have {listed}.",
            "The first dimension of every array is the row.",
        )
    fixed = {spec.shape[0] for spec in inputs if spec.shape} - {None}
    values = sum(math.prod(tensor.shape[1:]) for tensor in tensors.values())
    open_batch = DATA_BATCH if limit else max(1, min(_MOST_ROWS, _LARGEST_BATCH // max(1, values)))
    batch = next(iter(fixed)) if fixed else open_batch
    assert batch
    used = min(rows, limit or rows)
    if fixed:
        used -= used % batch
        if not used:
            raise UsageError(
                f"The model takes {batch} rows at a time, and {path} has only {rows}.", "Give it more rows."
            )
    cases = tuple(
        Case(
            f"data rows {start} to {min(start + batch, used) - 1}",
            {name: tensor[start : min(start + batch, used)] for name, tensor in tensors.items()},
        )
        for start in range(0, used, batch)
    )
    return Data(cases, {name: each[:used] for name, each in labels.items()}, rows, used)


def golden_json(cases: Iterable[Case], outputs: Iterable[Mapping[str, np.ndarray]]) -> bytes:
    """Return the bytes of golden.json: drawn cases and the reference's outputs for them.

    Args:
        cases: the same number as ``outputs``; what was not drawn is written out, and should be small.
        outputs: the reference, by output name, float32, int32, bool or strings.
    """
    entries = []
    for case, expected in zip(cases, outputs, strict=True):
        entries.append(
            {
                "inputs": {
                    name: case.draws[name].to_json() if name in case.draws else _literal(value)
                    for name, value in case.inputs.items()
                },
                "outputs": {name: _golden_output(np.asarray(value)) for name, value in expected.items()},
            }
        )
    document = {"atol": ATOL, "rtol": RTOL, "cases": entries}
    return (json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def read_golden(text: str | bytes) -> tuple[list[Case], list[dict[str, Expected]]]:
    """Return the cases of a golden.json and what is expected of each output.

    Raises:
        ValueError, KeyError, TypeError: the document is not one.
    """
    document = json.loads(text)
    cases, expected = [], []
    for index, entry in enumerate(document["cases"]):
        draws = {
            name: Draw(raw["seed"], raw["low"], raw["high"], raw["dtype"], tuple(raw["shape"]))
            for name, raw in entry["inputs"].items()
            if "values" not in raw
        }
        inputs = {
            name: draws[name].values() if name in draws else _from_literal(raw)
            for name, raw in entry["inputs"].items()
        }
        cases.append(Case(f"golden {index + 1}", inputs, draws))
        expected.append({name: _expected(raw) for name, raw in entry["outputs"].items()})
    return cases, expected


def _literal(value: np.ndarray) -> dict[str, Any]:
    return {"dtype": tfjs_dtype_of(value), "shape": list(value.shape), "values": value.reshape(-1).tolist()}


def _from_literal(raw: Mapping[str, Any]) -> np.ndarray:
    dtype = raw["dtype"]
    value = np.empty(len(raw["values"]), np.int64 if dtype == "int32" else NUMPY_DTYPES[dtype])
    value[:] = raw["values"]
    return value.reshape(tuple(raw["shape"]))


def _expected(raw: Mapping[str, Any]) -> Expected:
    dtype = raw["dtype"]
    values = np.array([_NOT_NUMBERS.get(value, value) for value in raw["values"]], NUMPY_DTYPES[dtype])
    return Expected(tuple(raw["shape"]), dtype, values, raw["stride"])


#: JSON has no such numbers.
_NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _golden_output(value: np.ndarray) -> dict[str, Any]:
    dtype = tfjs_dtype_of(value)
    stride = max(1, math.ceil(value.size / GOLDEN_VALUES))
    columns = value.shape[-1] if value.ndim else 1
    while stride > 1 and math.gcd(stride, columns) > 1:
        stride += 1  # else the same few columns would be looked at in every row
    kept = value.reshape(-1)[::stride].tolist()
    if dtype == "float32":
        kept = [_rounded(number) for number in kept]
    elif dtype == "string":
        kept = [text_of(text) for text in kept]
    return {"shape": list(value.shape), "dtype": dtype, "stride": stride, "values": kept}


def _rounded(number: float) -> float | str:
    """Six significant digits: far below the tolerance, and steady from machine to machine."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return float(f"{number:.6g}") + 0.0  # no negative zero


def _plain(number: float) -> float | int:
    return int(number) if float(number).is_integer() else float(number)


def _filled(shape: tuple[int | None, ...] | None, batch: int, index: int, scale: float) -> tuple[int, ...]:
    """Replace open dimensions: the first by ``batch``, others by the case's size for the rank."""
    if shape is None:
        shape = (None, None)
    if len(shape) >= 4:
        size = SPATIAL_SIZES[index % len(SPATIAL_SIZES)] * min(scale, _LARGEST_PICTURES)
    else:
        size = SEQUENCE_SIZES[index % len(SEQUENCE_SIZES)] * scale
    return tuple(
        dimension if dimension is not None else int(size) if axis else batch
        for axis, dimension in enumerate(shape)
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    cure = "Give a file written by np.savez(path, **arrays), without Python objects in it."
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise UsageError(f"{path} holds one array without a name.", cure)
        with loaded as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", "Name a .npz file with --data.") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} cannot be read as a .npz file: {error}.", cure) from None


def _as_input(array: np.ndarray, spec: Spec, path: Path, wide: bool) -> np.ndarray:
    """Return ``array`` in the input's TF.js dtype, or refuse it."""
    where = f"the array {spec.name!r} of {path}"
    shape = spec.shape
    wanted = "any shape" if shape is None else _shape_text(shape)
    if array.ndim == 0:
        raise UsageError(f"There are no rows in {where}: it is a single value.", f"The input takes {wanted}.")
    if shape is not None and (
        len(shape) != array.ndim
        or any(d is not None and d != n for d, n in zip(shape[1:], array.shape[1:], strict=True))
    ):
        raise UsageError(
            f"The shape of {where} is {_shape_text(array.shape)}; the input takes {wanted}.",
            "The first dimension is the row.",
        )
    kind = array.dtype.kind
    if spec.dtype == "string":
        if kind not in "US":
            raise _wrong_dtype(where, array, spec)
        texts = [
            text.decode() if isinstance(text, bytes) else str(text) for text in array.reshape(-1).tolist()
        ]
        strings = np.empty(array.size, object)
        strings[:] = texts
        return strings.reshape(array.shape)
    if spec.dtype == "float32":
        if kind not in "fiub":
            raise _wrong_dtype(where, array, spec)
        return array.astype(np.float32)
    if spec.dtype == "bool":
        if kind == "b" or (kind in "iuf" and np.isin(array, (0, 1)).all()):
            return array.astype(np.bool_)
        raise _wrong_dtype(where, array, spec)
    whole = kind in "iub" or (kind == "f" and bool((array == np.floor(array)).all()))  # NaN is not equal
    if spec.dtype != "int32" or not whole:
        raise _wrong_dtype(where, array, spec)
    source = np.dtype(spec.source_dtype) if spec.source_dtype in np.sctypeDict else np.dtype(np.int32)
    limits = np.iinfo(source) if source.kind in "iu" else np.iinfo(np.int32)
    widest = 2**53 - 1 if wide else 2**31 - 1
    low, high = max(int(limits.min), -widest - 1), min(int(limits.max), widest)
    if array.size and (array.min() < low or array.max() > high):
        raise UsageError(
            f"The values of {where} go from {array.min()} to {array.max()}; "
            f"the input ({spec.source_dtype}) takes {low} to {high}.",
            "Correct the data.",
        )
    return array.astype(np.int64 if wide else np.int32)


def _wrong_dtype(where: str, array: np.ndarray, spec: Spec) -> UsageError:
    fraction = " with fractions" if array.dtype.kind == "f" else ""
    return UsageError(
        f"The dtype of {where} is {array.dtype}{fraction}; the input takes {spec.source_dtype}.",
        "Convert the array before saving it.",
    )


def _shape_text(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
