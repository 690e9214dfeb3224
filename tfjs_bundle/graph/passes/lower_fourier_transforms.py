"""Fourier transforms: TF.js's wasm backend has neither them nor complex numbers, and webgl's throw."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, node_name
from tfjs_bundle.graph.passes.arithmetic import known, pack, sizes
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: Points up to which a transform is a product with a constant matrix: 2048 x 1025 cosines and as many sines
#: are 16.8 MB.
LIMIT = 2048

_Shapes = dict[str, tuple[int | None, ...]]


def lower_fourier_transforms(graph: GraphModel) -> GraphModel:
    """Rewrite the real and imaginary parts of RFFT, FFT, IFFT, FFT2D and IFFT2D, and IRFFT, as products with
    matrices of cosines and sines; complex tensors are never made.

    Requires lengths that the tracer knows, at most :data:`LIMIT`, and Complex where a transform takes complex
    numbers; leaves the rest, which wasm is not said to have.
    """
    shapes = graph.shapes

    def part(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        transform = by_name.get(node_name(node.inputs[0]))
        if transform is None or emit.in_function:
            return False
        rewrite = _TRANSFORMS.get(transform.op)
        return rewrite is not None and rewrite(shapes, node, transform, emit, by_name)

    def inverse(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        return not emit.in_function and _to_real(shapes, node, emit, by_name)

    for op, rewrite in (("Real", part), ("Imag", part), ("IRFFT", inverse)):
        graph = replace_nodes(graph, op, rewrite)
    return graph


def waves(length: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines and sines of ``2 pi row column / length`` as float64 matrices."""
    angles = 2 * np.pi * (np.outer(np.arange(rows), np.arange(columns)) % length) / length
    return np.cos(angles), np.sin(angles)


