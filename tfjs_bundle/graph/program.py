"""The preprocessing program: what the page computes itself, ahead of the graph and behind it.

TensorFlow.js has hardly any string op and no integers wider than 32 bits. What a model does with text, lookup
tables and 64-bit keys is therefore taken out of its graph (:mod:`tfjs_bundle.graph.partition`) and run by an
interpreter (``runtime/src/program/``). The program is a list of TensorFlow ops with their own names and
attributes, and one JSON document on disk, specified in docs/bundle-format.md.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfjs_bundle import regex
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph.dtypes import proto_to_numpy
from tfjs_bundle.graph.ir import Attr, Node, node_name

FORMAT = "tfjs-bundle-program"
VERSION = 1

#: Whole numbers up to here are exact in JavaScript.
LARGEST_INTEGER = 2**53 - 1

#: dtypes that the interpreter computes in.
DTYPES = ("float32", "int32", "int64", "bool", "string")

#: A node of this op is a lookup table; its inputs are the constants with its keys and its values.
TABLE = "LookupTable"

#: Every op that the interpreter has, with the dtype of each output: a dtype, or the attribute that says it.
OPS: Mapping[str, tuple[str, ...]] = {
    # text
    "AsString": ("string",),
    "ReduceJoin": ("string",),
    "RegexFullMatch": ("bool",),
    "RegexReplace": ("string",),
    "StaticRegexFullMatch": ("bool",),
    "StaticRegexReplace": ("string",),
    "StringJoin": ("string",),
    "StringLength": ("int32",),
    "StringLower": ("string",),
    "StringNGrams": ("string", "Tsplits"),
    "StringSplitV2": ("int64", "string", "int64"),
    "StringStrip": ("string",),
    "StringToHashBucketFast": ("int64",),
    "StringToHashBucketStrong": ("int64",),
    "StringToNumber": ("out_type",),
    "StringUpper": ("string",),
    "Substr": ("string",),
    "UnicodeDecode": ("Tsplits", "int32"),
    "UnicodeDecodeWithOffsets": ("Tsplits", "int32", "int64"),
    "UnicodeEncode": ("string",),
    "UnicodeTranscode": ("string",),
    # tables and crosses
    "LookupTableFindV2": ("Tout",),
    "LookupTableSizeV2": ("int64",),
    "SparseCross": ("int64", "out_type", "int64"),
    # ragged and sparse tensors
    "RaggedBincount": ("T",),
    "RaggedTensorToTensor": ("T",),
    "SparseToDense": ("T",),
    # counting
    "Bincount": ("T",),
    "Bucketize": ("int32",),
    "DenseBincount": ("T",),
    # shapes and order
    "BroadcastTo": ("T",),
    "ConcatV2": ("T",),
    "EnsureShape": ("T",),
    "ExpandDims": ("T",),
    "Fill": ("T",),
    "GatherNd": ("Tparams",),
    "GatherV2": ("Tparams",),
    "Identity": ("T",),
    "OneHot": ("T",),
    "OnesLike": ("T",),
    "Pack": ("T",),
    "Pad": ("T",),
    "PadV2": ("T",),
    "Range": ("Tidx",),
    "Rank": ("int32",),
    "Reshape": ("T",),
    "Select": ("T",),
    "SelectV2": ("T",),
    "Shape": ("out_type",),
    "Size": ("out_type",),
    "Slice": ("T",),
    "Snapshot": ("T",),
    "Squeeze": ("T",),
    "StopGradient": ("T",),
    "StridedSlice": ("T",),
    "Tile": ("T",),
    "Transpose": ("T",),
    "Unpack": ("T",),
    "Where": ("int64",),
    "ZerosLike": ("T",),
    # arithmetic
    "Abs": ("T",),
    "Add": ("T",),
    "AddV2": ("T",),
    "All": ("bool",),
    "Any": ("bool",),
    "Cast": ("DstT",),
    "Cumsum": ("T",),
    "Equal": ("bool",),
    "FloorDiv": ("T",),
    "FloorMod": ("T",),
    "Greater": ("bool",),
    "GreaterEqual": ("bool",),
    "Less": ("bool",),
    "LessEqual": ("bool",),
    "LogicalAnd": ("bool",),
    "LogicalNot": ("bool",),
    "LogicalOr": ("bool",),
    "Max": ("T",),
    "Maximum": ("T",),
    "Min": ("T",),
    "Minimum": ("T",),
    "Mul": ("T",),
    "Neg": ("T",),
    "NotEqual": ("bool",),
    "Prod": ("T",),
    "RealDiv": ("T",),
    "Sub": ("T",),
    "Sum": ("T",),
}


@dataclass(frozen=True)
class ProgramInput:
    """A public input that the program takes: its name, its dtype as Keras has it, the tensor that it is."""

    name: str
    dtype: str
    tensor: str


@dataclass(frozen=True)
class Check:
    """What the model asserts of its input: ``tensor`` must be true, or ``message`` is the error."""

    tensor: str
    message: str


@dataclass(frozen=True)
class Program:
    """See the module.

    Attributes:
        inputs: the public inputs that it takes.
        constants: by tensor, in the source's own dtypes; strings are bytes.
        tables: nodes of the op :data:`TABLE`; their keys and values are among the constants.
        before: nodes that run ahead of the graph, in order.
        after: nodes that run behind it.
        checks: looked at before the graph runs.
        feeds: the graph's inputs that it computes: graph input's name to tensor.
        fetches: what it takes of the graph: tensor to the name of the graph's output, and the tensor's dtype.
        outputs: the public outputs that it gives: public name to tensor.
        layers: node to Keras layer, for messages.
    """

    inputs: tuple[ProgramInput, ...]
    constants: Mapping[str, np.ndarray]
    tables: tuple[Node, ...]
    before: tuple[Node, ...]
    after: tuple[Node, ...]
    checks: tuple[Check, ...]
    feeds: Mapping[str, str]
    fetches: Mapping[str, tuple[str, str]]
    outputs: Mapping[str, str]
    layers: Mapping[str, str]

    def keys(self, table: Node) -> np.ndarray:
        """Return the keys of one of :attr:`tables`."""
        return self.constants[table.inputs[0]]


def output_dtypes(node: Node) -> tuple[str, ...]:
    """Return the dtypes of the outputs of a node whose op is among :data:`OPS`, by numpy's names."""
    count = int(node.attrs.get("num", {}).get("i", "1")) if node.op == "Unpack" else 1
    return tuple(_dtype(node, kind) for kind in OPS[node.op]) * count


