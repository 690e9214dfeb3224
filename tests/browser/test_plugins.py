"""A model as a module of an app: built by its bundler, kept up to date by its dev server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from apps import Apps, node, vite_dev
from playwright.sync_api import expect
from tiny_bundle import graph, predict

from hatch_build import ROOT
from tfjs_bundle.graph import serde
from tfjs_bundle.site.security import PACKAGE_POLICY, content_security_policy

APP = Path(__file__).with_name("bundled_app")
VITE = ROOT / "node_modules" / "vite" / "bin" / "vite.js"
TSC = ROOT / "node_modules" / "typescript" / "bin" / "tsc"

BUILDS = {
    "Vite": (VITE, "build", "--base", "/app/", "--logLevel", "warn"),
    "webpack": ("build-webpack.js",),
    "Rollup": ("build-rollup.js",),
    "esbuild": ("build-esbuild.js",),
}

#: Whether the page shows these probabilities by now; what it shows of an error ends the test at once.
SHOWS = """expected => {
    const shown = document.querySelector("output")?.textContent;
    if (!shown) return false;
    if (!shown.startsWith("[")) throw new Error(shown);
    return JSON.parse(shown).every((value, index) => Math.abs(value - expected[index]) < 1e-4);
}"""


def write_source(directory: Path, bias: float) -> Path:
    """Write the model as TensorFlow.js has it, which is read without TensorFlow; return its model.json."""
    files = serde.dump(graph(bias), "tests")
    directory.mkdir(exist_ok=True)
    for shard in files.shards:
        shard.write(directory / shard.name)
    (directory / "model.json").write_bytes(files.model_json)
    return directory / "model.json"


def expected(bias: float) -> list[float]:
    """Return the probabilities that the app asks for."""
    inputs = {"x": np.array([[1, 2, 3, 4]], np.float32), "y": np.zeros((1, 4), np.float32)}
    return predict(inputs, bias)["probabilities"][0].tolist()


def expect_prediction(page, bias: float) -> None:
    """Wait until the page shows what the model of ``bias`` gives."""
    page.wait_for_function(SHOWS, arg=expected(bias))


@pytest.fixture(scope="module")
def apps(tmp_path_factory) -> Apps:
    return Apps(tmp_path_factory.mktemp("apps"))


@pytest.fixture(scope="module")
def vite_app(apps) -> Path:
    """An app that Vite has built from the model's source; its tool ran once, for all tests here."""
    app = apps.add(APP, "Vite")
    write_source(app / "model", bias=0.5)
    node(app, *BUILDS["Vite"])
    return app


@pytest.fixture(scope="module")
def package(vite_app) -> Path:
    """The package that the tool has made of the model."""
    return vite_app / "node_modules" / ".cache" / "tfjs-bundle" / "model" / "package"


@pytest.fixture(scope="module")
def built(apps, vite_app, package):
    """A function from a bundler's name to the app that it built, once."""
    made = {"Vite": vite_app}

    def get(bundler: str) -> Path:
        if bundler not in made:
            app = apps.add(APP, bundler)
            shutil.copytree(package, app / "package")
            node(app, *BUILDS[bundler])
            shutil.copy(app / "index.html", app / "dist")  # only Vite knows pages
            made[bundler] = app
        return made[bundler]

    return get


@pytest.mark.parametrize("bundler", BUILDS)
def test_a_built_app_predicts_what_the_model_predicts(built, bundler, page, static_host):
    host = static_host(built(bundler) / "dist", prefix="app")
    host.headers["Content-Security-Policy"] = content_security_policy(PACKAGE_POLICY)
    page.goto(host.url)
    expect_prediction(page, bias=0.5)


