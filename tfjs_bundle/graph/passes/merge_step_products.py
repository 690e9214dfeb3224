"""The steps of an RNN multiply their inputs by the same weights: one product of all steps does it at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.editing import Body, edit
from tfjs_bundle.graph.passes.rewriting import attributes


def merge_step_products(graph: GraphModel) -> GraphModel:
    """Multiply what is unpacked before it is, where each part would be multiplied by the same weights.

    A bias that every part gets goes with them, also where something else is added first, as an LSTM adds the
    product of its state. Requires the unpacked tensor's shape, with at most its middle size unknown.
    """
    return edit(graph, frozenset(("Unpack",)), _merge)


def _merge(body: Body) -> None:
    if body.in_function:
        return
    for unpack in body:
        shape = body.shape(unpack.inputs[0]) if unpack.op == "Unpack" else None
        if shape is None or len(shape) != 3 or shape[0] is None or shape[2] is None:
            continue
        if int(unpack.attrs.get("axis", {}).get("i", 0)) == 0:
            for kernel, products in _products(body, unpack).items():
                if len(products) == shape[0] > 1:
                    _merge_products(body, unpack, kernel, products)


def _products(body: Body, unpack: Node) -> Mapping[str, dict[int, Node]]:
    """Return by kernel the products of the parts of ``unpack``, by the part's number."""
    found: dict[str, dict[int, Node]] = {}
    for user in body.users(unpack) or ():
        kernel = body.producer(user.inputs[1]) if user.op == "MatMul" else None
        flipped = any(user.attrs.get(name, {}).get("b", False) for name in ("transpose_a", "transpose_b"))
        if kernel is None or kernel.value is None or flipped or body.users(user) is None:
            continue
        part = int(user.inputs[0].partition(":")[2] or 0)
        found.setdefault(kernel.name, {})[part] = user
    return found


def _merge_products(body: Body, unpack: Node, kernel: str, products: Mapping[int, Node]) -> None:
    source = unpack.inputs[0]
    steps, _, width = body.shape(source) or ()
    example = products[0]
    weights = body.producer(kernel)
    units = weights.value.shape[1] if weights is not None and weights.value is not None else 0

    def reshaped(tensor: str, name: str, *sizes: int) -> str:
        wanted = body.constant(f"{example.name}/{name}_shape", np.array(sizes, np.int32))
        node = Node(
            body.unused(f"{example.name}/{name}"),
            "Reshape",
            [tensor, wanted],
            attributes(T="DT_FLOAT", Tshape="DT_INT32"),
        )
        body.shapes[node.name] = tuple(None if size == -1 else size for size in sizes)
        return body.put(node)

    rows = reshaped(source, "rows", -1, width or 0)
    whole = Node(body.unused(f"{example.name}/whole"), "MatMul", [rows, kernel], dict(example.attrs))
    body.shapes[whole.name] = (None, units)
    merged = _with_bias(body, body.put(whole), products)
    apart = reshaped(merged, "apart", steps or 0, -1, units)
    attrs = attributes(T="DT_FLOAT", num=steps or 0, axis=0)
    parts = body.put(Node(body.unused(f"{example.name}/parts"), "Unpack", [apart], attrs))
    for index, product in products.items():
        body.bypass(product, f"{parts}:{index}" if index else parts)


def _with_bias(body: Body, whole: str, products: Mapping[int, Node]) -> str:
    """Add to ``whole`` the constant that is added to every product in the end, and take it from them."""
    sums = [each for each in (_sum_with_vector(body, node) for node in products.values()) if each]
    biases = {bias for _, bias in sums}
    if len({added.name for added, _ in sums}) < len(products) or len(biases) != 1:
        return whole
    for added, bias in sums:
        body.bypass(added, next(tensor for tensor in added.inputs if tensor != bias))
    bias = biases.pop()
    node = Node(body.unused(f"{whole}/biased"), "BiasAdd", [whole, bias], attributes(T="DT_FLOAT"))
    return body.put(node, like=body.producer(whole))


def _sum_with_vector(body: Body, node: Node) -> tuple[Node, str] | None:
    """Return the sum with a constant for each column of ``node`` that it ends up in, and the constants."""
    shape = body.shape(node.name)
    for _ in range(2):
        user = body.only_user(node)
        if user is None or user.op not in ("AddV2", "BiasAdd"):
            return None
        for tensor in user.inputs:
            producer = body.producer(tensor)
            if producer is None or producer.value is None or shape is None:
                continue
            if np.shape(producer.value) == shape[-1:]:
                return user, tensor
        node = user
    return None
