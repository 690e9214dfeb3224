"""What a build ends with: sizes, parity, warnings, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tfjs_bundle.pipeline import BuildResult
from tfjs_bundle.terminal import format_bytes
from tfjs_bundle.verify.report import ParityReport


def to_json(result: BuildResult, reads: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the build as one JSON object, for ``--json``.

    ``reads`` are the files and directories whose change asks for another build, there or not.
    """
    bundle = result.bundle
    return {
        "directory": str(bundle.directory),
        "name": bundle.name,
        "digest": bundle.digest,
        "sizes": {
            "total": result.sizes.total,
            "weights": result.sizes.weights,
            "first_visit": result.sizes.first_visit,
            "first_visit_compressed": result.sizes.first_visit_compressed,
            "runtime_compressed": result.sizes.runtime_compressed,
        },
        "seconds": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
        "reused": result.reused,
        "parity": result.parity.to_json(),
        **({"compression": _trials().to_json(result.tradeoff)} if result.tradeoff else {}),
        "warnings": list(result.warnings),
        "reads": list(dict.fromkeys(str(path.absolute()) for path in reads)),
    }


def render(result: BuildResult, hint: bool = True) -> RenderableType:
    """Return the summary for a terminal; ``hint`` adds the next step."""
    bundle, sizes = result.bundle, result.sizes
    lines: list[RenderableType] = [
        Text.from_markup(f"\n[bold green]Built {escape(bundle.name)}[/] in {escape(str(bundle.directory))}"),
        Padding(
            Text(
                f"size    {format_bytes(sizes.total)}, of which weights {format_bytes(sizes.weights)}\n"
                f"visit   {format_bytes(sizes.first_visit)} to the first prediction on wasm, "
                f"{format_bytes(sizes.first_visit_compressed)} with brotli, "
                f"of which runtime {format_bytes(sizes.runtime_compressed)}\n"
                f"time    {_time(result)}"
            ),
            (0, 0, 0, 2),
        ),
        *([Text(f"  cost    {result.parity.compression.describe()}")] if result.parity.compression else []),
        *([Padding(_trials().table(result.tradeoff), (1, 0, 0, 2))] if result.tradeoff else []),
        _parity(result.parity),
    ]
    lacking = [
        f"{name} (needs {', '.join(entry['missing_ops'])})"
        for name, entry in bundle.backends.items()
        if not entry["supported"]
    ]
    if lacking:
        lines.append(Text(f"  cannot run on {'; '.join(lacking)}"))
    lines += [Text.from_markup(f"  [yellow]Warning:[/] {escape(text)}") for text in result.warnings]
    if hint and bundle.is_package:
        lines.append(Text(f"\nUse it:  npm install {_as_npm_takes_it(bundle.directory)}   in your app"))
    elif hint:
        lines.append(
            Text(
                f"\nTry it:  tfjs-bundle serve {bundle.directory}\n"
                "Ship it: copy the directory to any static host."
            )
        )
    return Group(*lines)


def _time(result: BuildResult) -> str:
    total = f"{sum(result.seconds.values()):.1f} s"
    parts = [f"{stage} {seconds:.1f}" for stage, seconds in result.seconds.items() if seconds >= 0.1]
    if result.reused:
        parts.append("the model is an earlier build's")
    return f"{total}: {', '.join(parts)}" if parts else total


def _as_npm_takes_it(directory: Path | None) -> str:
    """Return the path so that npm does not take it for a package of its registry."""
    path = str(directory)
    return path if path.startswith(".") or Path(path).is_absolute() else f"./{path}"


def _parity(report: ParityReport) -> RenderableType:
    """Return the table, or one line where nothing was compared."""
    if report.backends:
        return Padding(report.table(), (1, 0, 1, 2))
    return Text(f"  parity  {report.describe()}", "yellow")


def _trials() -> Any:
    """Return what reports a search; it needs numpy, which a build out of the cache does without."""
    from tfjs_bundle.compress import report

    return report