def _of_real(shapes: _Shapes, node: Node, transform: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    signal, length = transform.inputs[0], _length(transform, by_name)
    shape = shapes.get(signal)
    if length is None or shape is None or shape[-1] is None:
        return False
    # what is beyond the length is cut off, what is missing is 0
    cosines, sines = waves(length, min(length, shape[-1]), length // 2 + 1)
    matrix = _rows(cosines if node.op == "Real" else -sines, shape[-1])
    _emit_products([(signal, matrix)], shape, emit)
    return True


def _of_complex(
    shapes: _Shapes, node: Node, transform: Node, emit: Emitter, by_name: dict[str, Node]
) -> bool:
    parts, shape = _parts(transform.inputs[0], shapes, by_name)
    if not shape or not shape[-1] or shape[-1] > LIMIT:
        return False
    matrices = _matrices(transform.op, node.op, shape[-1])
    _emit_products(list(zip(parts, matrices, strict=True)), shape, emit)
    return True


def _of_plane(shapes: _Shapes, node: Node, transform: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    """Transform along the last axis, and what comes of that along the last but one."""
    parts, shape = _parts(transform.inputs[0], shapes, by_name)
    if len(shape) < 2 or any(not size or size > LIMIT for size in shape[-2:]):
        return False
    rows, columns = (size for size in shape[-2:] if size)
    others = range(len(shape) - 2)
    order = emit.const(np.array([*others, len(shape) - 1, len(shape) - 2], np.int32), "order")
    turned = []
    for part in ("Real", "Imag"):
        terms = list(zip(parts, _matrices(transform.op, part, columns), strict=True))
        along = emit.op("Reshape", "rows", list(_products(terms, shape, emit)), **_RESHAPE)
        turned.append(emit.op("Transpose", "turned", [along, order], T="DT_FLOAT", Tperm="DT_INT32"))
    terms = list(zip(turned, _matrices(transform.op, node.op, rows), strict=True))
    total = _products(terms, (*shape[:-2], columns, rows), emit)
    along = emit.op("Reshape", "columns", list(total), **_RESHAPE)
    emit.last("Transpose", [along, order], T="DT_FLOAT", Tperm="DT_INT32")
    return True


def _parts(
    tensor: str, shapes: _Shapes, by_name: dict[str, Node]
) -> tuple[list[str], tuple[int | None, ...]]:
    """Return the real and the imaginary part of a complex tensor, and their shape; ``()`` if not known."""
    pair = by_name.get(node_name(tensor))
    shape = None if pair is None else shapes.get(pair.name)
    if pair is None or pair.op != "Complex" or shape is None:
        return [], ()
    parts = pair.inputs[:2]
    return parts, shape if all(shapes.get(each) == shape for each in parts) else ()


def _matrices(op: str, part: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the real and the imaginary part are multiplied by, for a ``part`` of the transform."""
    cosines, sines = waves(length, length, length)
    if op.startswith("I"):
        cosines, sines = cosines / length, -sines / length
    return (cosines, sines) if part == "Real" else (-sines, cosines)


def _to_real(shapes: _Shapes, node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    parts, shape = _parts(node.inputs[0], shapes, by_name)
    length = _length(node, by_name)
    if not shape or not shape[-1] or length is None:
        return False
    bins = min(length // 2 + 1, shape[-1])
    cosines, sines = waves(length, bins, length)
    weights = np.full((bins, 1), 2 / length)
    weights[0] = 1 / length
    if length % 2 == 0 and bins == length // 2 + 1:
        weights[-1] = 1 / length  # the other half of the spectrum mirrors all bins but these two
    matrices = [_rows(weights * cosines, shape[-1]), _rows(-weights * sines, shape[-1])]
    _emit_products(list(zip(parts, matrices, strict=True)), shape, emit)
    return True


def _length(node: Node, by_name: dict[str, Node]) -> int | None:
    constant = by_name.get(node_name(node.inputs[1]))
    if constant is None or constant.value is None:
        return None
    length = int(constant.value.reshape(-1)[0])
    return length if 0 < length <= LIMIT else None


def _rows(matrix: np.ndarray, count: int) -> np.ndarray:
    """Return ``matrix`` with rows of zeros below, up to ``count`` rows."""
    return np.concatenate([matrix, np.zeros((count - len(matrix), matrix.shape[1]))])


def _emit_products(terms: list[tuple[str, np.ndarray]], shape: tuple[int | None, ...], emit: Emitter) -> None:
    """Emit the sum of the tensors times their matrices, along the last axis of ``shape``."""
    emit.last("Reshape", list(_products(terms, shape, emit)), **_RESHAPE)


def _products(
    terms: list[tuple[str, np.ndarray]], shape: tuple[int | None, ...], emit: Emitter
) -> tuple[str, str]:
    """Return the sum of the tensors times their matrices as rows, and the shape that it takes."""
    rows = emit.const(np.array([-1, terms[0][1].shape[0]], np.int32), "rows")
    products = []
    for index, (tensor, matrix) in enumerate(terms):
        flat = emit.op("Reshape", f"flat_{index}", [tensor, rows], **_RESHAPE)
        waves_of = emit.const(matrix.astype(np.float32), f"waves_{index}")
        products.append(
            emit.op(
                "MatMul",
                f"product_{index}",
                [flat, waves_of],
                T="DT_FLOAT",
                transpose_a=False,
                transpose_b=False,
            )
        )
    total = products[0] if len(products) == 1 else emit.op("AddV2", "sum", products, T="DT_FLOAT")
    outer = sizes(terms[0][0], shape, "DT_FLOAT", emit)[:-1]
    return total, pack([*outer, known(emit, np.int32(terms[0][1].shape[1]))], emit)


_RESHAPE = {"T": "DT_FLOAT", "Tshape": "DT_INT32"}

_TRANSFORMS = {
    "RFFT": _of_real,
    "FFT": _of_complex,
    "IFFT": _of_complex,
    "FFT2D": _of_plane,
    "IFFT2D": _of_plane,
}
