"""Which numbers an input takes, as far as the graph tells: the rows of the table it looks up."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node, node_name

#: Ops that hand their first input on, its values unchanged.
_HAND_ON = frozenset(
    (
        "Identity",
        "Cast",
        "Reshape",
        "ExpandDims",
        "Squeeze",
        "Transpose",
        "ConcatV2",
        "Pack",
        "SelectV2",
        "AddV2",
    )
)


def input_ranges(graph: GraphModel) -> dict[str, tuple[float, float]]:
    """Return ``(0, rows)`` for every input that indexes a constant table (an embedding), by input name."""
    by_name = {node.name: node for node in graph.nodes}
    consumers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            consumers.setdefault(node_name(tensor), []).append(node)
    found = {}
    for spec in graph.signature.inputs:
        rows = _rows(node_name(spec.tensor), consumers, by_name)
        if rows:
            found[spec.name] = (0.0, float(min(rows)))
    return found


def _rows(start: str, consumers: dict[str, list[Node]], by_name: dict[str, Node]) -> list[int]:
    rows, waiting, seen = [], [start], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in consumers.get(name, []):
            if node.op in ("GatherV2", "Gather") and node_name(node.inputs[1]) == name:
                table = by_name.get(node_name(node.inputs[0]))
                if table is not None and table.value is not None and table.value.ndim:
                    rows.append(table.value.shape[0])
            elif node.op == "OneHot" and node_name(node.inputs[0]) == name:
                depth = by_name.get(node_name(node.inputs[1]))
                if depth is not None and depth.value is not None:
                    rows.append(int(depth.value))
            elif node.op in _HAND_ON:
                waiting.append(node.name)
    return rows