@pytest.mark.parametrize("bundler", BUILDS)
def test_every_file_of_the_model_is_an_asset_of_its_own_byte_by_byte(built, package, bundler):
    manifest = json.loads((package / "bundle.json").read_bytes())
    fetched = {"weights", "model", "golden", "engine", "backend"}
    paths = ["bundle.json", *(file["path"] for file in manifest["files"] if file["role"] in fetched)]
    emitted = {path.read_bytes() for path in (built(bundler) / "dist").rglob("*") if path.is_file()}
    assert [path for path in paths if (package / path).read_bytes() not in emitted] == []


def test_a_wrong_input_name_is_a_compile_error(vite_app):
    app = vite_app
    (app / "wrong.ts").write_text(
        'import { loadModel } from "virtual:tfjs-bundle/model";\n'
        "const model = await loadModel();\n"
        "await model.predict({ x: [[1, 2, 3, 4]], y: [[1, 2, 3, 4]] });\n"
        "await model.predict({ picture: [[1, 2, 3, 4]] });\n"
    )
    settings = (
        "--noEmit",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    )
    with pytest.raises(AssertionError) as refusal:
        node(app, TSC, *settings, "wrong.ts", "tfjs-bundle-env.d.ts")
    errors = [line for line in str(refusal.value).splitlines() if "error TS" in line]
    assert len(errors) == 1
    assert errors[0].startswith("wrong.ts(4,")
    assert "'picture' does not exist" in errors[0]


def test_a_tool_that_is_not_installed_ends_the_build_with_what_to_do(apps):
    app = apps.add(APP, "no-tool")
    write_source(app / "model", bias=0.5)
    with pytest.raises(AssertionError, match="pip install tfjs-bundle"):
        node(app, *BUILDS["Vite"], VIRTUAL_ENV="", PATH="")


def test_what_the_tool_refuses_ends_the_build_in_its_own_words(apps):
    app = apps.add(APP, "no-source")
    with pytest.raises(AssertionError, match=r"model/model\.json does not exist"):
        node(app, *BUILDS["Vite"])


@pytest.mark.parametrize("bundler", ["webpack", "Rollup", "esbuild"])
def test_a_directory_without_a_package_ends_the_build_with_what_to_do(apps, bundler):
    app = apps.add(APP, f"no-package-{bundler}")
    with pytest.raises(
        AssertionError, match=r"(?s)is not a package of tfjs-bundle\..*Make it: tfjs-bundle build"
    ):
        node(app, *BUILDS[bundler])


@pytest.fixture(scope="module")
def dev(vite_app):
    """The same app under Vite's dev server, with the package that the build made: directory and address."""
    with vite_dev(vite_app) as url:
        yield vite_app, url


def test_a_broken_model_is_an_overlay_on_the_page_until_it_is_mended(dev, page):
    app, url = dev
    page.goto(url)
    expect_prediction(page, bias=0.5)
    (app / "model" / "model.json").write_text("{")
    overlay = page.locator("vite-error-overlay")
    expect(overlay).to_contain_text("model.json is not JSON")
    expect_prediction(page, bias=0.5)
    write_source(app / "model", bias=0.5)
    expect(overlay).to_have_count(0)
    expect_prediction(page, bias=0.5)


def test_a_changed_model_reaches_the_open_page_which_stays_where_it_accepts_that(dev, page):
    app, url = dev
    page.goto(url)
    expect_prediction(page, bias=0.5)
    page.evaluate("window.untouched = true")
    write_source(app / "model", bias=-0.5)
    expect_prediction(page, bias=-0.5)
    assert page.evaluate("window.untouched")


def test_a_python_without_the_tool_is_an_overlay_that_says_what_to_do(apps, page):
    app = apps.add(APP, "wrong-python")
    write_source(app / "model", bias=0.5)
    config = app / "vite.config.js"
    config.write_text(config.read_text().replace("{ model:", '{ python: "/no/such/python", model:'))
    with vite_dev(app) as url:
        page.goto(url)
        expect(page.locator("vite-error-overlay")).to_contain_text("/no/such/python cannot be started")
