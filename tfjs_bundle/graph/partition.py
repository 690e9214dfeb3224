"""Taking text, lookup tables and 64-bit keys out of a graph, into a preprocessing program.

TensorFlow.js cannot run them (:mod:`tfjs_bundle.graph.program`). The graph is cut where the last such op has
given a number: what is in front of the cut runs in the page ahead of the graph, names of classes behind it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph.dtypes import proto_to_numpy, tfjs_dtype, tfjs_tensor
from tfjs_bundle.graph.ir import (
    Attr,
    Function,
    GraphModel,
    Node,
    Signature,
    TensorSpec,
    node_name,
    unused_name,
)
from tfjs_bundle.graph.passes.name_functions import called
from tfjs_bundle.graph.passes.remove_unused import remove_unused
from tfjs_bundle.graph.program import OPS, TABLE, Check, Program, ProgramInput, output_dtypes

#: Ops that compute with text or 64 bits without an attribute that says so, and those TF.js has not.
STRING_OPS = frozenset(
    (
        *("StringLower", "StringUpper", "StringStrip", "StringLength", "StringJoin", "StringFormat"),
        *("StringSplit", "StringSplitV2", "StringNGrams", "StringToNumber", "Substr", "ReduceJoin"),
        *("RegexReplace", "StaticRegexReplace", "RegexFullMatch", "StaticRegexFullMatch"),
        *("StringToHashBucket", "StringToHashBucketFast", "StringToHashBucketStrong", "AsString"),
        *("UnicodeDecode", "UnicodeDecodeWithOffsets", "UnicodeEncode", "UnicodeTranscode", "UnicodeScript"),
        *("SparseCross", "SparseCrossHashed", "SparseCrossV2", "UnsortedSegmentJoin", "DecodeBase64"),
        *("EncodeBase64", "DecodeRaw", "ParseExampleV2", "ParseSingleExample", "DecodeCSV", "Fingerprint"),
        *("RaggedTensorToTensor", "RaggedBincount", "RaggedGather", "RaggedRange", "RaggedTensorToSparse"),
        *("SparseBincount", TABLE),
    )
)

#: What a program is not made larger by: these make much of little, and every backend has them.
_BETTER_IN_GRAPH = frozenset(
    ("OneHot", "GatherV2", "GatherNd", "BroadcastTo", "Tile", "Fill", "Pad", "PadV2")
)

_INTEGERS = ("int64", "uint64", "uint32")


@dataclass(frozen=True)
class Partitioned:
    """A model in two parts.

    Attributes:
        graph: for TF.js; its signature has what the program feeds and takes beside the public names.
        program: ``None`` where the model needs none, and ``graph`` is all of it.
    """

    graph: GraphModel
    program: Program | None


def needs_program(graph: GraphModel) -> bool:
    """Say whether a part of ``graph`` cannot run in TF.js but could in a program."""
    return any(
        _is_host(node, graph.functions) and node.op not in ("Const", "Assert")
        for _, nodes in graph.bodies()
        for node in nodes
    )


def partition(graph: GraphModel) -> Partitioned:
    """Divide ``graph``.

    Requires a graph as converted, before any other pass: constants in the source's own dtypes. Leaves a graph
    without text whose constants are as TF.js keeps them. Control inputs from the program's nodes are gone.

    Raises:
        UnsupportedModelError: something that cannot run in TF.js cannot run in a program either, or
            the graph would have to wait for what waits for the graph; names layer and op.
    """
    if not needs_program(graph):
        return Partitioned(graph, None)
    return _Partition(graph).run()


class _Partition:
    def __init__(self, graph: GraphModel) -> None:
        self.graph = graph
        self.nodes = {node.name: node for node in graph.nodes}
        self.inputs = {node_name(spec.tensor): spec for spec in graph.signature.inputs}
        self.shapes = graph.shapes

    def run(self) -> Partitioned:
        ordered = _topological(self.graph.nodes)
        live = self._ancestors(node_name(spec.tensor) for spec in self.graph.signature.outputs)
        host = {node.name for node in ordered if node.name in live and self._wanted(node)}
        early = self._early(ordered)
        before = self._ancestors(host & early)
        before |= self._checked(early)
        before |= self._followers(ordered, before, early)
        after = self._after(ordered, host - before, before)
        checks = self._checks(before)
        graph_nodes = [
            node
            for node in ordered
            if node.name not in before
            and node.name not in after
            and node.op not in ("Assert", "NoOp", TABLE)
            and not _is_text(node)
        ]
        return self._build(ordered, before, after, checks, graph_nodes)

    def _wanted(self, node: Node) -> bool:
        """Whether TF.js cannot run the node; constants, inputs and tables come along by themselves."""
        return node.op not in ("Const", "Placeholder", "Assert", "NoOp", TABLE) and _is_host(
            node, self.graph.functions
        )

    def _source(self, name: str) -> bool:
        node = self.nodes[name]
        return node.op in ("Const", TABLE) or name in self.inputs

    def _early(self, ordered: list[Node]) -> set[str]:
        """Nodes that can run ahead of the graph: the interpreter has their op and those of all ancestors."""
        early: set[str] = set()
        for node in ordered:
            if self._source(node.name) or (
                node.op in OPS and all(node_name(tensor) in early for tensor in _data(node))
            ):
                early.add(node.name)
        return early

    def _ancestors(self, names: Iterable[str]) -> set[str]:
        """``names`` and the nodes that they need, constants and inputs left out."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in found or self._source(name):
                continue
            found.add(name)
            waiting += [node_name(tensor) for tensor in _data(self.nodes[name])]
        return found

    def _checked(self, early: set[str]) -> set[str]:
        conditions = [node_name(node.inputs[0]) for node in self.graph.nodes if node.op == "Assert"]
        return self._ancestors(name for name in conditions if name in early)

    def _checks(self, before: set[str]) -> tuple[Check, ...]:
        found = []
        for node in self.graph.nodes:
            if node.op == "Assert" and node_name(node.inputs[0]) in before:
                layer = self.graph.layers.get(node.name)
                place = f"the layer {layer}: " if layer else ""
                found.append(Check(_reference(node.inputs[0]), place + self._message(node)))
        return tuple(found)

    def _message(self, node: Node) -> str:
        """The words of an assertion, without the values that would be put into them."""
        for tensor in _data(node)[1:]:
            source = self.nodes[node_name(tensor)]
            if source.op == "StringFormat":
                template = base64.b64decode(source.attrs["template"]["s"]).decode(errors="replace")
                return template.replace(" {}", "")
            if source.value is not None and source.value.dtype == object:
                text = source.value.reshape(-1)[0]
                return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return "an assertion of the model does not hold"

    def _followers(self, ordered: list[Node], before: set[str], early: set[str]) -> set[str]:
        """Nodes that only compute with what the program has: exact there, and the cut carries less."""
        program = set(before)
        wide = {name for name, spec in self.inputs.items() if spec.source_dtype in _INTEGERS}
        consumers = {node_name(tensor) for name in before for tensor in _data(self.nodes[name])}
        moving = program | (wide & consumers)
        for node in ordered:
            if node.name in program or node.name not in early or self._source(node.name):
                continue
            sources = [node_name(tensor) for tensor in _data(node)]
            known = all(name in program or self._source(name) for name in sources)
            if known and node.op not in _BETTER_IN_GRAPH and any(name in moving for name in sources):
                program.add(node.name)
                moving.add(node.name)
        return program - before

    def _after(self, ordered: list[Node], late: set[str], before: set[str]) -> set[str]:
        """Nodes behind the graph: those left that TF.js cannot run, and whatever needs them."""
        after: set[str] = set()
        for node in ordered:
            needs_late = any(node_name(tensor) in after for tensor in _data(node))
            if node.name in late:
                if node.op not in OPS:
                    raise self._no_such_op(node)
                after.add(node.name)
            elif needs_late and node.op not in ("Assert", "NoOp"):
                if node.op not in OPS:
                    raise UnsupportedModelError(
                        f"The model cannot run in the browser: {node.op} (in {self._place(node)}) computes "
                        "with what text or a lookup gives behind the numeric part of the model.",
                        "Look values up before the model's other layers, or as its last step.",
                    )
                after.add(node.name)
        return after

    def _no_such_op(self, node: Node) -> UnsupportedModelError:
        inside = _inside(node, self.graph.functions)
        what = f"{inside} inside {node.op}" if inside else node.op
        return UnsupportedModelError(
            f"The model cannot run in the browser: {what} (in {self._place(node)}) works with text, 64-bit "
            "numbers or ragged tensors, and the preprocessing program does not have it.",
            "Replace the layer, or compute this part before the model.",
        )

    def _build(
        self,
        ordered: list[Node],
        before: set[str],
        after: set[str],
        checks: tuple[Check, ...],
        graph_nodes: list[Node],
    ) -> Partitioned:
        signature = self.graph.signature
        in_graph = {node.name for node in graph_nodes}
        taken = set(self.nodes) | {spec.name for spec in (*signature.inputs, *signature.outputs)}
        dtypes = self._dtypes(ordered)
        wide_inputs = {
            name
            for name, spec in self.inputs.items()
            if spec.source_dtype in _INTEGERS and self._feeds(name, before | after)
        }

        # outputs first: an output that only hands an input or a constant on stays with the graph
        outputs = {
            spec.name: _reference(spec.tensor)
            for spec in signature.outputs
            if node_name(spec.tensor) in before | after
            or tfjs_dtype(spec.source_dtype) == "string"
            or node_name(spec.tensor) in wide_inputs
        }
        kept = [spec for spec in signature.outputs if spec.name not in outputs]
        needed = self._needed(graph_nodes, [spec.tensor for spec in kept], after)
        graph_nodes = [node for node in graph_nodes if node.name in needed]

        feeds: dict[str, str] = {}
        specs: list[TensorSpec] = []
        placeholders: list[Node] = []
        renamed: dict[str, str] = {}
        for tensor in self._crossing(graph_nodes, [spec.tensor for spec in kept], before, wide_inputs):
            name = unused_name(tensor.replace(":", "_"), taken) if ":" in tensor else tensor
            public = unused_name(f"{tensor}", {spec.name for spec in signature.inputs} | set(feeds))
            dtype = dtypes[tensor]
            shape = self.shapes.get(tensor)
            specs.append(TensorSpec(public, shape, tfjs_dtype(dtype), dtype, f"{name}:0"))
            placeholders.append(_placeholder(name, tfjs_dtype(dtype), shape))
            feeds[public] = tensor
            renamed[tensor] = name
        fetches: dict[str, tuple[str, str]] = {}
        outgoing: list[TensorSpec] = []
        for tensor in sorted({_reference(t) for name in after for t in _data(self.nodes[name])}):
            if node_name(tensor) in in_graph and not self._source(node_name(tensor)):
                public = unused_name(tensor, {spec.name for spec in (*kept, *outgoing)})
                dtype = self._fetched_dtype(tensor, after)
                fetches[tensor] = (public, dtype)
                outgoing.append(TensorSpec(public, self.shapes.get(tensor), tfjs_dtype(dtype), dtype, tensor))

        used_inputs = {node_name(tensor) for node in graph_nodes for tensor in _data(node)}
        used_inputs |= {node_name(spec.tensor) for spec in kept}
        remaining = tuple(
            spec
            for spec in signature.inputs
            if node_name(spec.tensor) in used_inputs
            and node_name(spec.tensor) not in wide_inputs
            and spec.dtype != "string"
        )
        numeric = {node_name(spec.tensor) for spec in remaining}
        body = [
            *placeholders,
            *(
                _numeric(node, renamed)
                for node in graph_nodes
                if node.name not in self.inputs or node.name in numeric
            ),
        ]
        kept = [replace(spec, tensor=renamed.get(_reference(spec.tensor), spec.tensor)) for spec in kept]
        present = {node.name for node in body}
        body = [
            replace(node, inputs=[t for t in node.inputs if not t.startswith("^") or node_name(t) in present])
            for node in body
        ]
        graph = replace(
            self.graph,
            nodes=body,
            signature=Signature((*remaining, *specs), (*kept, *outgoing)),
            functions={name: _numeric_function(each) for name, each in self.graph.functions.items()},
        )
        return Partitioned(
            remove_unused(graph), self._program(ordered, before, after, checks, feeds, fetches, outputs)
        )

    def _program(
        self,
        ordered: list[Node],
        before: set[str],
        after: set[str],
        checks: tuple[Check, ...],
        feeds: Mapping[str, str],
        fetches: Mapping[str, tuple[str, str]],
        outputs: Mapping[str, str],
    ) -> Program:
        nodes = [_plain(node) for node in ordered if node.name in before | after]
        read = {node_name(tensor) for node in nodes for tensor in node.inputs}
        read |= {node_name(tensor) for tensor in (*feeds.values(), *outputs.values())}
        tables = tuple(_plain(node) for node in ordered if node.op == TABLE and node.name in read)
        read |= {node_name(tensor) for table in tables for tensor in table.inputs}
        constants = {
            node.name: np.asarray(node.value)
            for node in ordered
            if node.name in read and node.value is not None
        }
        return Program(
            inputs=tuple(
                ProgramInput(spec.name, spec.source_dtype, _reference(spec.tensor))
                for name, spec in self.inputs.items()
                if name in read
            ),
            constants=constants,
            tables=tables,
            before=tuple(node for node in nodes if node.name in before),
            after=tuple(node for node in nodes if node.name in after),
            checks=checks,
            feeds=feeds,
            fetches=fetches,
            outputs=outputs,
            layers={
                name: self.graph.layers[name]
                for name in (*before, *after, *(table.name for table in tables))
                if name in self.graph.layers
            },
        )

    def _needed(self, graph_nodes: list[Node], outputs: list[str], after: set[str]) -> set[str]:
        """The nodes of the graph that its outputs and the nodes behind it need."""
        by_name = {node.name: node for node in graph_nodes}
        waiting = [node_name(tensor) for tensor in outputs]
        waiting += [node_name(tensor) for name in after for tensor in _data(self.nodes[name])]
        waiting += [node_name(self.inputs[name].tensor) for name in self.inputs]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found and name in by_name:
                found.add(name)
                waiting += [node_name(tensor) for tensor in by_name[name].inputs]
        return found

    def _crossing(
        self, graph_nodes: list[Node], outputs: list[str], before: set[str], wide: set[str]
    ) -> list[str]:
        """The tensors of the program that the graph reads, in the order in which it does."""
        read = [tensor for node in graph_nodes for tensor in _data(node)] + outputs
        crossing = [_reference(tensor) for tensor in read if node_name(tensor) in before | wide]
        return list(dict.fromkeys(crossing))

    def _feeds(self, name: str, program: set[str]) -> bool:
        return any(node_name(tensor) == name for each in program for tensor in _data(self.nodes[each]))

    def _dtypes(self, ordered: list[Node]) -> dict[str, str]:
        dtypes: dict[str, str] = {}
        for node in ordered:
            if node.name in self.inputs:
                dtypes[node.name] = self.inputs[node.name].source_dtype
            elif node.op in OPS:
                for index, dtype in enumerate(output_dtypes(node)):
                    dtypes[f"{node.name}:{index}" if index else node.name] = dtype
        return dtypes

    def _fetched_dtype(self, tensor: str, after: set[str]) -> str:
        """The dtype in which the nodes behind the graph take a tensor of it."""
        node = self.nodes[node_name(tensor)]
        if node.op in OPS:
            return output_dtypes(node)[int(tensor.partition(":")[2] or 0)]
        if node.op in ("ArgMax", "ArgMin"):
            return _type(node.attrs.get("output_type", {"type": "DT_INT64"}))
        if node.op == "TopKV2":
            return _type(node.attrs.get("index_type", {"type": "DT_INT32"})) if ":1" in tensor else "float32"
        for name in sorted(after):
            consumer = self.nodes[name]
            for position, each in enumerate(_data(consumer)):
                if _reference(each) == tensor:
                    attr = {"LookupTableFindV2": "Tin", "Cast": "SrcT"}.get(consumer.op, "T")
                    if attr in consumer.attrs and not (consumer.op == "GatherV2" and position):
                        return _type(consumer.attrs[attr])
        return "float32"

    def _place(self, node: Node) -> str:
        layer = self.graph.layers.get(node.name)
        return f"layer {layer!r}" if layer else f"node {node.name!r}"


