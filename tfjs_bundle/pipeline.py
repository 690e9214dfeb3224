"""The story of a build, straight down: values in, values out.

What converts, predicts and verifies is imported when it has something to do: a build that finds its model
in the cache takes less time than those imports.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfjs_bundle import convert, pack
from tfjs_bundle.bundle import COMPRESSION, COMPRESSION_PICTURE, PARITY, Bundle
from tfjs_bundle.cache import Cache, identified, model_key, parity_key
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.convert.child import Child
from tfjs_bundle.model import Model
from tfjs_bundle.presentation import present
from tfjs_bundle.progress import Progress
from tfjs_bundle.site import stage
from tfjs_bundle.site.hosting import HOSTS, check
from tfjs_bundle.site.render import render
from tfjs_bundle.site.templates import doubts
from tfjs_bundle.source.identify import SourceFile, identify
from tfjs_bundle.verify.report import ParityReport

if TYPE_CHECKING:
    from tfjs_bundle.compress.budget import Tradeoff

#: Key of the compressed sizes of files, which take longer to find out than all else of a rebuild.
_SIZES, _SIZES_KEPT = "compressed sizes", 4096


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Attributes:
        bundle: as published.
        sizes: in bytes, measured on the finished site.
        parity: what verification measured, or why it did not.
        seconds: wall-clock, by stage.
        warnings: sentences, in the order they arose.
        reused: the model is as an earlier build converted it.
        tradeoff: what ``--quantize auto`` tried and took.
    """

    bundle: Bundle
    sizes: pack.Sizes
    parity: ParityReport
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    reused: bool = False
    tradeoff: Tradeoff | None = None


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
    cache = cache or Cache()
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-") as temporary:
        workspace = Path(temporary)
        with progress.stage("read", "Reading the source"):
            file = source if isinstance(source, SourceFile) else identified(source, cache)
            stage.refuse_source_inside(file.path, output)
            key = model_key(file, options, cache)
            proof_key = None if options.verify is False else parity_key(key)
            proof: ParityReport | None = cache.find(proof_key)
            unproved = options.verify is not False and proof is None  # the reference will be asked for
            kept: Model | None = cache.find(key, workspace, whole=unproved)
        model = kept or _prepare(file, options, progress, child, workspace)
        if not kept:
            cache.keep(key, model)
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
                from tfjs_bundle.site.npm import render_package

                site = render_package(spec, package=options.package, template=options.template, cache=cache)
            else:
                site = render(spec, template=options.template, host=options.hosting, cache=cache)
            with _known_sizes(cache):
                sizes = pack.measure(site)
        if options.sends_twins:
            from tfjs_bundle.site.twins import with_twins

            with progress.stage("compress", "Compressing files for the host"):
                site = with_twins(site, cache, workspace)
        if options.format == "site":
            for doubt in check(HOSTS[options.hosting], pack.file_sizes(site)):
                progress.warn(doubt)
        with stage.staged(site, output) as staging:
            report = proof or _verify(staging, model, options, progress)
            if report.backends and not proof:  # something was run
                cache.keep(proof_key, report)
            if options.verify:
                report.raise_if_nothing_ran()
            for omission in report.omissions():
                progress.warn(omission)
            report = replace(report, compression=model.cost)
            stage.write(staging, _measured(report, model.tradeoff, site.bundle.name, options))
            stage.publish(staging, output)
    bundle = replace(site.bundle, directory=output)
    seconds, warnings = dict(progress.seconds), tuple(progress.warnings)
    return BuildResult(bundle, sizes, report, seconds, warnings, kept is not None, model.tradeoff)


@contextmanager
def _known_sizes(cache: Cache) -> Iterator[None]:
    """Let files that an earlier build has compressed be measured without that."""
    known = pack.compressed_sizes
    known.update(cache.find(_SIZES) or {})
    before = len(known)
    yield
    if len(known) > before:
        cache.keep(_SIZES, dict(list(known.items())[-_SIZES_KEPT:]))


def _prepare(
    file: SourceFile, options: BuildOptions, progress: Progress, child: Child, workspace: Path
) -> Model:
    from tfjs_bundle.prepare import prepare

    return prepare(file, options, progress, child, workspace)


def _verify(staging: Path, model: Model, options: BuildOptions, progress: Progress) -> ParityReport:
    """Compare the staged site with what the source predicted."""
    if options.verify is False:
        return ParityReport(reason="--no-verify was given")
    from tfjs_bundle.verify.parity import FROM_SOURCE, FROM_WEIGHTS, verify_build

    with progress.stage("verify", "Verifying in Chromium"):
        reference = model.reference.get()
        return verify_build(
            staging,
            reference.plan.parity,
            reference.parity,
            model.packed.backends,
            options,
            progress,
            FROM_WEIGHTS if model.cost else FROM_SOURCE,
        )


def _measured(
    report: ParityReport, tradeoff: Tradeoff | None, name: str, options: BuildOptions
) -> dict[str, bytes]:
    """Return the files that stand beside a bundle for whoever built it."""
    files = {PARITY: report.dumps()}
    if tradeoff:
        from tfjs_bundle.compress import plot
        from tfjs_bundle.compress import report as trials

        files[COMPRESSION] = trials.dumps(tradeoff)
        files[COMPRESSION_PICTURE] = plot.svg(tradeoff, name, options.template)
    return files


def verify(location: str, against: Path | None, options: BuildOptions, progress: Progress) -> ParityReport:
    """Compare the finished bundle at ``location``, a directory or an address; the report says how it went.

    Args:
        against: the source to compare with; without it the golden cases in the bundle are run.

    Raises:
        BundleError: the bundle, the source or the browser is at fault.
    """
    from tfjs_bundle.compress.outputs import Outputs
    from tfjs_bundle.graph.partition import partition
    from tfjs_bundle.shrink import repredict
    from tfjs_bundle.verify.parity import FROM_SOURCE, FROM_WEIGHTS, carried_model, verify_golden
    from tfjs_bundle.verify.parity import run as run_parity
    from tfjs_bundle.verify.reference import predict

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
            reference = predict(converted, parts, presentation, options, progress, child)
            cost = None
            if carried := carried_model(location, Path(temporary)):
                outputs = Outputs(converted.graph, parts, child)
                outputs.load(carried[1])
                reference, cost = repredict(outputs, reference, carried[0], options)
        with progress.stage("verify", "Verifying in Chromium"):
            report = run_parity(
                location,
                reference.plan.parity,
                reference.parity,
                backends=options.backends,
                progress=progress,
                reference=FROM_WEIGHTS if carried else FROM_SOURCE,
            )
        report = replace(report, compression=cost)
    return report
