"""RGBToHSV and HSVToRGB have no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import Value
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_color_spaces(graph: GraphModel) -> GraphModel:
    """Rewrite RGBToHSV and HSVToRGB as arithmetic, as ``colorspace_op.h`` has it. Leaves neither."""

    def rewrite(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
        axis = emit.const(np.int32(-1), "axis")
        parts = emit.split(axis, node.inputs[0], 3, "channels", "DT_FLOAT")
        channels = [Value(emit, "float32", reference=part) for part in parts]
        convert = _hsv if node.op == "RGBToHSV" else _rgb
        converted = [channel.tensor for channel in convert(*channels)]
        emit.last("ConcatV2", [*converted, axis], T="DT_FLOAT", Tidx="DT_INT32", N=3)
        return True

    for op in ("RGBToHSV", "HSVToRGB"):
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _hsv(red: Value, green: Value, blue: Value) -> tuple[Value, Value, Value]:
    value = red.maximum(green.maximum(blue))
    extent = value - red.minimum(green.minimum(blue))
    gray, black = extent <= 0.0, value <= 0.0
    saturation = black.where(0.0, extent / black.where(1.0, value))
    sixth = (1.0 / 6.0) / gray.where(1.0, extent)
    from_green = green.equals(value).where(
        sixth * (blue - red) + 2.0 / 6.0, sixth * (red - green) + 4.0 / 6.0
    )
    hue = gray.where(0.0, red.equals(value).where(sixth * (green - blue), from_green))
    return (hue < 0.0).where(hue + 1.0, hue), saturation, value


def _rgb(hue: Value, saturation: Value, value: Value) -> tuple[Value, Value, Value]:
    sixths = hue * 6.0
    shares = (
        abs(sixths - 3.0) - 1.0,
        2.0 - abs(sixths - 2.0),
        2.0 - abs(sixths - 4.0),
    )
    rest = 1.0 - saturation
    red, green, blue = ((rest + saturation * share.maximum(0.0).minimum(1.0)) * value for share in shares)
    return red, green, blue