def _is_host(node: Node, functions: Mapping[str, Function]) -> bool:
    own = node.op in STRING_OPS or node.op.startswith("LookupTable") or _is_text(node)
    return own or bool(_inside(node, functions))


def _is_text(node: Node) -> bool:
    return "DT_STRING" in _types(node)


def _types(node: Node) -> set[str]:
    found: set[str] = set()
    for attr in node.attrs.values():
        if "type" in attr:
            found.add(str(attr["type"]))
        found.update(attr.get("list", {}).get("type", ()))
    return found


def _inside(node: Node, functions: Mapping[str, Function]) -> str:
    """Return an op that TF.js cannot run within the functions that ``node`` calls, or nothing."""
    waiting, seen = called(node), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for inner in functions[name].nodes:
            if inner.op in STRING_OPS or inner.op.startswith("LookupTable"):
                return inner.op
            waiting += called(inner)
    return ""


def _topological(nodes: list[Node]) -> list[Node]:
    """Sort so that every node comes behind those it reads, otherwise in the order given."""
    by_name = {node.name: node for node in nodes}
    done: set[str] = set()
    result: list[Node] = []
    for start in nodes:
        stack = [(start, False)]
        while stack:
            node, ready = stack.pop()
            if node.name in done:
                continue
            if ready:
                done.add(node.name)
                result.append(node)
                continue
            stack.append((node, True))
            sources = [by_name.get(node_name(tensor)) for tensor in reversed(_data(node))]
            stack += [(source, False) for source in sources if source and source.name not in done]
    return result


