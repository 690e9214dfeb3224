"""The story of a build, straight down: values in, values out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfjs_bundle import convert, pack
from tfjs_bundle.bundle import Bundle
from tfjs_bundle.cache import Cache, model_key
from tfjs_bundle.compress import Recipe, Sensitivity, compress
from tfjs_bundle.compress.cost import Cost
from tfjs_bundle.compress.cost import compare as compare_outputs
from tfjs_bundle.compress.outputs import Outputs, affordable_rows, before_squashing
from tfjs_bundle.compress.prune import LEVELS
from tfjs_bundle.compress.weights import weights_of
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph import kernels, passes
from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.partition import Partitioned, partition
from tfjs_bundle.graph.ranges import input_ranges
from tfjs_bundle.graph.vocabulary import input_uses
from tfjs_bundle.presentation import Presentation, present
from tfjs_bundle.progress import Progress
from tfjs_bundle.site import stage
from tfjs_bundle.site.npm import render_package
from tfjs_bundle.site.render import render
from tfjs_bundle.site.templates import doubts
from tfjs_bundle.source.identify import SourceFile, identify
from tfjs_bundle.verify.cases import SCALES, Case, first_rows, golden_json
from tfjs_bundle.verify.parity import run as run_parity
from tfjs_bundle.verify.parity import verify_build, verify_golden
from tfjs_bundle.verify.plan import Plan, plan
from tfjs_bundle.verify.report import ParityReport
from tfjs_bundle.verify.samples import pools


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Attributes:
        bundle: as published.
        sizes: in bytes, measured on the finished site.
        parity: what verification measured, or why it did not.
        seconds: wall-clock, by stage.
        warnings: sentences, in the order they arose.
    """

    bundle: Bundle
    sizes: pack.Sizes
    parity: ParityReport
    seconds: dict[str, float]
    warnings: tuple[str, ...]


def build(
    source: Path | SourceFile,
    output: Path,
    options: BuildOptions,
    progress: Progress,
    child: Child,
    cache: Cache | None = None,
) -> BuildResult:
    """Build ``source`` into ``output``, verified before it is published.

    Args:
        child: the TensorFlow process; it may have served other builds.
        cache: what earlier builds of the same model have made already, verification included.

    Raises:
        BundleError: any of :mod:`tfjs_bundle.errors`; ``output`` is then as it was.
    """
    stage.check_output(output)
    child.progress = progress
    with nullcontext(cache) if cache else Cache() as kept:
        with progress.stage("read", "Reading the source"):
            file = source if isinstance(source, SourceFile) else identify(source)
            stage.refuse_source_inside(file.path, output)
            key = model_key(file, options)
        model = kept.get(key, lambda workspace: _prepare(file, options, progress, child, workspace))
        for warning in model.warnings:
            progress.warn(warning)
        with progress.stage("render", "Rendering the site"):
            packed = model.packed
            presentation = present(
                file.name, packed.model_name, packed.signature, options, progress, packed.uses
            )
            spec = pack.describe(file, packed, presentation, tuple(progress.warnings))
            for doubt in doubts(options.template):  # for whoever builds, not for who visits
                progress.warn(doubt)
            if options.format == "npm":
                site = render_package(spec, package=options.package, template=options.template)
            else:
                site = render(spec, template=options.template)
            sizes = pack.measure(site)
        with stage.staged(site, output) as staging:
            report = kept.get(key and f"{key} parity", lambda _: _verify(staging, model, options, progress))
            report = replace(report, compression=model.cost)
            stage.write_parity(staging, report.dumps())
            stage.publish(staging, output)
    bundle = replace(site.bundle, directory=output)
    return BuildResult(bundle, sizes, report, dict(progress.seconds), tuple(progress.warnings))


@dataclass(frozen=True)
class _Model:
    """What a build makes of its source whatever the page looks like.

    Attributes:
        reference: what the weights that the bundle carries give.
        cost: what compression made of the source's outputs; ``None`` where nothing was compressed.
        warnings: sentences, in the order they arose.
    """

    packed: pack.Packed
    reference: _Reference
    cost: Cost | None
    warnings: tuple[str, ...]


def _prepare(
    file: SourceFile, options: BuildOptions, progress: Progress, child: Child, workspace: Path
) -> _Model:
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
        reference = _predict(converted, parts, presentation, options, progress, child)
        cases = reference.plan
    cost = None
    recipe = Recipe(options.quantize, options.prune)
    if recipe != Recipe():
        with progress.stage("compress", "Compressing the weights"):
            outputs = Outputs(converted.graph, parts, child)
            graph, reference, cost = _compress(graph, recipe, outputs, reference, options, progress)
    child.release()
    with progress.stage("pack", "Packing the weights"):
        golden_file = golden_json(cases.golden, reference.golden) if cases.golden else None
        files = pack.pack(graph, parts.program, golden_file, options.shard_size, workspace)
    packed = pack.Packed(signature, converted.info, uses, backends, files, parts.program)
    return _Model(packed, reference, cost, tuple(progress.warnings))


