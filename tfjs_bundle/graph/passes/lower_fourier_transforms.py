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
    """Rewrite the real and imaginary parts of RFFT, FFT and IFFT, and IRFFT, as products with matrices of
    cosines and sines; complex tensors are never made.

    Requires lengths that the tracer knows, at most :data:`LIMIT`, and Complex where a transform takes complex
    numbers; leaves the rest, which wasm is not said to have.
    """
    shapes = graph.shapes

    def part(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        transform = by_name.get(node_name(node.inputs[0]))
        if transform is None or emit.in_function:
            return False
        rewrite = {"RFFT": _of_real, "FFT": _of_complex, "IFFT": _of_complex}.get(transform.op)
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
    _emit_products([(signal, matrix)], shape, node, emit)
    return True


def _of_complex(
    shapes: _Shapes, node: Node, transform: Node, emit: Emitter, by_name: dict[str, Node]
) -> bool:
    pair = by_name.get(node_name(transform.inputs[0]))
    shape = None if pair is None else shapes.get(pair.name)
    if pair is None or pair.op != "Complex" or shape is None or not shape[-1] or shape[-1] > LIMIT:
        return False
    if any(shapes.get(tensor) != shape for tensor in pair.inputs[:2]):
        return False
    length = shape[-1]
    cosines, sines = waves(length, length, length)
    if transform.op == "IFFT":
        cosines, sines = cosines / length, -sines / length
    matrices = (cosines, sines) if node.op == "Real" else (-sines, cosines)
    _emit_products(list(zip(pair.inputs[:2], matrices, strict=True)), shape, node, emit)
    return True


def _to_real(shapes: _Shapes, node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    pair, length = by_name.get(node_name(node.inputs[0])), _length(node, by_name)
    shape = None if pair is None else shapes.get(pair.name)
    if pair is None or pair.op != "Complex" or shape is None or not shape[-1] or length is None:
        return False
    if any(shapes.get(tensor) != shape for tensor in pair.inputs[:2]):
        return False
    bins = min(length // 2 + 1, shape[-1])
    cosines, sines = waves(length, bins, length)
    weights = np.full((bins, 1), 2 / length)
    weights[0] = 1 / length
    if length % 2 == 0 and bins == length // 2 + 1:
        weights[-1] = 1 / length  # the other half of the spectrum mirrors all bins but these two
    matrices = [_rows(weights * cosines, shape[-1]), _rows(-weights * sines, shape[-1])]
    _emit_products(list(zip(pair.inputs[:2], matrices, strict=True)), shape, node, emit)
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


def _emit_products(
    terms: list[tuple[str, np.ndarray]], shape: tuple[int | None, ...], node: Node, emit: Emitter
) -> None:
    """Emit the sum of the tensors times their matrices, along the last axis of ``shape``."""
    rows = emit.const(np.array([-1, terms[0][1].shape[0]], np.int32), "rows")
    products = []
    for index, (tensor, matrix) in enumerate(terms):
        flat = emit.op("Reshape", f"flat_{index}", [tensor, rows], T="DT_FLOAT", Tshape="DT_INT32")
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
    whole = pack([*outer, known(emit, np.int32(terms[0][1].shape[1]))], emit)
    emit.last("Reshape", [total, whole], T="DT_FLOAT", Tshape="DT_INT32")