def dump(program: Program, graph_inputs: list[str], graph_outputs: list[str]) -> bytes:
    """Return the bytes of the program's document; the same program gives the same bytes.

    Args:
        graph_inputs, graph_outputs: all of the graph's, by name, in order.

    Raises:
        UnsupportedModelError: an op, a number, a pattern or a dtype has no form there; names layer and op.
    """
    used = {tensor for table in program.tables for tensor in table.inputs}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "inputs": [
            {"name": spec.name, "dtype": spec.dtype, "tensor": spec.tensor} for spec in program.inputs
        ],
        "tables": [_table(program, node) for node in program.tables],
        "constants": {
            name: _tensor(value, f"the constant {name!r}")
            for name, value in program.constants.items()
            if name not in used
        },
        "before": [_node(program, node) for node in program.before],
        "checks": [{"tensor": check.tensor, "message": check.message} for check in program.checks],
        "graph": {
            "inputs": [
                {"name": name, "tensor": program.feeds[name]} if name in program.feeds else {"name": name}
                for name in graph_inputs
            ],
            "outputs": [{"name": name} for name in graph_outputs],
        },
        "fetches": [
            {"tensor": tensor, "output": output, "dtype": dtype}
            for tensor, (output, dtype) in program.fetches.items()
        ],
        "after": [_node(program, node) for node in program.after],
        "outputs": dict(program.outputs),
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (text + "\n").encode()


def _dtype(node: Node, kind: str) -> str:
    if kind in DTYPES:
        return kind
    # defaults that a GraphDef may leave out
    default = {"out_type": "DT_INT32", "Tsplits": "DT_INT64", "Tidx": "DT_INT32"}.get(kind, "DT_FLOAT")
    return proto_to_numpy(str(node.attrs.get(kind, {}).get("type", default)))


def _node(program: Program, node: Node) -> dict[str, Any]:
    where = f"{node.op} (in {_place(program, node)})"
    attributes = {name: _attribute(value, where) for name, value in sorted(node.attrs.items())}
    inputs = list(node.inputs)
    if "Regex" in node.op:
        attributes, inputs = _regular_expression(program, node, attributes, where)
    missing = _missing(node.op, attributes)
    if missing:
        raise _unsupported(where, missing)
    entry: dict[str, Any] = {"name": node.name, "op": node.op.removeprefix("Static"), "inputs": inputs}
    dtypes = output_dtypes(node)
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise _unsupported(where, f"it computes in {dtype}")
    entry["dtypes"] = list(dtypes)
    if attributes:
        entry["attributes"] = attributes
    if node.name in program.layers:
        entry["layer"] = program.layers[node.name]
    return entry


def _missing(op: str, attributes: dict[str, Any]) -> str:
    """Return what the interpreter lacks of an op that it has; empty where that is nothing."""
    encodings = [attributes[name] for name in ("input_encoding", "output_encoding") if name in attributes]
    if any(encoding.upper() != "UTF-8" for encoding in encodings):
        return f"it reads or writes {', '.join(encodings)}, and the program has UTF-8 alone"
    if op == "AsString" and attributes.get("shortest") is True:
        return "it writes numbers in their shortest form"
    if op == "SparseCross" and attributes.get("N", 0):
        return "it crosses sparse tensors"
    if op == "GatherV2" and attributes.get("batch_dims", 0):
        return "it gathers within each example (batch_dims)"
    return ""


