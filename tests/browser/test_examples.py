"""The examples as their readers run them: built, opened in Chromium, right about the digit in the picture.

`make examples` runs all of them, with packages that it installs; the others run without.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from apps import NPM, VERSIONS, Apps, node, running
from playwright.sync_api import expect
from static_host import StaticHost

from hatch_build import ROOT
from tfjs_bundle import config, convert, pipeline
from tfjs_bundle.preprocessing import from_json, image_to_array
from tfjs_bundle.progress import Progress
from tfjs_bundle.site.security import PACKAGE_POLICY, content_security_policy
from tfjs_bundle.source.identify import identify

pytestmark = pytest.mark.tensorflow

MODEL = ROOT / "demo_site" / "digits.keras"
SETTINGS = ROOT / "demo_site" / "tfjs-bundle.toml"
PICTURE = ROOT / "examples" / "plain-html" / "digit.png"

on_demand = pytest.mark.skipif("TFJS_BUNDLE_EXAMPLES" not in os.environ, reason="make examples runs it")


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Apps:
    """The examples with this checkout's npm packages, and demo_site/ where they look for it."""
    apps = Apps(tmp_path_factory.mktemp("checkout"))
    (apps.directory / "demo_site").symlink_to(ROOT / "demo_site")
    return apps


@dataclass(frozen=True)
class Digits:
    """The model as it was built here: a site, a package, and what Keras says of the picture."""

    site: Path
    package: Path
    probabilities: list[float]


@pytest.fixture(scope="module")
def digits(child, tmp_path_factory) -> Digits:
    directory = tmp_path_factory.mktemp("digits")
    for kind in ("site", "npm"):
        options = config.options({"verify": False, "format": kind}, SETTINGS)
        pipeline.build(MODEL, directory / kind, options, Progress(), child)
    manifest = json.loads((directory / "site" / "bundle.json").read_bytes())
    picture = image_to_array(PICTURE, from_json(manifest["preprocessing"]["image"]))
    converted = convert.convert(identify(MODEL), options, child, directory)
    (output,) = convert.predict(converted, {"image": picture}, child).values()
    child.release()
    return Digits(directory / "site", directory / "npm", output[0].tolist())


def expect_what_keras_says(page, digits: Digits) -> None:
    shown = page.locator("li data")
    expect(shown.first.or_(page.get_by_text("Error"))).to_be_visible()
    expect(page.get_by_text("Error")).to_have_count(0)
    expect(shown).to_have_count(10)
    values = shown.evaluate_all("all => all.map(data => Number(data.value))")
    assert values == pytest.approx(digits.probabilities, abs=1e-4)
    likeliest = digits.probabilities.index(max(digits.probabilities))
    expect(page.get_by_role("status")).to_have_text(f"It is a {likeliest}.")


@pytest.fixture
def opened(page, static_host) -> Callable:
    """A function that serves a directory and opens its page, with the policy that a package's page needs.

    Of the file ``damaged``, one bit is another one.
    """

    def open_directory(directory: Path, *, inline_scripts: bool = False, damaged: str = "") -> StaticHost:
        host = static_host(directory)
        policy = dict(PACKAGE_POLICY)
        if inline_scripts:
            policy["script-src"] += " 'unsafe-inline'"
        host.headers["Content-Security-Policy"] = content_security_policy(policy)
        if damaged:
            host.flip(damaged)
        page.goto(host.url)
        return host

    return open_directory


def install(app: Path) -> None:
    """Install what package.json names, and this checkout's own package beside it."""
    path = app / "package.json"
    description = json.loads(path.read_text())
    for kind in ("dependencies", "devDependencies"):
        description.get(kind, {}).pop("tfjs-bundle", None)
    path.write_text(json.dumps(description))
    node(app, NPM, "install", "--no-audit", "--no-fund", "--loglevel=error")
    plugins = Path("node_modules") / "tfjs-bundle"
    shutil.copytree(app.parents[1] / plugins, app / plugins, dirs_exist_ok=True)
    note_versions(app, [*description.get("dependencies", {}), *description.get("devDependencies", {})])


def note_versions(app: Path, names: list[str]) -> None:
    versions = json.loads(VERSIONS.read_text()) if VERSIONS.exists() else {}
    for name in names:
        versions[name] = json.loads((app / "node_modules" / name / "package.json").read_text())["version"]
    VERSIONS.parent.mkdir(exist_ok=True)
    VERSIONS.write_text(json.dumps(versions))


