"""Writes docs/bundlers.md: what each bundler makes of the digits model, by the app that the tests build.

Run by ``make examples``. An app is built twice, with the model in it and without.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import brotli
from apps import VERSIONS, Apps, node
from test_plugins import APP, BUILDS

from hatch_build import ROOT

DOCUMENT = ROOT / "docs" / "bundlers.md"
PACKAGES = {"Vite": "vite", "webpack": "webpack", "Rollup": "rollup", "esbuild": "esbuild"}

HEAD = """# What bundlers make of a model

Written by `make examples`: the digits example as a package, in an app that does nothing else, built for
production by each plugin. In kilobytes (1,000 bytes): what the model adds to the scripts that a page has
before it loads the model, and the assets that go with it. Of these a visit fetches what its backend needs:
on wasm all of a visit, weights included, is {visit} with brotli. Rollup minifies nothing unless a plugin of
its own does.

| bundler | version | scripts | with brotli | assets | files |
|---|---|---|---|---|---|
"""

FOOT = """
The examples that install packages of their own ran with {versions}.
"""


def main() -> None:
    """Build with every bundler and write the document."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        package = directory / "digits"
        demo = ROOT / "demo_site"
        command = ["build", demo / "digits.keras", "--config", demo / "tfjs-bundle.toml", "--format", "npm"]
        built = subprocess.run(
            [sys.executable, "-m", "tfjs_bundle", *command, "--no-verify", "-o", package, "--json"],
            check=True,
            capture_output=True,
        )
        (directory / "apps").mkdir()
        apps = Apps(directory / "apps")
        visit = json.loads(built.stdout)["sizes"]["first_visit_compressed"]
        rows = [row(apps, bundler, package) for bundler in BUILDS]
    installed = json.loads(VERSIONS.read_text()) if VERSIONS.exists() else {}
    versions = ", ".join(f"{name} {version}" for name, version in sorted(installed.items()))
    table = "".join(f"{line}\n" for line in rows)
    head = HEAD.format(visit=f"{kilobytes(visit)} kB")
    DOCUMENT.write_text(head + table + (FOOT.format(versions=versions) if versions else ""))


def row(apps: Apps, bundler: str, package: Path) -> str:
    """Return the table's line for one bundler."""
    alone = outputs(apps, bundler, package, with_model=False)
    added = outputs(apps, bundler, package, with_model=True)
    fetched = {path.read_bytes() for path in package.rglob("*") if path.is_file()}
    assets = [content for content in added if content in fetched]
    scripts = [content for content in added if content not in fetched]
    raw = sum(map(len, scripts)) - sum(map(len, alone))
    compressed = sum(map(small, scripts)) - sum(map(small, alone))
    version = json.loads((ROOT / "node_modules" / PACKAGES[bundler] / "package.json").read_text())["version"]
    numbers = (
        f"{kilobytes(raw)} | {kilobytes(compressed)} | {kilobytes(sum(map(len, assets)))} | {len(assets)}"
    )
    return f"| {bundler} | {version} | {numbers} |"


def outputs(apps: Apps, bundler: str, package: Path, *, with_model: bool) -> list[bytes]:
    """Return every file that the bundler writes, the page aside."""
    app = apps.add(APP, f"{bundler}-{'with' if with_model else 'without'}")
    shutil.copytree(package, app / "package")
    config = app / "vite.config.js"
    source = '{ bundle: "package", name: "model" }'
    config.write_text(
        config.read_text().replace('{ model: "model/model.json", options: { verify: false } }', source)
    )
    if not with_model:
        (app / "main.js").write_text("document.querySelector('output').textContent = 'nothing';\n")
    node(app, *BUILDS[bundler])
    return [
        path.read_bytes() for path in (app / "dist").rglob("*") if path.is_file() and path.suffix != ".html"
    ]


def small(content: bytes) -> int:
    """Return the size with brotli, as hosts compress."""
    return len(brotli.compress(content))


def kilobytes(size: int) -> str:
    """Return a number of kilobytes, with a decimal where it is small."""
    return f"{size / 1000:.1f}" if size < 100_000 else f"{size / 1000:,.0f}"


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
