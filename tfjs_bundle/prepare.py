"""From a source to a model that is ready for its page: the part of a build that only the source decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tfjs_bundle import convert, pack
from tfjs_bundle.compress.apply import Recipe
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.graph import kernels, passes
from tfjs_bundle.graph.partition import partition
from tfjs_bundle.graph.vocabulary import input_uses
from tfjs_bundle.model import Model
from tfjs_bundle.presentation import present
from tfjs_bundle.progress import Progress
from tfjs_bundle.records import Later
from tfjs_bundle.shrink import Shrunk, shrink
from tfjs_bundle.site.render import ModelFile, Site, render
from tfjs_bundle.source.identify import SourceFile
from tfjs_bundle.verify.cases import golden_json
from tfjs_bundle.verify.reference import predict


def prepare(
    file: SourceFile, options: BuildOptions, progress: Progress, child: Child, workspace: Path
) -> Model:
    """Convert the model, lower it, predict its reference and pack it into files in ``workspace``."""
    with progress.stage("convert", "Converting"):
        converted = convert.convert(file, options, child, workspace)
    with progress.stage("lower", "Lowering what TensorFlow.js lacks"):
        parts = partition(converted.graph)
        graph = passes.optimize(passes.lower(parts.graph))
        backends = kernels.support(graph)
    info, program = converted.info, parts.program
    packed = pack.Packed(
        converted.graph.signature,
        converted.model_name,
        info.keras_version if info else None,
        info.versions if info else {},
        input_uses(program),
        backends,
        {},
        tuple(spec.name for spec in program.inputs) if program else None,
    )
    with progress.stage("reference", "Predicting the reference"):
        presentation = present(file.name, packed.model_name, packed.signature, options, progress, packed.uses)
        reference = predict(converted, parts, presentation, options, progress, child)

    def site_of(files: Mapping[str, ModelFile]) -> Site:
        return render(pack.describe(file, replace(packed, files=files), presentation, ()))

    shrunk = Shrunk(graph, reference)
    if Recipe(options.quantize, options.prune) != Recipe():
        with progress.stage("compress", "Compressing the weights"):
            shrunk = shrink(graph, reference, converted, parts, backends, site_of, options, progress, child)
    child.release()
    with progress.stage("pack", "Packing the weights"):
        golden = reference.plan.golden
        golden_file = golden_json(golden, shrunk.reference.golden) if golden else None
        files = pack.pack(shrunk.graph, program, golden_file, options.shard_size, workspace)
    return Model(
        replace(packed, files=files, compression=shrunk.cost.recipe if shrunk.cost else ""),
        Later.of(shrunk.reference),
        shrunk.cost,
        shrunk.tradeoff,
        tuple(progress.warnings),
    )
