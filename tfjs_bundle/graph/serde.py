"""Reading and writing ``model.json`` with its weight shards: a standard TF.js graph model.

Shards are named by their content and hold whole tensors wherever a tensor is smaller
than a shard, so that a changed layer is a changed shard and nothing else is downloaded again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tfjs_bundle.errors import SourceError, UnsupportedModelError
from tfjs_bundle.graph.channels import join_channels, split_channels
from tfjs_bundle.graph.dtypes import proto_to_numpy as source_dtype
from tfjs_bundle.graph.dtypes import tfjs_dtype, tfjs_tensor, tfjs_to_proto
from tfjs_bundle.graph.encodings import Encoding
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature, TensorSpec, node_name
from tfjs_bundle.graph.sharding import grouped, layers_in_order

#: Bytes; what TF.js's own converter writes, and small enough to be retried.
SHARD_SIZE = 4 << 20

_FOUR_BYTES = ("float32", "int32", "complex64")

#: digits of a shard's sha256 in its name
HASH_DIGITS = 16


@dataclass(frozen=True)
class Shard:
    """One file of weights: tensors in order, or a part of one large tensor.

    Attributes:
        name: file name, ``<hash>.bin``.
        sha256: of the bytes.
        size: in bytes.
        chunks: arrays (flat, uint8) whose concatenation is the file.
    """

    name: str
    sha256: str
    size: int
    chunks: tuple[np.ndarray, ...]

    def write(self, path: Path) -> None:
        """Write the shard to ``path`` without joining it in memory."""
        with path.open("wb") as stream:
            for chunk in self.chunks:
                stream.write(chunk.data)


@dataclass(frozen=True)
class ModelFiles:
    """A graph model ready to be written: the text of ``model.json`` and its shards."""

    model_json: bytes
    shards: tuple[Shard, ...]


def dump(graph: GraphModel, generated_by: str, shard_size: int = SHARD_SIZE) -> ModelFiles:
    """Serialize ``graph``; weights whose encoding gives their numbers exactly are written as its codes.

    Args:
        generated_by: for ``model.json``'s member of that name.
        shard_size: in bytes; no shard is larger.
    """
    graph = split_channels(graph)
    groups = _reorder(list(_groups(graph, shard_size)))
    manifest = []
    shards: dict[str, Shard] = {}
    for specs, parts in groups:
        manifest.append({"paths": [shard.name for shard in parts], "weights": specs})
        shards.update({shard.name: shard for shard in parts})
    model = {
        "format": "graph-model",
        "generatedBy": generated_by,
        "convertedBy": generated_by,
        "signature": _signature_to_json(graph.signature),
        "modelTopology": _topology(graph),
        "weightsManifest": manifest,
    }
    text = json.dumps(model, separators=(",", ":"), ensure_ascii=False)
    return ModelFiles(text.encode(), tuple(shards.values()))


def load(path: Path) -> GraphModel:
    """Read the graph model at ``path`` (its ``model.json``); quantized weights are decoded, and keep their
    encodings.

    Raises:
        SourceError: it is not a TF.js graph model, or a shard is missing, short or outside of
            the model's directory.
        UnsupportedModelError: it has lookup tables.
    """
    try:
        model = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}.", "Convert the model again.") from None
    topology = model.get("modelTopology") if isinstance(model, dict) else None
    if not isinstance(topology, dict) or "node" not in topology:
        raise SourceError(
            f"{path} is not a TensorFlow.js graph model.",
            "Give the model.json that a TensorFlow.js converter wrote with the graph model format.",
        )
    if (model.get("modelInitializer") or {}).get("node"):
        raise UnsupportedModelError(
            f"{path} looks values up in tables, which cannot be carried over yet.",
            "Turn the values into numbers before the model, and leave the lookup layer out of it.",
        )
    try:
        manifest = model.get("weightsManifest", [])
        graph = _from_json(model, dict(_read_weights(path, manifest)))
        return join_channels(replace(graph, encodings=_encodings(manifest)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{path} is damaged: {type(error).__name__}: {error}.", "Convert the model again."
        ) from None


# -- writing -----------------------------------------------------------------


@dataclass(frozen=True)
class _Stored:
    """A weight as a shard has it: its own numbers, or the codes of its encoding."""

    name: str
    value: np.ndarray
    encoding: Encoding | None = None

    @property
    def width(self) -> int:
        """Bytes at whose multiples its numbers must start."""
        return 4 if self.value.dtype.name in _FOUR_BYTES else 2 if self.value.dtype == np.uint16 else 1


def _stored(graph: GraphModel) -> Iterator[_Stored]:
    for name, value in graph.weights().items():
        encoding = graph.encodings.get(name)
        codes = encoding.exact(value) if encoding else None
        yield _Stored(name, value) if codes is None else _Stored(name, codes, encoding)


def _groups(graph: GraphModel, shard_size: int) -> Iterator[tuple[list[dict[str, Any]], list[Shard]]]:
    """Yield weight groups, each in one shard; a tensor larger than ``shard_size`` is alone, in several."""
    stored = {weight.name: weight for weight in _stored(graph)}
    encoded = {name: _encode(weight) for name, weight in stored.items()}
    sizes = {name: data.size for name, (_, data) in encoded.items()}
    for names in grouped(layers_in_order(graph), sizes, shard_size):
        # wide numbers go first, so that every typed array may start where its tensor does
        names = sorted(names, key=lambda name: -stored[name].width)
        specs, chunks = zip(*(encoded[name] for name in names), strict=True)
        if len(names) == 1:
            (data,) = chunks
            starts = range(0, max(1, data.size), shard_size)
            yield list(specs), [_shard((data[start : start + shard_size],)) for start in starts]
        else:
            yield list(specs), [_shard(chunks)]


def _reorder(
    groups: list[tuple[list[dict[str, Any]], list[Shard]]],
) -> list[tuple[list[dict[str, Any]], list[Shard]]]:
    """Move the last group to the front where TF.js would read zeros instead of its weights.

    TF.js's CompositeArrayBuffer takes shards for uniform when all but the last have one size,
    and looks for bytes beyond count x that size nowhere if the last is larger (TF.js 4.22).
    """
    sizes = [shard.size for _, shards in groups for shard in shards]
    if len(sizes) > 1 and len(set(sizes[:-1])) == 1 and sizes[-1] > sizes[0]:
        return [groups[-1], *groups[:-1]]
    return groups


def _shard(chunks: tuple[np.ndarray, ...]) -> Shard:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk.data)
    sha256 = digest.hexdigest()
    return Shard(f"{sha256[:HASH_DIGITS]}.bin", sha256, sum(chunk.size for chunk in chunks), chunks)


def _encode(weight: _Stored) -> tuple[dict[str, Any], np.ndarray]:
    """Return the weight spec of a tensor and its bytes as a flat uint8 array."""
    value = weight.value
    dtype = "float32" if weight.encoding else tfjs_dtype(value.dtype.name)
    spec: dict[str, Any] = {"name": weight.name, "shape": list(value.shape), "dtype": dtype}
    if weight.encoding:
        spec["quantization"] = weight.encoding.to_json()
    if spec["dtype"] == "string":
        data = bytearray()
        for item in value.ravel():
            raw = item if isinstance(item, bytes) else str(item).encode()
            data += len(raw).to_bytes(4, "little") + raw
        return spec, np.frombuffer(bytes(data), np.uint8)
    flat = np.ascontiguousarray(value).reshape(-1)
    return spec, flat.view(np.uint8) if flat.size else np.zeros(0, np.uint8)


def _signature_to_json(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {spec.name: _tensor_info(spec) for spec in signature.inputs},
        "outputs": {spec.name: _tensor_info(spec) for spec in signature.outputs},
    }


def _tensor_info(spec: TensorSpec) -> dict[str, Any]:
    if spec.shape is None:
        shape: dict[str, Any] = {"unknownRank": True}
    else:
        shape = {"dim": [{"size": str(-1 if size is None else size)} for size in spec.shape]}
    name = spec.tensor if ":" in spec.tensor else f"{spec.tensor}:0"
    return {"name": name, "dtype": tfjs_to_proto(spec.dtype), "tensorShape": shape}


def _topology(graph: GraphModel) -> dict[str, Any]:
    functions = [
        {
            "signature": function.signature,
            "nodeDef": _function_nodes(function),
            "ret": {name: _rename(function, tensor) for name, tensor in function.ret.items()},
            **({"attr": function.attrs} if function.attrs else {}),
        }
        for function in graph.functions.values()
    ]
    return {
        "node": [_node_to_json(node, node.name, node.inputs) for node in graph.nodes],
        "library": {"function": functions} if functions else {},
        "versions": graph.versions,
    }


def _function_nodes(function: Function) -> list[dict[str, Any]]:
    """Give constants names of their own: TF.js keeps the weights of all functions in one map."""
    return [
        _node_to_json(
            node,
            f"{function.name}/{node.name}" if node.value is not None else node.name,
            [_rename(function, tensor) for tensor in node.inputs],
        )
        for node in function.nodes
    ]


def _rename(function: Function, tensor: str) -> str:
    name = node_name(tensor)
    if any(node.name == name and node.value is not None for node in function.nodes):
        control = "^" if tensor.startswith("^") else ""
        return f"{control}{function.name}/{tensor.lstrip('^')}"
    return tensor


def _node_to_json(node: Node, name: str, inputs: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "op": node.op}
    if inputs:
        entry["input"] = inputs
    if node.attrs:
        entry["attr"] = node.attrs
    return entry


# -- reading -----------------------------------------------------------------


def _read_weights(path: Path, manifest: list[dict[str, Any]]) -> Iterator[tuple[str, np.ndarray]]:
    for group in manifest:
        data = b"".join(_read_shard(path, name) for name in group["paths"])
        offset = 0
        for spec in group["weights"]:
            value, size = _decode(data, offset, spec, path)
            offset += size
            yield spec["name"], value


def _encodings(manifest: list[dict[str, Any]]) -> dict[str, Encoding]:
    """Return how the quantized weights are written, by name."""
    found = {}
    for spec in (spec for group in manifest for spec in group["weights"]):
        quantization = spec.get("quantization")
        if quantization and spec["dtype"] == "float32":
            found[spec["name"]] = _encoding(quantization)
    return found


def _encoding(quantization: Mapping[str, Any]) -> Encoding:
    if quantization["dtype"] == "float16":
        return Encoding("float16")
    return Encoding(str(quantization["dtype"]), float(quantization["scale"]), float(quantization["min"]))


def _read_shard(path: Path, name: str) -> bytes:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name:
        raise SourceError(
            f"{path} names a shard outside of its directory: {name!r}.",
            "Do not use this model: it may be hostile.",
        )
    try:
        return (path.parent / relative).read_bytes()
    except OSError as error:
        raise SourceError(
            f"{path} needs the shard {name}, which cannot be read: {error.strerror}.",
            "Copy every .bin file of the model beside its model.json.",
        ) from None


def _decode(data: bytes, offset: int, spec: dict[str, Any], path: Path) -> tuple[np.ndarray, int]:
    """Return one tensor and the bytes it takes; dequantizes as TF.js does."""
    shape = tuple(spec["shape"])
    if any(size < 0 for size in shape):
        raise ValueError(f"the tensor {spec['name']!r} has the shape {shape}")
    count = math.prod(shape)
    if spec["dtype"] == "string":
        return _decode_strings(data, offset, shape, count)
    quantization = spec.get("quantization")
    stored = np.dtype(quantization["dtype"] if quantization else spec["dtype"])
    size = count * stored.itemsize
    if offset + size > len(data):
        raise SourceError(
            f"{path}: the weights end before the tensor {spec['name']!r} does.",
            "A shard is cut short: copy or convert the model again.",
        )
    value = np.frombuffer(data, stored, count, offset)
    if quantization and spec["dtype"] == "int32":
        # JavaScript's Math.round: halves go up
        value = np.floor(value.astype(np.float64) * quantization["scale"] + quantization["min"] + 0.5)
    elif quantization:
        value = _encoding(quantization).decode(value)
    return value.astype(spec["dtype"], copy=False).reshape(shape), size


def _decode_strings(data: bytes, offset: int, shape: tuple[int, ...], count: int) -> tuple[np.ndarray, int]:
    start, items = offset, []
    for _ in range(count):
        length = int.from_bytes(data[offset : offset + 4], "little")
        items.append(data[offset + 4 : offset + 4 + length])
        offset += 4 + length
    if offset > len(data):
        raise ValueError("a shard ends before its strings do")
    value = np.empty(count, object)
    value[:] = items
    return value.reshape(shape), offset - start


def _from_json(model: dict[str, Any], weights: dict[str, np.ndarray]) -> GraphModel:
    topology = model["modelTopology"]
    nodes = [_node_from_json(entry, weights) for entry in topology["node"]]
    functions = {}
    for entry in (topology.get("library") or {}).get("function", []):
        name = entry["signature"]["name"]
        functions[name] = Function(
            name,
            entry["signature"],
            [_node_from_json(node, weights) for node in entry.get("nodeDef", [])],
            dict(entry.get("ret", {})),
            entry.get("attr", {}),
        )
        _strip_prefix(functions[name])
    signature = model.get("signature") or (model.get("userDefinedMetadata") or {}).get("signature")
    return GraphModel(
        nodes,
        _signature_from_json(signature) if signature else _default_signature(nodes),
        functions,
        topology.get("versions") or {},
    )


def _strip_prefix(function: Function) -> None:
    """Undo the writer's names for constants within functions."""
    prefix = f"{function.name}/"
    constants = {n.name for n in function.nodes if n.value is not None and n.name.startswith(prefix)}

    def strip(tensor: str) -> str:
        return tensor.replace(prefix, "", 1) if node_name(tensor) in constants else tensor

    for node in function.nodes:
        node.inputs = [strip(tensor) for tensor in node.inputs]
    function.ret = {name: strip(tensor) for name, tensor in function.ret.items()}
    for node in function.nodes:
        if node.name in constants:
            node.name = node.name.removeprefix(prefix)


