"""What a model is and whether it can run, told before anything is built or written."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tfjs_bundle import convert
from tfjs_bundle.bundle import BACKENDS, MANIFEST, Bundle, TensorInfo, load_bundle
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.errors import BundleError, SourceError, UnsupportedModelError
from tfjs_bundle.graph import kernels, passes, serde
from tfjs_bundle.graph.ir import GraphModel, Signature, TensorSpec
from tfjs_bundle.graph.partition import partition
from tfjs_bundle.pack import PROGRAM, runtime_size
from tfjs_bundle.progress import Progress
from tfjs_bundle.source.identify import identify
from tfjs_bundle.source.model import LayerInfo
from tfjs_bundle.terminal import format_bytes

#: A visitor's peak memory, measured on wasm in Chromium: 801 MB for 201 MB of weights, where an empty
#: page takes 114 MB.
_PEAK_PER_WEIGHT_BYTE = 3.4
_RUNTIME_MEMORY = 40_000_000


@dataclass(frozen=True)
class Inspection:
    """What is known of a model.

    Attributes:
        name: the source's.
        format: as :class:`tfjs_bundle.source.SourceFile` has it, or ``bundle``.
        reader: what read it.
        inputs, outputs: name, shape and dtype as TF.js will have them.
        layers: Keras's, where there are layers.
        ops: op to how often it occurs in the graph, after lowering.
        program_ops: the same of the preprocessing program.
        backends: as in ``bundle.json``.
        parameters: numbers in the weights.
        weight_bytes: what the visitor downloads of them, uncompressed.
        download_bytes: with the runtime, to the first prediction, uncompressed; on wasm, or on the first
            backend that runs where wasm does not. 0 where none does.
        places: op that a backend lacks to where it is first met.
        peak_bytes: an estimate of the visitor's peak memory at batch 1.
        warnings: what reading and converting had to say.
        refusal: why it cannot be built; ``None`` if it can.
    """

    name: str
    format: str
    reader: str
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    layers: tuple[LayerInfo, ...]
    ops: dict[str, int]
    program_ops: dict[str, int]
    backends: dict[str, dict[str, Any]]
    parameters: int
    weight_bytes: int
    download_bytes: int
    peak_bytes: int
    places: dict[str, str]
    warnings: tuple[str, ...] = ()
    refusal: BundleError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"refusal": str(self.refusal) if self.refusal else None}


def inspect(path: Path, options: BuildOptions, progress: Progress) -> Inspection:
    """Look at a source, or at a bundle's directory (then without TensorFlow); nothing is written.

    Raises:
        BundleError: it cannot be read. What can be read but not built is told in ``refusal``.
    """
    if (path / MANIFEST).is_file():
        return _inspect_bundle(path)
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as temporary, Child(progress) as child:
        with progress.stage("read", "Reading the source"):
            file = identify(path)
        with progress.stage("convert", "Converting"):
            converted = convert.convert(file, options, child, Path(temporary))
        backends: dict[str, dict[str, Any]] = {}
        refusal: BundleError | None = None
        graph = converted.graph
        program_ops: list[str] = []
        try:
            parts = partition(converted.graph)
            graph = passes.lower(parts.graph)
            if parts.program:
                program_ops = [node.op for node in (*parts.program.before, *parts.program.after)]
            backends = {name: dict(entry.to_json()) for name, entry in kernels.support(graph).items()}
        except UnsupportedModelError as error:
            refusal = error
        info = converted.info
        return _describe(
            graph,
            signature=converted.graph.signature,
            program_ops=program_ops,
            name=file.name,
            format=file.format,
            reader=info.reader if info else "tfjs-bundle",
            layers=info.layers if info else (),
            backends=backends,
            warnings=tuple(progress.warnings),
            refusal=refusal,
        )


def render(inspection: Inspection) -> RenderableType:
    """Return the inspection for a terminal."""
    parts: list[RenderableType] = [
        Text(f"{inspection.name} ({inspection.format}, read by {inspection.reader})", "bold")
    ]
    parts.append(
        _table(
            ("", "name", "shape", "dtype"),
            [
                (kind, spec["name"], _shape(spec["shape"]), spec["dtype"])
                for kind, specs in (("input", inspection.inputs), ("output", inspection.outputs))
                for spec in specs
            ],
        )
    )
    if inspection.layers:
        parts.append(
            _table(
                ("layer", "class", "output", "parameters"),
                [
                    (layer.name, layer.class_name, layer.output_shape, f"{layer.parameters:,}")
                    for layer in inspection.layers
                ],
            )
        )
    for title, ops in (("ops", inspection.ops), ("program", inspection.program_ops)):
        if ops or title == "ops":
            parts.append(Text(f"{title:<10}" + ", ".join(f"{op} {count}" for op, count in ops.items())))
    for name in BACKENDS:
        entry = inspection.backends.get(name)
        if entry:
            lacking = (
                f"{op} (in {inspection.places[op]})" if op in inspection.places else op
                for op in entry.get("missing_ops", ())
            )
            words = "runs" if entry["supported"] else f"cannot run: lacks {', '.join(lacking)}"
            parts.append(Text(f"{name:<9} {words}"))
    parts.append(
        Text(
            f"weights   {inspection.parameters:,} numbers, "
            f"{format_bytes(inspection.weight_bytes)} uncompressed"
        )
    )
    if inspection.download_bytes:
        size = format_bytes(inspection.download_bytes)
        parts.append(Text(f"download  {size} to the first prediction, runtime included, uncompressed"))
    parts.append(
        Text(
            f"memory    about {format_bytes(inspection.peak_bytes)} at the peak on the visitor's device "
            "(an estimate for batch 1)"
        )
    )
    parts += [Text(f"Warning: {text}", "yellow") for text in inspection.warnings]
    return Group(*parts)


def _inspect_bundle(path: Path) -> Inspection:
    bundle = load_bundle(path)
    graph = serde.load(path / "model" / "model.json")
    return _describe(
        graph,
        signature=Signature(_bundle_specs(bundle.inputs), _bundle_specs(bundle.outputs)),
        program_ops=_bundle_program(bundle, path),
        name=bundle.name,
        format="bundle",
        reader=", ".join(f"{tool} {version}" for tool, version in bundle.created_with.items()),
        layers=(),
        backends=bundle.backends,
        warnings=bundle.warnings,
    )


def _bundle_program(bundle: Bundle, path: Path) -> list[str]:
    found = next((file.path for file in bundle.files if file.role == PROGRAM), None)
    if found is None:
        return []
    try:
        document = json.loads((path / found).read_bytes())
        return [node["op"] for node in (*document["before"], *document["after"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path / found} is damaged: {type(error).__name__}: {error}.", "Build the bundle again."
        ) from None


def _bundle_specs(infos: tuple[TensorInfo, ...]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(info.name, info.shape, info.dtype, info.source_dtype, "") for info in infos)


def _describe(
    graph: GraphModel,
    *,
    signature: Signature,
    program_ops: list[str],
    layers: tuple[LayerInfo, ...],
    backends: dict[str, dict[str, Any]],
    **known: Any,
) -> Inspection:
    weights = graph.weights().values()
    size = sum(weight.nbytes for weight in weights if weight.dtype != object)
    counts = Counter(
        node.op for _, nodes in graph.bodies() for node in nodes if node.op not in ("Const", "Placeholder")
    )
    able = [name for name in ("wasm", *reversed(BACKENDS)) if backends.get(name, {}).get("supported")]
    missing = sorted({op for entry in backends.values() for op in entry.get("missing_ops", ())})
    return Inspection(
        inputs=_specs(signature.inputs),
        outputs=_specs(signature.outputs),
        layers=layers,
        ops=_by_count(counts),
        program_ops=_by_count(Counter(program_ops)),
        parameters=sum(layer.parameters for layer in layers) or sum(weight.size for weight in weights),
        weight_bytes=size,
        download_bytes=size + runtime_size(able[0], graph.ops(), program=bool(program_ops)) if able else 0,
        backends=backends,
        places={op: kernels.layer_of(graph, op) for op in missing if op in counts},
        peak_bytes=int(_RUNTIME_MEMORY + _PEAK_PER_WEIGHT_BYTE * size + _activations(signature, layers)),
        **known,
    )


def _by_count(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _activations(signature: Signature, layers: tuple[LayerInfo, ...]) -> int:
    """Return the bytes of the largest layer outputs that stand beside each other: three at batch 1."""
    sizes = sorted((_elements(layer.output_shape) for layer in layers), reverse=True)[:3]
    inputs = [math.prod(size or 1 for size in spec.shape or ()) for spec in signature.inputs]
    return 4 * (sum(sizes) + sum(inputs))


def _elements(shape: str) -> int:
    """Return the elements of a shape as a summary prints it: ``(None, 7, 7, 1280)``."""
    numbers = [int(part) for part in shape.strip("()[] ").split(",") if part.strip().isdigit()]
    return math.prod(numbers) if numbers else 0


def _specs(specs: tuple[TensorSpec, ...]) -> tuple[dict[str, Any], ...]:
    return tuple({"name": spec.name, "shape": spec.shape, "dtype": spec.dtype} for spec in specs)


def _shape(shape: tuple[int | None, ...] | None) -> str:
    return (
        "any"
        if shape is None
        else "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"
    )


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "parameters" else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