def _regular_expression(
    program: Program, node: Node, attributes: dict[str, Any], where: str
) -> tuple[dict[str, Any], list[str]]:
    """Put a browser's regular expression in the place of RE2's, whether it is an attribute or a constant."""
    attributes = dict(attributes)
    if node.op.startswith("Static"):
        pattern, rewrite = attributes.pop("pattern"), attributes.pop("rewrite", "")
    else:
        texts = [program.constants.get(tensor) for tensor in node.inputs[1:]]
        if any(text is None or text.size != 1 for text in texts):
            raise _unsupported(where, "its pattern is computed by the model")
        pattern, *rest = [_text(text.reshape(-1)[0], where) for text in texts if text is not None]
        rewrite = rest[0] if rest else ""
    try:
        attributes["source"] = regex.translate(pattern, rewrite)
    except regex.UntranslatablePatternError as error:
        raise UnsupportedModelError(
            f"The model cannot run in the browser: {where}: {error}.",
            "Write the regular expression with plain classes, and save the model again.",
        ) from None
    if "Replace" in node.op:
        attributes["rewrite"] = rewrite
    return attributes, node.inputs[:1]


def _table(program: Program, node: Node) -> dict[str, Any]:
    keys, values = (program.constants[tensor] for tensor in node.inputs)
    what = f"the table of {_place(program, node)}"
    entry: dict[str, Any] = {"name": node.name, "keys": _tensor(keys, what)}
    numbers = values.dtype.kind in "iu" and values.size
    if numbers and np.array_equal(values, np.arange(values[0], values[0] + values.size)):
        entry["values"] = {"dtype": "int64", "shape": [values.size], "first": int(values[0])}
    else:
        entry["values"] = _tensor(values, what)
    if node.name in program.layers:
        entry["layer"] = program.layers[node.name]
    return entry


def _tensor(value: np.ndarray, what: str) -> dict[str, Any]:
    """Return a constant as JSON; floats that are many travel as the base64 of their bytes."""
    dtype = "string" if value.dtype == object else value.dtype.name
    entry: dict[str, Any] = {"dtype": dtype, "shape": list(value.shape)}
    flat = value.reshape(-1)
    if dtype == "string":
        texts = [item if isinstance(item, bytes) else str(item).encode() for item in flat]
        try:
            entry["values"] = [text.decode() for text in texts]
        except UnicodeDecodeError:
            # one character per byte
            entry["encoding"] = "bytes"
            entry["values"] = [text.decode("latin-1") for text in texts]
    elif dtype == "float32":
        entry["base64"] = base64.b64encode(flat.astype("<f4").tobytes()).decode()
    elif dtype in ("int32", "int64"):
        # the extremes stand for "no number at all", and are as far away in JavaScript
        limits = np.iinfo(flat.dtype)
        given = flat[(flat != limits.min) & (flat != limits.max)]
        if given.size and max(abs(int(given.min())), abs(int(given.max()))) > LARGEST_INTEGER:
            raise UnsupportedModelError(
                f"The model cannot run in the browser: {what} has whole numbers beyond 2^53, "
                "which JavaScript does not hold exactly.",
                "Use smaller keys, or strings.",
            )
        entry["values"] = [int(number) for number in flat]
    elif dtype == "bool":
        entry["values"] = [int(flag) for flag in flat]
    else:
        raise UnsupportedModelError(
            f"The model cannot run in the browser: {what} is of dtype {dtype}.",
            "Compute this part of the preprocessing in float32 or int64.",
        )
    return entry


def _attribute(attr: Attr, where: str) -> Any:
    """Return the plain value of an attribute in protobuf's JSON form."""
    if "list" in attr:
        items = [(kind, value) for kind, values in attr["list"].items() for value in values]
        return [_attribute({kind: value}, where) for kind, value in items]
    kind: str
    value: Any
    kind, value = next(iter(attr.items()), ("b", False))
    if kind == "type":
        return proto_to_numpy(str(value))
    if kind == "i":
        whole = int(value)
        return whole if abs(whole) <= LARGEST_INTEGER else str(whole)
    if kind == "s":
        return _text(base64.b64decode(value), where)
    if kind == "f":
        number = float(value)
        if not math.isfinite(number):
            raise _unsupported(where, f"it has the attribute {number}")
        return number
    if kind == "shape":
        if value.get("unknownRank"):
            return None
        sizes = [int(dim.get("size", -1)) for dim in value.get("dim", [])]
        return [None if size < 0 else size for size in sizes]
    return value


def _text(value: Any, where: str) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise _unsupported(where, "one of its strings is not UTF-8") from None


def _place(program: Program, node: Node) -> str:
    layer = program.layers.get(node.name)
    return f"layer {layer!r}" if layer else f"node {node_name(node.name)!r}"


def _unsupported(where: str, why: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"The model cannot run in the browser: {where}: {why}.",
        "Replace the layer, or compute this part before the model.",
    )
