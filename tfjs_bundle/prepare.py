"""From a source to a model that is ready for its page: the part of a build that only the source decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tfjs_bundle import convert, pack
from tfjs_bundle.compress.apply import Recipe, Sensitivity, compress
from tfjs_bundle.compress.cost import Cost, OutputCost
from tfjs_bundle.compress.cost import compare as compare_outputs
from tfjs_bundle.compress.outputs import Outputs, affordable_rows, before_squashing
from tfjs_bundle.compress.prune import LEVELS
from tfjs_bundle.compress.search import recipes
from tfjs_bundle.compress.weights import weights_of
from tfjs_bundle.config import AUTO, BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.evaluate import explore_model
from tfjs_bundle.graph import kernels, passes
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.partition import partition
from tfjs_bundle.graph.vocabulary import input_uses
from tfjs_bundle.model import Model
from tfjs_bundle.presentation import present
from tfjs_bundle.progress import Progress
from tfjs_bundle.records import Later
from tfjs_bundle.site.render import ModelFile, Site, render
from tfjs_bundle.source.identify import SourceFile
from tfjs_bundle.verify.cases import Case, first_rows, golden_json
from tfjs_bundle.verify.reference import Reference, predict


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
    with progress.stage("reference", "Predicting the reference"):
        signature, uses = converted.graph.signature, input_uses(parts.program)
        presentation = present(file.name, converted.model_name, signature, options, progress, uses)
        reference = predict(converted, parts, presentation, options, progress, child)
        cases = reference.plan
    info, program = converted.info, parts.program

    def packed(files: Mapping[str, ModelFile], compression: str = "") -> pack.Packed:
        return pack.Packed(
            signature,
            converted.model_name,
            info.keras_version if info else None,
            info.versions if info else {},
            uses,
            backends,
            files,
            tuple(spec.name for spec in program.inputs) if program else None,
            compression,
        )

    cost = tradeoff = None
    recipe = Recipe(options.quantize, options.prune)
    if recipe != Recipe():
        with progress.stage("compress", "Compressing the weights"):
            outputs = Outputs(converted.graph, parts, child)
            tried = recipes(options.prune) if recipe.quantize == AUTO else (recipe,)
            sensitivity = _sensitivity(graph, tried, outputs, cases.typical)
            if recipe.quantize == AUTO:

                def site(files: Mapping[str, ModelFile]) -> Site:
                    return render(pack.describe(file, packed(files), presentation, ()))

                tradeoff = explore_model(
                    graph, converted, parts, backends, sensitivity, outputs, site, options, progress, child
                )
                recipe = tradeoff.chosen.recipe
            if recipe != Recipe():
                graph, reference, cost = _compress(
                    graph, recipe, sensitivity, outputs, reference, options, progress
                )
    child.release()
    with progress.stage("pack", "Packing the weights"):
        golden_file = golden_json(cases.golden, reference.golden) if cases.golden else None
        files = pack.pack(graph, program, golden_file, options.shard_size, workspace)
    return Model(
        packed(files, cost.recipe if cost else ""),
        Later.of(reference),
        cost,
        tradeoff,
        tuple(progress.warnings),
    )


def _compress(
    graph: GraphModel,
    recipe: Recipe,
    sensitivity: Sensitivity,
    outputs: Outputs,
    source: Reference,
    options: BuildOptions,
    progress: Progress,
) -> tuple[GraphModel, Reference, Cost]:
    """Return the compressed graph, what it predicts, and what that is beside the source's predictions."""
    compressed = compress(graph, recipe, sensitivity)
    for warning in compressed.warnings:
        progress.warn(warning)
    progress.step("predicting with the compressed weights")
    outputs.load(compressed.graph)
    reference, moved = repredict(outputs, source)
    inputs = "the data" if options.data else "random inputs"
    cost = Cost(str(recipe), inputs, moved, compressed.schemes, compressed.sparsity)
    return compressed.graph, reference, cost


def repredict(outputs: Outputs, source: Reference) -> tuple[Reference, dict[str, OutputCost]]:
    """Return what the loaded graph predicts in the source's place, and what became of each output."""
    reference = replace(
        source,
        golden=tuple(outputs.predict(case.inputs) for case in source.plan.golden),
        parity=tuple(outputs.predict(case.inputs) for case in source.plan.parity),
    )
    usual = [index for index, case in enumerate(source.plan.parity) if not case.awkward]
    before, after = ([each.parity[index] for index in usual] for each in (source, reference))
    return reference, compare_outputs(before, after)


def _sensitivity(
    graph: GraphModel, tried: Sequence[Recipe], outputs: Outputs, cases: Sequence[Case]
) -> Sensitivity:
    """Return what asks the outputs of ``cases`` how far they move, for as many rows as are worth it."""
    weights = [weight for weight in weights_of(graph) if weight.main]
    if not cases or not weights or not graph.signature.outputs:
        return Sensitivity()
    kernels_pruned = sum(weight.kernel for weight in weights) if any(recipe.prune for recipe in tried) else 0
    schemes = {recipe.quantize for recipe in tried} - {"none"}
    runs = len(weights) * len(schemes) + len(LEVELS) * kernels_pruned
    outputs.load(before_squashing(graph), [weight.name for weight in weights])
    return Sensitivity(outputs.damage(first_rows(cases, outputs.inputs, affordable_rows(graph, runs))))