def _compress(
    graph: GraphModel,
    recipe: Recipe,
    outputs: Outputs,
    source: _Reference,
    options: BuildOptions,
    progress: Progress,
) -> tuple[GraphModel, _Reference, Cost]:
    """Return the compressed graph, what it predicts, and what that is beside the source's predictions."""
    compressed = compress(graph, recipe, _sensitivity(graph, recipe, outputs, source.plan.typical))
    for warning in compressed.warnings:
        progress.warn(warning)
    progress.step("predicting with the compressed weights")
    outputs.load(compressed.graph)
    reference = replace(
        source,
        golden=tuple(outputs.predict(case.inputs) for case in source.plan.golden),
        parity=tuple(outputs.predict(case.inputs) for case in source.plan.parity),
    )
    usual = [index for index, case in enumerate(source.plan.parity) if not case.awkward]
    cost = Cost(
        str(recipe),
        compressed.schemes,
        compressed.sparsity,
        compare_outputs(
            [source.parity[index] for index in usual], [reference.parity[index] for index in usual]
        ),
        "the data" if options.data else "random inputs",
    )
    return compressed.graph, reference, cost


def _sensitivity(graph: GraphModel, recipe: Recipe, outputs: Outputs, cases: Sequence[Case]) -> Sensitivity:
    """Return what asks the outputs of ``cases`` how far they move, for as many rows as are worth it."""
    weights = [weight for weight in weights_of(graph) if weight.main]
    if not cases or not weights or not graph.signature.outputs:
        return Sensitivity()
    kernels_pruned = sum(weight.kernel for weight in weights) if recipe.prune else 0
    runs = len(weights) * (recipe.quantize != "none") + len(LEVELS) * kernels_pruned
    outputs.load(before_squashing(graph), [weight.name for weight in weights])
    return Sensitivity(outputs.damage(first_rows(cases, outputs.inputs, affordable_rows(graph, runs))))


def _verify(staging: Path, model: _Model, options: BuildOptions, progress: Progress) -> ParityReport:
    """Compare the staged site with what the source predicted."""
    reference = model.reference
    with progress.stage("verify", "Verifying in Chromium"):
        return verify_build(
            staging, reference.plan.parity, reference.parity, model.packed.backends, options, progress
        )


def verify(location: str, against: Path | None, options: BuildOptions, progress: Progress) -> ParityReport:
    """Compare the finished bundle at ``location``, a directory or an address; the report says how it went.

    Args:
        against: the source to compare with; without it the golden cases in the bundle are run.

    Raises:
        BundleError: the bundle, the source or the browser is at fault.
    """
    if against is None:
        report = verify_golden(location, backends=options.backends, progress=progress)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as temporary,
            Child(progress) as child,
            progress.stage("reference", "Predicting the reference"),
        ):
            converted = convert.convert(identify(against), options, child, Path(temporary))
            signature = converted.graph.signature
            presentation = present(location, converted.model_name, signature, options, progress)
            parts = partition(converted.graph)
            reference = _predict(converted, parts, presentation, options, progress, child)
        with progress.stage("verify", "Verifying in Chromium"):
            report = run_parity(
                location,
                reference.plan.parity,
                reference.parity,
                backends=options.backends,
                progress=progress,
            )
    return report


@dataclass(frozen=True)
class _Reference:
    """What the source itself predicts, case by case of the plan, by output name."""

    plan: Plan
    golden: tuple[dict[str, np.ndarray], ...]
    parity: tuple[dict[str, np.ndarray], ...]


def _predict(
    converted: convert.Converted,
    parts: Partitioned,
    presentation: Presentation,
    options: BuildOptions,
    progress: Progress,
    child: Child,
) -> _Reference:
    """Choose what is predicted, from values that the model takes, and predict it.

    Raises:
        UnsupportedModelError: the model takes none of the sizes that are tried where it leaves them open.
    """
    graph = converted.graph
    ranges = {**presentation.ranges(), **input_ranges(graph)}
    open_sizes = any(spec.shape is None or None in spec.shape[1:] for spec in graph.signature.inputs)
    failures = []
    for scale in SCALES if open_sizes and options.data is None else SCALES[:1]:
        cases = plan(
            graph.signature,
            ranges,
            options.data,
            progress,
            comparable=not converted.random,
            nan=bool(graph.ops() & {"IsNan", "Bucketize"}),
            choices=pools(input_uses(parts.program)),
            scale=scale,
        )
        try:
            golden = tuple(convert.predict(converted, case.inputs, child) for case in cases.golden)
            parity = tuple(convert.predict(converted, case.inputs, child) for case in cases.parity)
        except UnsupportedModelError as failure:
            if child.pid is None:  # not the sizes: TensorFlow's process ended, and the model is gone with it
                raise
            failures.append(failure)
        else:
            return _Reference(cases, golden, parity)
    raise failures[0]
