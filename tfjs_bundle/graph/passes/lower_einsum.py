"""Einsum, which attention layers are made of, has no kernel in TF.js's wasm backend."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, text
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


@dataclass(frozen=True)
class _Plan:
    """A binary einsum as a batched matrix product: which label plays which part."""

    left: str
    right: str
    output: str
    batch: str  # in both operands and the output
    rows: str  # in the left operand and the output
    columns: str  # in the right operand and the output
    summed: str  # in both operands, not in the output


def lower_einsum(graph: GraphModel) -> GraphModel:
    """Rewrite Einsum of one or two operands as Transpose, Reshape, Sum and BatchMatMulV2.

    Requires an equation without a label repeated in one operand, and, where it has ellipses, ranks that the
    tracer knows and nothing to broadcast between them; leaves others as they are.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        equation = text(node, "equation").replace(" ", "")
        if "." in equation:
            own = [None if emit.in_function else shapes.get(tensor) for tensor in node.inputs]
            equation = _without_ellipses(equation, own)
        if "->" not in equation:
            return False
        sides, output = equation.split("->")
        operands = sides.split(",")
        if any(len(set(labels)) < len(labels) for labels in (*operands, output)):
            return False
        dtype = str(node.attrs.get("T", {}).get("type", "DT_FLOAT"))
        if len(operands) == 1:
            labels, tensor = _sum_out(operands[0], node.inputs[0], set(output), emit, dtype)
            order = np.array([labels.index(label) for label in output], np.int32)
            emit.last("Transpose", [tensor, emit.const(order, "order")], T=dtype, Tperm="DT_INT32")
            return True
        if len(operands) != 2:
            return False
        left, a = _sum_out(operands[0], node.inputs[0], set(output) | set(operands[1]), emit, dtype)
        right, b = _sum_out(operands[1], node.inputs[1], set(output) | set(operands[0]), emit, dtype)
        _emit_product(_plan(left, right, output), a, b, emit, dtype)
        return True

    return replace_nodes(graph, "Einsum", rewrite)


def _without_ellipses(equation: str, shapes: list[tuple[int | None, ...] | None]) -> str:
    """Write labels for the axes that ellipses stand for; return nothing where that cannot be."""
    sides, _, output = equation.partition("->")
    operands = sides.split(",")
    free = [label for label in string.ascii_letters if label not in equation]
    hidden: dict[str, int | None] = {}  # the axes of the longest ellipsis, by label
    lengths = []
    for labels, shape in zip(operands, shapes, strict=True):
        if shape is None:
            return ""
        start = labels.find("...")
        length = len(shape) - len(labels.replace("...", "")) if start >= 0 else 0
        lengths.append(length)
        for label, size in zip(free[:length][::-1], shape[start : start + length][::-1], strict=True):
            if hidden.setdefault(label, size) != size:
                return ""
    if len({length for length in lengths if length}) > 1 or "..." not in output:
        return ""
    names = "".join(free[: max(lengths)])
    return ",".join(each.replace("...", names) for each in operands) + "->" + output.replace("...", names)


def _plan(left: str, right: str, output: str) -> _Plan:
    both = [label for label in left if label in right]
    return _Plan(
        left=left,
        right=right,
        output=output,
        batch="".join(label for label in both if label in output),
        rows="".join(label for label in left if label not in right),
        columns="".join(label for label in right if label not in left),
        summed="".join(label for label in both if label not in output),
    )


