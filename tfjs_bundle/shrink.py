"""Smaller weights: by the recipe that the options name, or by the one that keeps within their budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tfjs_bundle.compress.apply import Recipe, Sensitivity, compress
from tfjs_bundle.compress.budget import Tradeoff
from tfjs_bundle.compress.cost import Cost, compare
from tfjs_bundle.compress.outputs import Outputs, affordable_rows, before_squashing
from tfjs_bundle.compress.prune import LEVELS
from tfjs_bundle.compress.search import recipes
from tfjs_bundle.compress.weights import weights_of
from tfjs_bundle.config import AUTO, BuildOptions
from tfjs_bundle.convert import Converted
from tfjs_bundle.convert.child import Child
from tfjs_bundle.evaluate import explore_model
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.kernels import BackendSupport
from tfjs_bundle.graph.partition import Partitioned
from tfjs_bundle.progress import Progress
from tfjs_bundle.site.render import ModelFile, Site
from tfjs_bundle.verify.cases import Case, first_rows
from tfjs_bundle.verify.reference import Reference


@dataclass(frozen=True)
class Shrunk:
    """A graph with the weights that its bundle carries.

    Attributes:
        graph: its constants are the numbers that the page computes with.
        reference: what these give.
        cost: what that is beside the source's outputs; ``None`` where nothing was compressed.
        tradeoff: what was tried, where the weights were looked for.
    """

    graph: GraphModel
    reference: Reference
    cost: Cost | None = None
    tradeoff: Tradeoff | None = None


def shrink(
    graph: GraphModel,
    reference: Reference,
    converted: Converted,
    parts: Partitioned,
    support: Mapping[str, BackendSupport],
    site_of: Callable[[Mapping[str, ModelFile]], Site],
    options: BuildOptions,
    progress: Progress,
    child: Child,
) -> Shrunk:
    """Compress the weights of ``graph`` as the options ask.

    Args:
        graph: optimized.
        reference: what the source's weights give.
        site_of: makes a site of a model's files, to try one in a browser.

    Raises:
        BundleError: as :func:`tfjs_bundle.evaluate.explore_model`.
    """
    recipe, tradeoff = Recipe(options.quantize, options.prune), None
    outputs = Outputs(converted.graph, parts, child)
    tried = recipes(options.prune) if recipe.quantize == AUTO else (recipe,)
    sensitivity = _sensitivity(graph, tried, outputs, reference.plan.typical)
    if recipe.quantize == AUTO:
        tradeoff = explore_model(
            graph, converted, parts, support, sensitivity, outputs, site_of, options, progress, child
        )
        recipe = tradeoff.chosen.recipe
    if recipe == Recipe():
        return Shrunk(graph, reference, None, tradeoff)
    compressed = compress(graph, recipe, sensitivity)
    for warning in compressed.warnings:
        progress.warn(warning)
    progress.step("predicting with the compressed weights")
    outputs.load(compressed.graph)
    reference, cost = repredict(outputs, reference, str(recipe), options)
    cost = replace(cost, schemes=compressed.schemes, sparsity=compressed.sparsity)
    return Shrunk(compressed.graph, reference, cost, tradeoff)


def repredict(
    outputs: Outputs, source: Reference, recipe: str, options: BuildOptions
) -> tuple[Reference, Cost]:
    """Return what the loaded graph predicts in the source's place, and what became of each output.

    Args:
        outputs: has loaded the graph with the compressed weights.
        recipe: what was done to them, in words.
    """
    reference = replace(
        source,
        golden=tuple(outputs.predict(case.inputs) for case in source.plan.golden),
        parity=tuple(outputs.predict(case.inputs) for case in source.plan.parity),
    )
    usual = [index for index, case in enumerate(source.plan.parity) if not case.awkward]
    before, after = ([each.parity[index] for index in usual] for each in (source, reference))
    return reference, Cost(recipe, "the data" if options.data else "random inputs", compare(before, after))


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
