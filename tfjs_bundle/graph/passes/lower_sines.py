"""Sin of what is close to 0 is 0, or twice as much, on wasm, which adds whole turns to it before."""

from __future__ import annotations

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import Value
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes

#: Up to here two terms of the series are right to ten digits, and from here wasm is right to four.
_SMALL = 0.01

#: Tensors of more axes are beyond a choice on graphics cards.
_AXES = 4


def lower_sines(graph: GraphModel) -> GraphModel:
    """Rewrite ``Sin(x)`` as ``x - x^3 / 6`` where that is as good, so that ``Sin(x) / x`` is right there.

    Leaves tensors of more axes than graphics cards choose between.
    """
    shapes = graph.shapes

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        if not emit.in_function and len(shapes.get(node.inputs[0], ())) > _AXES:
            return False
        x = Value(emit, "float32", reference=node.inputs[0])
        series = x - x * x * x * (1 / 6)
        sine = emit.op("Sin", "sine", [x.tensor], T="DT_FLOAT")
        emit.last("SelectV2", [(abs(x) < _SMALL).tensor, series.tensor, sine], T="DT_FLOAT")
        return True

    return replace_nodes(graph, "Sin", rewrite)
