"""Layer and group normalization as Keras writes them take eleven ops, eight of them on all elements."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.matching import Formulas, same
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def simplify_normalizations(graph: GraphModel) -> GraphModel:
    """Rewrite ``x * s + (beta - mean * s)`` as ``(x - mean) * s + beta``, where ``mean`` is that of ``x``.

    The variance is that of the difference, which is there already, and ``gamma``, a constant that ``s`` is
    multiplied by, comes behind, where a dense layer that follows can take it in. Less is rounded away this
    way: two large products that nearly cancel each other are not made.
    """
    return replace_nodes(graph, "AddV2", _normalization)


def _normalization(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    find = Formulas(by_name)
    if find.made(node.name, "AddV2") is None:
        return False
    for one, other in find.either(node):
        scaled = find.made(one, "Mul")
        if scaled is None:
            continue
        moved, beta = _without_constant(find, other)
        for x, scale in find.either(scaled):
            mean = _subtracted_mean(find, moved, scale, x)
            if mean is not None:
                _rewrite(find, emit, x, mean, scale, beta)
                return True
    return False


def _without_constant(find: Formulas, tensor: str) -> tuple[str, str | None]:
    """Return ``(y, c)`` where ``tensor`` is y + c of a constant c, else ``tensor`` and ``None``."""
    added = find.made(tensor, "AddV2")
    for rest, constant in find.either(added) if added else ():
        if find.value(constant) is not None:
            return rest, constant
    return tensor, None


def _subtracted_mean(find: Formulas, tensor: str, scale: str, x: str) -> str | None:
    """Return the mean of ``x`` if ``tensor`` is -mean * scale."""
    product = find.made(tensor, "Mul")
    for negative, factor in find.either(product) if product else ():
        negated = find.made(negative, "Neg")
        mean = find.made(negated.inputs[0], "Mean") if negated and same(factor, scale) else None
        if negated and mean and same(mean.inputs[0], x):
            return negated.inputs[0]
    return None


def _rewrite(find: Formulas, emit: Emitter, x: str, mean: str, scale: str, beta: str | None) -> None:
    centred = emit.op("Sub", "centred", [x, mean], T="DT_FLOAT")
    product = find.made(scale, "Mul")
    gamma = None
    for root, constant in find.either(product) if product else ():
        if find.made(root, "Rsqrt") and find.value(constant) is not None:
            scale, gamma = root, constant
            break
    scale = _of_centred(find, emit, x, mean, scale, centred) or scale
    factors = [scale] if gamma is None else [scale, gamma]
    for index, factor in enumerate(factors):
        if beta is None and index == len(factors) - 1:
            emit.last("Mul", [centred, factor], T="DT_FLOAT")
            return
        centred = emit.op("Mul", f"scaled_{index}", [centred, factor], T="DT_FLOAT")
    emit.last("AddV2", [centred, beta or ""], T="DT_FLOAT")


def _of_centred(find: Formulas, emit: Emitter, x: str, mean: str, scale: str, centred: str) -> str | None:
    """Return ``scale``, 1 over the root of the variance, computed from what is centred already."""
    root = find.made(scale, "Rsqrt")
    steady = find.made(root.inputs[0], "AddV2") if root else None
    for variance, epsilon in find.either(steady) if steady else ():
        averaged = find.made(variance, "Mean")
        squared = find.made(averaged.inputs[0], "SquaredDifference") if averaged else None
        if averaged is None or squared is None or find.value(epsilon) is None:
            continue
        if any(same(first, x) and same(second, mean) for first, second in find.either(squared)):
            square = emit.op("Square", "square", [centred], T="DT_FLOAT")
            attrs = {name: attr for name, attr in averaged.attrs.items() if not name.startswith("_")}
            variance = emit.node(Node("variance", "Mean", [square, averaged.inputs[1]], attrs))
            return emit.op(
                "Rsqrt",
                "scale",
                [emit.op("AddV2", "steady", [variance, epsilon], T="DT_FLOAT")],
                T="DT_FLOAT",
            )
    return None