def _data(node: Node) -> list[str]:
    return [tensor for tensor in node.inputs if not tensor.startswith("^")]


def _plain(node: Node) -> Node:
    return replace(node, inputs=[_reference(tensor) for tensor in _data(node)])


def _reference(tensor: str) -> str:
    """``"a:0"`` and ``"a"`` are the same tensor; the second is how it is written."""
    return tensor.removesuffix(":0")


def _numeric(node: Node, renamed: Mapping[str, str]) -> Node:
    """A node as the graph keeps it: constants in TF.js's dtypes, cut tensors by their new names."""
    inputs = [renamed.get(_reference(tensor), tensor) for tensor in node.inputs]
    value = None if node.value is None else tfjs_tensor(np.asarray(node.value))
    return replace(node, inputs=inputs, value=value)


def _numeric_function(function: Function) -> Function:
    return replace(function, nodes=[_numeric(node, {}) for node in function.nodes])


def _placeholder(name: str, dtype: str, shape: tuple[int | None, ...] | None) -> Node:
    sizes: Attr = (
        {"shape": {"unknownRank": True}}
        if shape is None
        else {"shape": {"dim": [{"size": str(-1 if size is None else size)} for size in shape]}}
    )
    proto = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}[dtype]
    return Node(name, "Placeholder", attrs={"dtype": {"type": proto}, "shape": sizes})


def _type(attr: Attr) -> str:
    return proto_to_numpy(str(attr["type"]))
