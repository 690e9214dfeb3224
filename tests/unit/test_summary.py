"""What a build ends with on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tfjs_bundle import summary
from tfjs_bundle.bundle import Bundle, BundleFile
from tfjs_bundle.pack import Sizes
from tfjs_bundle.pipeline import BuildResult
from tfjs_bundle.verify.report import ParityReport


def shown(directory: Path, role: str) -> str:
    files = (BundleFile("index", 1, "0" * 64, role),)
    bundle = Bundle("digits", {}, {}, (), (), files, backends={}, directory=directory)
    console = Console(width=200)
    with console.capture() as capture:
        result = BuildResult(bundle, Sizes(1, 1, 1, 1, 1), ParityReport((), "there is no browser"), {}, ())
        console.print(summary.render(result))
    return capture.get()


def test_the_next_step_of_a_site_is_to_serve_it():
    text = shown(Path("dist"), "page")
    assert "Try it:  tfjs-bundle serve dist" in text
    assert "npm" not in text


@pytest.mark.parametrize(("given", "place"), [("dist-npm", "./dist-npm"), ("/apps/digits", "/apps/digits")])
def test_the_next_step_of_a_package_is_to_install_it(given, place):
    text = shown(Path(given), "entry")
    assert f"Use it:  npm install {place}" in text
    assert "serve" not in text