def _node_from_json(entry: dict[str, Any], weights: dict[str, np.ndarray]) -> Node:
    node = Node(entry["name"], entry["op"], list(entry.get("input", [])), dict(entry.get("attr", {})))
    if node.op == "Const":
        node.attrs.pop("value", None)
        node.value = tfjs_tensor(weights[node.name])
    return node


def _signature_from_json(signature: dict[str, Any]) -> Signature:
    def spec(name: str, info: dict[str, Any]) -> TensorSpec:
        shape = info.get("tensorShape") or {}
        sizes = None if shape.get("unknownRank") else tuple(_size(dim) for dim in shape.get("dim", []))
        source = source_dtype(info.get("dtype", "DT_FLOAT"))
        return TensorSpec(name, sizes, tfjs_dtype(source), source, info.get("name", name))

    return Signature(
        tuple(spec(name, info) for name, info in signature["inputs"].items() if "resourceId" not in info),
        tuple(spec(name, info) for name, info in signature["outputs"].items()),
    )


def _size(dim: dict[str, Any]) -> int | None:
    size = int(dim.get("size", -1))
    return None if size < 0 else size


def _default_signature(nodes: list[Node]) -> Signature:
    """Without a signature, as in old files: placeholders in, what nothing consumes out."""
    consumed = {node_name(tensor) for node in nodes for tensor in node.inputs}

    def spec(node: Node) -> TensorSpec:
        source = source_dtype(node.attrs.get("dtype", node.attrs.get("T", {})).get("type", "DT_FLOAT"))
        shape = node.attrs.get("shape", {}).get("shape", {})
        sizes = tuple(_size(dim) for dim in shape["dim"]) if "dim" in shape else None
        return TensorSpec(node.name, sizes, tfjs_dtype(source), source, f"{node.name}:0")

    return Signature(
        tuple(spec(node) for node in nodes if node.op == "Placeholder"),
        tuple(
            spec(node)
            for node in nodes
            if node.name not in consumed and node.op not in ("Placeholder", "Const", "NoOp")
        ),
    )
