"""A convolution pads by itself: a Pad before it copies the whole picture for nothing."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np

from tfjs_bundle.graph.ir import Attr, GraphModel, Node, text
from tfjs_bundle.graph.passes.editing import Body, edit
from tfjs_bundle.graph.passes.linear_ops import padding

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def merge_pads(graph: GraphModel) -> GraphModel:
    """Merge a Pad of zeros around height and width into the convolution that alone uses it.

    The padding becomes SAME where that is the same for the sizes that the tracer knows, else EXPLICIT.

    Requires constant paddings; leaves the Pad where the convolution pads some more by SAME.
    """
    return edit(graph, frozenset(("Pad",)), _merge)


def _merge(body: Body) -> None:
    for node in body:
        pad = body.producer(node.inputs[0]) if node.op in _CONVOLUTIONS else None
        if pad is None or pad.op != "Pad" or body.only_user(pad) is not node:
            continue
        if text(node, "data_format") == "NCHW" or padding(node) not in ("VALID", "EXPLICIT"):
            continue
        margins = _margins(body, pad)
        kernel = body.producer(node.inputs[1])
        if margins is None or kernel is None or kernel.value is None:
            continue
        own = _numbers(node, "explicit_paddings", [0] * 8) if padding(node) == "EXPLICIT" else [0] * 8
        total = margins + np.array(own).reshape(4, 2)
        attrs: dict[str, Attr] = {
            name: attr for name, attr in node.attrs.items() if name != "explicit_paddings"
        }
        same = _same(node, kernel.value.shape[:2], body.shape(pad.inputs[0]))
        if same == total[1:3].tolist():
            attrs["padding"] = _text("SAME")
        else:
            attrs["padding"] = _text("EXPLICIT")
            attrs["explicit_paddings"] = {"list": {"i": [str(each) for each in total.reshape(-1)]}}
        body.put(replace(node, inputs=[pad.inputs[0], *node.inputs[1:]], attrs=attrs))
        body.remove(pad)


def _margins(body: Body, pad: Node) -> np.ndarray | None:
    """Return the paddings (4, 2) of a Pad around height and width alone."""
    constant = body.producer(pad.inputs[1])
    if constant is None or constant.value is None or constant.value.shape != (4, 2):
        return None
    value = constant.value
    return None if value[0].any() or value[3].any() or (value < 0).any() else value


def _same(
    node: Node, kernel: tuple[int, ...], shape: tuple[int | None, ...] | None
) -> list[list[int]] | None:
    """Return the margins that SAME means for a picture of ``shape``, where its sizes are known."""
    strides, dilations = _numbers(node, "strides", [1] * 4), _numbers(node, "dilations", [1] * 4)
    if shape is None or len(shape) != 4:
        return None
    result = []
    for axis in (1, 2):
        size = shape[axis]
        if size is None:
            return None
        reach = (kernel[axis - 1] - 1) * dilations[axis] + 1
        missing = max((-(-size // strides[axis]) - 1) * strides[axis] + reach - size, 0)
        result.append([missing // 2, missing - missing // 2])
    return result


def _numbers(node: Node, attr: str, default: list[int]) -> list[int]:
    return [int(each) for each in node.attrs.get(attr, {}).get("list", {}).get("i", default)]


def _text(value: str) -> Attr:
    return {"s": base64.b64encode(value.encode()).decode()}
