"""What turns colours, RGBToHSV and AdjustHue for instance, has no executor in TF.js."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node
from tfjs_bundle.graph.passes.arithmetic import Value, read
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes


def lower_color_spaces(graph: GraphModel) -> GraphModel:
    """Rewrite RGBToHSV, HSVToRGB, AdjustHue, AdjustSaturation and AdjustContrastv2 as arithmetic, as
    ``colorspace_op.h`` and ``adjust_*_op.cc`` have it. Leaves none of them.
    """
    for op, rewrite in _REWRITES.items():
        graph = replace_nodes(graph, op, rewrite)
    return graph


def _to_hsv(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    _join(_hsv(*_split(node, emit)), emit)
    return True


def _to_rgb(node: Node, emit: Emitter, _: dict[str, Node]) -> bool:
    _join(_rgb(*_split(node, emit)), emit)
    return True


def _turn_hue(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    hue, saturation, value = _hsv(*_split(node, emit))
    turned = hue + read(node.inputs[1], "float32", emit, by_name)
    _join(_rgb(turned - turned.floor(), saturation, value), emit)
    return True


def _scale_saturation(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    hue, saturation, value = _hsv(*_split(node, emit))
    scaled = saturation * read(node.inputs[1], "float32", emit, by_name)
    _join(_rgb(hue, scaled.maximum(0.0).minimum(1.0), value), emit)
    return True


def _scale_contrast(node: Node, emit: Emitter, by_name: dict[str, Node]) -> bool:
    pictures = Value(emit, "float32", reference=node.inputs[0])
    axes = emit.const(np.array([-3, -2], np.int32), "axes")
    inputs = [node.inputs[0], axes]
    mean = emit.op("Mean", "mean", inputs, T="DT_FLOAT", Tidx="DT_INT32", keep_dims=True)
    middle = Value(emit, "float32", reference=mean)
    scaled = (pictures - middle) * read(node.inputs[1], "float32", emit, by_name)
    emit.last("AddV2", [scaled.tensor, mean], T="DT_FLOAT")
    return True


_REWRITES = {
    "RGBToHSV": _to_hsv,
    "HSVToRGB": _to_rgb,
    "AdjustHue": _turn_hue,
    "AdjustSaturation": _scale_saturation,
    "AdjustContrastv2": _scale_contrast,
}


def _split(node: Node, emit: Emitter) -> list[Value]:
    axis = emit.const(np.int32(-1), "axis")
    parts = emit.split(axis, node.inputs[0], 3, "channels", "DT_FLOAT")
    return [Value(emit, "float32", reference=part) for part in parts]


def _join(channels: tuple[Value, Value, Value], emit: Emitter) -> None:
    tensors = [channel.tensor for channel in channels]
    axis = emit.const(np.int32(-1), "axis")
    emit.last("ConcatV2", [*tensors, axis], T="DT_FLOAT", Tidx="DT_INT32", N=3)


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
