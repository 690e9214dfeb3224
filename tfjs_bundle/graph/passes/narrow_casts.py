"""TF.js's Cast knows few dtypes; a cast to another fails while it predicts ("unknown dtype null", 4.22)."""

from __future__ import annotations

from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph.dtypes import proto_to_numpy, tfjs_dtype, tfjs_to_proto
from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.rewriting import Emitter, attributes, replace_nodes

#: What TF.js's converter reads, as of 4.22.
_READ = frozenset(
    [
        *("DT_FLOAT", "DT_HALF", "DT_DOUBLE", "DT_INT8", "DT_UINT8", "DT_INT32", "DT_INT64"),
        *("DT_BOOL", "DT_STRING", "DT_COMPLEX64", "DT_COMPLEX128"),
    ]
)


def narrow_casts(graph: GraphModel) -> GraphModel:
    """Cast to the dtype that TF.js has in place of one that it does not know: int32 for uint16, and so on.

    Raises:
        UnsupportedModelError: a cast to eight-bit floats, which rounds where nothing in TF.js would.
    """

    def rewrite(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
        target = str(node.attrs.get("DstT", {}).get("type", "DT_FLOAT"))
        if target in _READ:
            return False
        if target.startswith(("DT_FLOAT8", "DT_FLOAT4")):
            place = graph.layers.get(node.name)
            raise UnsupportedModelError(
                f"The model rounds to {target.removeprefix('DT_').lower()}, which browsers do not have, "
                f"in {f'layer {place!r}' if place else f'node {node.name!r}'}.",
                'Save the model without `quantize("float8")`; "int8" and "int4" run in the browser.',
            )
        dtype = tfjs_to_proto(tfjs_dtype(proto_to_numpy(target)))
        emit.nodes.append(
            Node(node.name, "Cast", list(node.inputs), {**node.attrs, **attributes(DstT=dtype)})
        )
        return True

    return replace_nodes(graph, "Cast", rewrite)
