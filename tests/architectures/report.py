"""Compares whole architectures with Keras on every backend and writes docs/architectures.md.

``make architectures`` runs all of it; ``--only REGEX`` a part, and then writes nothing. ``--again`` goes on
where a run of all was interrupted, and runs again what was wrong in it. The backbones of keras-hub are run
where it is installed. Ends with 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [
    str(Path(__file__).parent),
    *(str(ROOT / "tests" / each) for each in ("layers", ".")),
    str(ROOT),
]

import architectures  # noqa: E402
import models  # noqa: E402
import records  # noqa: E402
from cases import case  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from suite import REFUSED, RIGHT, Suite, suite  # noqa: E402

from tfjs_bundle import convert  # noqa: E402
from tfjs_bundle.config import BuildOptions  # noqa: E402
from tfjs_bundle.convert.child import Child  # noqa: E402
from tfjs_bundle.errors import BundleError  # noqa: E402
from tfjs_bundle.graph import kernels, passes  # noqa: E402
from tfjs_bundle.source.identify import identify  # noqa: E402
from tfjs_bundle.verify.browser import launch  # noqa: E402

TABLE = ROOT / "docs" / "architectures.md"
#: What the last run of all found: a line of JSON per model; the last of a name counts.
RECORD = ROOT / "build" / "architectures.jsonl"
BACKENDS = ("cpu", "wasm", "webgl", "webgpu")


@dataclass(frozen=True)
class Row:
    """One model: what it is, and how it went on each backend."""

    name: str
    group: str
    parameters: int
    spread: float | None
    backends: dict[str, str]

    @property
    def wrong(self) -> bool:
        return any(verdict.startswith("wrong") for verdict in self.backends.values())


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="a regular expression that the model's name must contain")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="by default, all")
    parser.add_argument("--again", action="store_true", help="what the last run of all left or got wrong")
    given = parser.parse_args(arguments)
    backends = tuple(given.backend or BACKENDS)
    everything = not given.only and backends == BACKENDS
    if everything and not given.again:
        RECORD.unlink(missing_ok=True)
    settled = {row.name: row for row in _recorded() if not row.wrong} if given.again else {}
    rows = []
    with Child() as child, sync_playwright() as playwright:
        browser = launch(playwright)
        with suite(child, browser, backends) as running:
            for group, name, build, compared in _models():
                if given.only and not re.search(given.only, name):
                    continue
                if name in settled:
                    rows.append(settled[name])
                    continue
                row = (
                    _compared(running, group, name, build)
                    if compared
                    else _converted(child, group, name, build)
                )
                rows.append(row)
                print(f"{name}: {row.backends}", flush=True)
                if everything:
                    records.append(RECORD, dataclasses.asdict(row))
        browser.close()
    if everything:
        TABLE.write_text(table(rows), encoding="utf-8")
        print(f"written: {TABLE}")
    return int(any(row.wrong for row in rows))


def _recorded() -> Sequence[Row]:
    rows = (Row(**entry) for entry in records.entries(RECORD))
    return list({row.name: row for row in rows}.values())


def _models() -> Iterator[tuple[str, str, Callable[[], architectures.Built], bool]]:
    """Yield group, name, how it is made, and whether it is compared in Chromium."""
    for name, build in architectures.ARCHITECTURES.items():
        yield "architectures", name, build, True
    for name, build in architectures.hub_backbones().items():
        yield "keras-hub, randomly initialised", name, build, True
    for family, members in architectures.APPLICATIONS.items():
        for index, name in enumerate(members):
            yield (
                "keras.applications",
                name,
                functools.partial(architectures.application, family, name),
                index == 0,
            )


def _compared(running: Suite, group: str, name: str, build: Callable[[], architectures.Built]) -> Row:
    made = case(name, build)
    model = made.build()
    verdicts = running.run(made)
    assert made.examples
    example = {str(index): value for index, value in enumerate(made.examples[0])}
    return Row(
        name,
        group,
        model.count_params(),
        architectures.spread(model, example),
        {
            backend: found.status if found.status == RIGHT else f"{found.status}: {found.detail}"
            for backend, found in verdicts.items()
        },
    )


def _converted(child: Child, group: str, name: str, build: Callable[[], architectures.Built]) -> Row:
    models.keras().utils.clear_session()
    model, _ = build()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.keras"
        model.save(path)
        try:
            converted = convert.convert(identify(path), BuildOptions(), child, Path(directory))
            support = kernels.support(passes.lower(converted.graph))
        except BundleError as error:
            backends = dict.fromkeys(BACKENDS, f"{REFUSED}: {error.what}")
        else:
            backends = {
                backend: "converts" if entry.supported else f"{REFUSED}: {', '.join(entry.missing_ops)}"
                for backend, entry in support.items()
            }
        child.release()
    return Row(name, group, model.count_params(), None, backends)


def table(rows: Sequence[Row]) -> str:
    """Return the document."""
    lines = [
        "# Architectures",
        "",
        "Written by `make architectures`. *right*: the outputs in Chromium are Keras's, for inputs whose",
        "outputs differ by the spread given (the standard deviation over the batch, relative to the largest",
        "output; tolerances are 1e-4). *converts*: lowered to ops that the backend has, and not run.",
        "All weights are random.",
    ]
    for group in dict.fromkeys(row.group for row in rows):
        lines += ["", f"## {group}", "", f"| model | parameters | spread | {' | '.join(BACKENDS)} |"]
        lines.append("|" + "---|" * (3 + len(BACKENDS)))
        for row in (row for row in rows if row.group == group):
            cells = [row.backends[backend].replace("|", "/").replace("\n", " ") for backend in BACKENDS]
            spread = "" if row.spread is None else f"{row.spread:.2g}"
            lines.append(f"| {row.name} | {row.parameters:,} | {spread} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