def _emit_product(plan: _Plan, a: str, b: str, emit: Emitter, dtype: str) -> None:
    """Emit ``[batch..., rows, summed] @ [batch..., summed, columns]``, brought into the output's order."""
    shape_a = emit.op("Shape", "shape_a", [a], T=dtype, out_type="DT_INT32")
    shape_b = emit.op("Shape", "shape_b", [b], T=dtype, out_type="DT_INT32")
    left = _matrix(plan.left, a, shape_a, (plan.batch, plan.rows, plan.summed), "a", emit, dtype)
    right = _matrix(plan.right, b, shape_b, (plan.batch, plan.summed, plan.columns), "b", emit, dtype)
    product = emit.op("BatchMatMulV2", "product", [left, right], T=dtype, adj_x=False, adj_y=False)
    labels = plan.batch + plan.rows + plan.columns
    if len(plan.rows) != 1 or len(plan.columns) != 1:
        parts = []
        if plan.batch + plan.rows:
            axes = [plan.left.index(label) for label in plan.batch + plan.rows]
            parts.append(_sizes(shape_a, axes, "outer_a", emit))
        if plan.columns:
            axes = [plan.right.index(label) for label in plan.columns]
            parts.append(_sizes(shape_b, axes, "outer_b", emit))
        product = emit.op(
            "Reshape", "unfold", [product, _concat(parts, "unfolded", emit)], T=dtype, Tshape="DT_INT32"
        )
    order = np.array([labels.index(label) for label in plan.output], np.int32)
    emit.last("Transpose", [product, emit.const(order, "order")], T=dtype, Tperm="DT_INT32")


def _matrix(
    labels: str, tensor: str, shape: str, groups: tuple[str, str, str], hint: str, emit: Emitter, dtype: str
) -> str:
    """Bring ``tensor`` into ``[batch..., prod(groups[1]), prod(groups[2])]``."""
    wanted = "".join(groups)
    if wanted != labels:
        order = np.array([labels.index(label) for label in wanted], np.int32)
        tensor = emit.op(
            "Transpose",
            f"transpose_{hint}",
            [tensor, emit.const(order, f"order_{hint}")],
            T=dtype,
            Tperm="DT_INT32",
        )
    batch, first, second = groups
    if len(first) == 1 and len(second) == 1:
        return tensor
    parts = [_sizes(shape, [labels.index(label) for label in batch], f"batch_{hint}", emit)] if batch else []
    for number, group in enumerate((first, second)):
        if not group:
            parts.append(emit.const(np.array([1], np.int32), f"prod_{hint}{number}"))
            continue
        sizes = _sizes(shape, [labels.index(label) for label in group], f"sizes_{hint}{number}", emit)
        axis = emit.const(np.array([0], np.int32), f"axis_{hint}{number}")
        # webgpu's Prod drops the axis that keep_dims keeps
        product = emit.op(
            "Prod", f"prod_{hint}{number}", [sizes, axis], T="DT_INT32", Tidx="DT_INT32", keep_dims=False
        )
        column = [product, emit.const(np.int32(0), f"prod_axis_{hint}{number}")]
        parts.append(emit.op("ExpandDims", f"size_{hint}{number}", column, T="DT_INT32", Tdim="DT_INT32"))
    return emit.op(
        "Reshape",
        f"fold_{hint}",
        [tensor, _concat(parts, f"folded_{hint}", emit)],
        T=dtype,
        Tshape="DT_INT32",
    )


def _sizes(shape: str, axes: list[int], hint: str, emit: Emitter) -> str:
    """Pick the sizes of ``axes`` (at least one) out of a shape tensor."""
    indices = emit.const(np.array(axes, np.int32), f"{hint}_axes")
    zero = emit.const(np.int32(0), f"{hint}_axis")
    return emit.gather(shape, indices, zero, hint, "DT_INT32")


def _concat(parts: list[str], hint: str, emit: Emitter) -> str:
    if not parts:
        return emit.const(np.zeros(0, np.int32), hint)
    if len(parts) == 1:
        return parts[0]
    axis = emit.const(np.int32(0), f"{hint}_axis")
    return emit.op("ConcatV2", hint, [*parts, axis], T="DT_INT32", Tidx="DT_INT32", N=len(parts))


def _sum_out(labels: str, tensor: str, needed: set[str], emit: Emitter, dtype: str) -> tuple[str, str]:
    """Sum over the labels that occur nowhere else."""
    lone = [index for index, label in enumerate(labels) if label not in needed]
    if not lone:
        return labels, tensor
    axes = emit.const(np.array(lone, np.int32), "lone_axes")
    summed = emit.op("Sum", "sum", [tensor, axes], T=dtype, Tidx="DT_INT32", keep_dims=False)
    return "".join(label for label in labels if label in needed), summed
