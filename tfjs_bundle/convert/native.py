"""The native converter: a frozen trace made in the child process becomes a GraphModel."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from tfjs_bundle.convert.child import Child
from tfjs_bundle.convert.info import ModelInfo
from tfjs_bundle.convert.trace_store import load_trace
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.passes.name_functions import name_functions


def convert(child: Child, info: ModelInfo, workspace: Path) -> GraphModel:
    """Trace the model that ``child`` holds.

    Args:
        info: what the child said of the model when it opened it.
        workspace: a directory that outlives the returned graph; its weights are memory maps of a file there.

    Raises:
        UnsupportedModelError: the model cannot be traced.
    """
    directory = Path(tempfile.mkdtemp(dir=workspace, prefix="trace-"))
    child.call("trace", str(directory))
    graph = name_functions(load_trace(directory))
    return replace(graph, layers=_layers(graph, info))


def _layers(graph: GraphModel, info: ModelInfo) -> dict[str, str]:
    """Map node names to layers: Keras's name scopes make a layer's name a part of its nodes' names."""
    paths = {layer.name.rsplit("/", 1)[-1]: f"{layer.name} ({layer.class_name})" for layer in info.layers}
    result = {}
    for node in graph.nodes:
        for part in reversed(node.name.split("/")[:-1]):
            known = paths.get(part) or paths.get(part.rsplit("_", 1)[0])
            if known:
                result[node.name] = known
                break
    return result