def test_plain_html(examples, digits, opened, page):
    app = examples.add(ROOT / "examples" / "plain-html", "examples/plain-html")
    shutil.copytree(digits.site, app / "dist")
    opened(app, inline_scripts=True)
    expect_what_keras_says(page, digits)


def vite_build(app: Path) -> None:
    node(app, ROOT / "node_modules" / "vite" / "bin" / "vite.js", "build", "--logLevel", "warn")


def check_types(app: Path) -> None:
    node(app, ROOT / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit")


@pytest.fixture(scope="module")
def vite_example(examples) -> Path:
    """The example for Vite; the tool that it starts compares the model with Keras in Chromium."""
    app = examples.add(ROOT / "examples" / "vite", "examples/vite")
    vite_build(app)
    return app


def test_vite_builds_from_the_keras_file(vite_example, digits, opened, page):
    opened(vite_example / "dist")
    expect_what_keras_says(page, digits)


def test_vite_s_app_has_a_model_that_was_compared_with_keras(vite_example):
    package = vite_example / "node_modules" / ".cache" / "tfjs-bundle" / "digits" / "package"
    assert json.loads((package / "parity.json").read_bytes())["status"] == "passed"


def test_vite_s_app_is_of_the_types_that_the_model_has(vite_example):
    check_types(vite_example)


@pytest.fixture(scope="module")
def react_example(examples) -> Path:
    app = examples.add(ROOT / "examples" / "react", "examples/react")
    install(app)
    vite_build(app)
    return app


@on_demand
def test_react_shows_the_digit(react_example, digits, opened, page):
    opened(react_example / "dist")
    expect_what_keras_says(page, digits)
    check_types(react_example)


@on_demand
def test_react_shows_why_a_model_cannot_be_loaded(react_example, opened, page):
    (weights,) = (react_example / "dist" / "assets").glob("*.bin")
    opened(react_example / "dist", damaged=f"assets/{weights.name}")
    expect(page.get_by_role("alert")).to_contain_text("integrity")


@on_demand
def test_webpack(examples, digits, opened, page):
    app = examples.add(ROOT / "examples" / "webpack", "examples/webpack")
    install(app)
    node(app, app / "node_modules" / "webpack-cli" / "bin" / "cli.js")
    opened(app)
    expect_what_keras_says(page, digits)


@on_demand
@pytest.mark.timeout(900)
def test_next_exports_a_static_site(examples, digits, opened, page):
    app = examples.add(ROOT / "examples" / "next", "examples/next")
    shutil.copytree(digits.package, app / "model")
    install(app)
    node(app, app / "node_modules" / "next" / "dist" / "bin" / "next", "build", NEXT_TELEMETRY_DISABLED="1")
    opened(app / "out", inline_scripts=True)
    expect_what_keras_says(page, digits)


@on_demand
def test_an_app_s_own_service_worker_has_the_model_offline(examples, digits, opened, page):
    app = examples.add(ROOT / "examples" / "service-worker", "examples/service-worker")
    vite_build(app)
    check_types(app)
    host = opened(app / "dist")
    expect_what_keras_says(page, digits)
    page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
    page.wait_for_function("navigator.serviceWorker.controller")
    page.reload()  # the worker stores the page as it comes
    expect_what_keras_says(page, digits)
    host.stop()
    page.reload()
    expect_what_keras_says(page, digits)


@on_demand
def test_vite_plugin_pwa_has_the_model_offline_after_the_first_visit(examples, digits, opened, page):
    app = examples.add(ROOT / "examples" / "pwa", "examples/pwa")
    install(app)
    node(app, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
    host = opened(app / "dist")
    expect_what_keras_says(page, digits)
    page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
    page.wait_for_function("navigator.serviceWorker.controller")
    host.stop()
    page.reload()
    expect_what_keras_says(page, digits)


@on_demand
def test_flask(examples, digits, page, tmp_path):
    app = examples.add(ROOT / "examples" / "flask", "examples/flask")
    shutil.copytree(digits.site, app / "static" / "dist")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    subprocess.run([*pip, "-r", app / "requirements.txt"], check=True)
    with running([python, "-m", "flask", "run", "--port", "0"], app) as url:
        page.goto(url)
        expect_what_keras_says(page, digits)
        assert page.evaluate("crossOriginIsolated")
