"""A site is put together from parts: which files, with what in them, and the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tfjs_bundle.bundle import MEASURED, OUTSIDE_FILES, TensorInfo, load_bundle
from tfjs_bundle.errors import UsageError
from tfjs_bundle.preprocessing import ImageSchema
from tfjs_bundle.site.render import ModelFile, Site, SiteSpec, render
from tfjs_bundle.site.security import CONTENT_SECURITY_POLICY

HOSTILE = "</script><script>alert(1)</script>\"'`{{ 7 * 7 }}*/[x](y)\n# x"


@pytest.fixture
def runtime(tmp_path) -> Path:
    """A compiled runtime in small."""
    directory = tmp_path / "runtime"
    (directory / "runtime").mkdir(parents=True)
    parts = [
        ("runtime/engine-1.js", "engine", [], ""),
        ("runtime/backend-wasm-2.js", "backend", ["wasm"], "backend-wasm"),
        ("runtime/shared-3.js", "backend", ["webgl", "webgpu"], "shared"),
        ("runtime/backend-webgpu-4.js", "backend", ["webgpu"], "backend-webgpu"),
        ("runtime/elements-5.js", "demo", [], "elements"),
        ("elements.js", "demo", [], "elements-name"),
        ("runtime/demo-style-6.css", "demo", [], "demo-style"),
    ]
    for path, *_ in parts:
        (directory / path).write_text(f"/* {path} */")
    for name in ("loader.js", "sw.js"):
        (directory / name).write_text('const build = "__TFJS_BUNDLE_BUILD__";')
    (directory / "verify").mkdir()
    (directory / "verify" / "harness.js").write_text("harness")
    members = ("path", "role", "backends", "part")
    entries = [dict(zip(members, part, strict=True)) for part in parts]
    op_sets = [{"name": "few", "ops": ["Relu"]}, {"name": "all", "ops": ["Relu", "FFT"]}]
    (directory / "runtime.json").write_text(
        json.dumps({"tfjs_version": "4.22.0", "op_sets": op_sets, "files": entries})
    )
    return directory


@pytest.fixture
def spec(tmp_path) -> SiteSpec:
    shard = tmp_path / "shard.bin"
    shard.write_bytes(bytes(range(256)) * 16)
    return SiteSpec(
        name="A model",
        created_with={"tfjs-bundle": "0.1.0", "keras": "3.15.1"},
        source={"format": "keras", "sha256": "0" * 64, "keras_version": "3.15.1"},
        inputs=(TensorInfo("image", (None, 28, 28, 1), "float32", "float32"),),
        outputs=(TensorInfo("digit", (None, 10), "float32", "float32"),),
        model_files={
            "model/model.json": ModelFile(b"{}", "model"),
            "model/0123.bin": ModelFile(shard, "weights"),
            "model/4567.bin": ModelFile(memoryview(b"view"), "weights"),
        },
        backends={"wasm": {"supported": True}, "webgl": {"supported": False, "missing_ops": ["Erfc"]}},
        preprocessing={
            "image": ImageSchema((28, 28), channels="grayscale", scale=(1.0,), offset=(0.0,)).to_json()
        },
        labels={"digit": [str(digit) for digit in range(10)]},
        task="drawing-classification",
    )


def write(site: Site, directory: Path) -> Path:
    for path, content in site.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    return directory


def text(site: Site, path: str) -> str:
    content = site.files[path]
    assert isinstance(content, bytes)
    return content.decode()


def build_in(site: Site, name: str) -> dict:
    return json.loads(text(site, name).removeprefix("const build = ").removesuffix(";"))


def test_the_site_has_these_files_and_the_manifest_names_them_truly(spec, runtime, tmp_path):
    site = render(spec, runtime=runtime)
    directory = write(site, tmp_path / "site")
    bundle = load_bundle(directory)
    assert replace(bundle, directory=None) == site.bundle
    assert sorted(site.files) == list(site.files)
    named = {file.path: file for file in bundle.files}
    assert set(site.files) == set(named) | set(OUTSIDE_FILES) - set(MEASURED)
    assert {path: file.role for path, file in named.items()} == {
        ".nojekyll": "hosting",
        "README.md": "hosting",
        "_headers": "hosting",
        "elements.d.ts": "hosting",
        "elements.js": "demo",
        "icon.svg": "page",
        "index.html": "page",
        "loader.d.ts": "hosting",
        "manifest.webmanifest": "page",
        "model/0123.bin": "weights",
        "model/4567.bin": "weights",
        "model/model.json": "model",
        "runtime/backend-wasm-2.js": "backend",
        "runtime/elements-5.js": "demo",
        "runtime/demo-style-6.css": "demo",
        "runtime/engine-1.js": "engine",
    }
    for path, file in named.items():
        data = (directory / path).read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest()), path
    assert named["runtime/backend-wasm-2.js"].backends == ("wasm",)
    assert bundle.created_with["tfjs"] == "4.22.0"


def test_only_backends_that_can_run_the_model_are_put_in(spec, runtime):
    site = render(replace(spec, backends={"webgpu": {"supported": True}}), runtime=runtime)
    backends = {file.path for file in site.bundle.files if file.role == "backend"}
    assert backends == {"runtime/shared-3.js", "runtime/backend-webgpu-4.js"}


def test_loader_and_service_worker_carry_the_digest_and_the_manifests_hash(spec, runtime):
    site = render(spec, runtime=runtime)
    manifest = text(site, "bundle.json").encode()
    sha256 = hashlib.sha256(manifest).hexdigest()
    loader, worker = build_in(site, "loader.js"), build_in(site, "sw.js")
    for build in (loader, worker):
        assert build["digest"] == site.bundle.digest
        assert build["manifest"] == {"sha256": sha256, "size": len(manifest)}
        assert "connect-src 'self'" in build["content_security_policy"]
    shell = {entry["path"]: entry["sha256"] for entry in worker["shell"]}
    assert set(shell) == {
        *("./", "bundle.json", "loader.js", "icon.svg", "manifest.webmanifest"),
        *("elements.js", "runtime/elements-5.js", "runtime/demo-style-6.css"),
    }
    assert shell["./"] == hashlib.sha256(site.files["index.html"]).hexdigest()
    assert shell["loader.js"] == hashlib.sha256(site.files["loader.js"]).hexdigest()
    assert {entry["path"] for entry in loader["shell"]} == set(shell) - {"loader.js"}


def test_the_same_parts_give_the_same_bytes(spec, runtime, tmp_path):
    first = write(render(spec, runtime=runtime), tmp_path / "first")
    second = write(render(spec, runtime=runtime), tmp_path / "second")
    paths = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert paths == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for path in paths:
        assert (first / path).read_bytes() == (second / path).read_bytes()


def test_another_model_is_another_digest_and_another_worker(spec, runtime):
    other = {**spec.model_files, "model/model.json": ModelFile(b"{ }", "model")}
    first, second = render(spec, runtime=runtime), render(replace(spec, model_files=other), runtime=runtime)
    assert first.bundle.digest != second.bundle.digest
    assert first.files["sw.js"] != second.files["sw.js"]
    assert first.files["index.html"] == second.files["index.html"]


class Elements(HTMLParser):
    """Collects start tags with their attributes, and the text in scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.lasttag == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data


def test_hostile_text_stays_text_in_every_template(spec, runtime):
    hostile = replace(
        spec,
        name=HOSTILE,
        inputs=(TensorInfo(HOSTILE, (None, 4), "float32", "float32"),),
        outputs=(TensorInfo(HOSTILE, (None, 2), "float32", "float32"),),
        labels={HOSTILE: [HOSTILE, "b"]},
        source={"format": HOSTILE, "sha256": "0", "keras_version": None},
        preprocessing={},
        warnings=(HOSTILE,),
    )
    site = render(hostile, runtime=runtime)
    page = Elements(text(site, "index.html"))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert json.loads(page.scripts[1])["name"] == HOSTILE
    assert json.loads(text(site, "manifest.webmanifest"))["name"] == HOSTILE
    assert "49" not in text(site, "README.md") + text(site, "loader.d.ts") + text(site, "index.html")
    types = text(site, "loader.d.ts")
    assert "</script>" not in types
    key = re.search(r'^  ("(?:[^"\\]|\\.)*"): Numbers;$', types, re.MULTILINE)
    assert key
    assert json.loads(key[1]) == HOSTILE
    first_line = text(site, "README.md").splitlines()[0]
    assert first_line.startswith("# \\</script\\>\\<script\\>alert\\(1\\)")
    assert first_line.endswith("\\# x")


def test_the_page_has_no_inline_script_or_style_and_the_policy_allows_none(spec, runtime):
    site = render(spec, runtime=runtime)
    page = Elements(text(site, "index.html"))
    for tag, attributes in page.tags:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        if tag == "script" and attributes.get("type") != "application/json":
            assert attributes["src"] == "runtime/elements-5.js"
    policies = [values["content"] for tag, values in page.tags if values.get("http-equiv")]
    assert len(policies) == 1
    directives = dict(directive.split(" ", 1) for directive in policies[0].split("; "))
    assert directives == CONTENT_SECURITY_POLICY
    assert directives["connect-src"] == "'self'"
    assert "unsafe-eval'" not in directives["script-src"].replace("'wasm-unsafe-eval'", "")
    assert "unsafe-inline" not in policies[0]
    assert f"Content-Security-Policy: {policies[0]}\n" in text(site, "_headers")


def test_every_address_in_the_page_is_relative(spec, runtime):
    site = render(spec, runtime=runtime)
    for tag, attributes in Elements(text(site, "index.html")).tags:
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name] in site.files, (tag, attributes)
    manifest = json.loads(text(site, "manifest.webmanifest"))
    assert manifest["start_url"] == manifest["scope"] == "./"
    assert [icon["src"] for icon in manifest["icons"]] == ["icon.svg"]


def test_headers_isolate_the_page_and_cache_only_what_is_named_by_content(spec, runtime):
    headers = text(render(spec, runtime=runtime), "_headers")
    rules = {block.split("\n", 1)[0]: block.split("\n", 1)[1] for block in re.split(r"\n(?=/)", headers)}
    assert set(rules) == {"/*", "/runtime/*", "/model/*.bin"}
    assert "Cross-Origin-Opener-Policy: same-origin" in rules["/*"]
    assert "Cross-Origin-Embedder-Policy: require-corp" in rules["/*"]
    assert "Cache-Control" not in rules["/*"]
    assert "immutable" in rules["/runtime/*"]
    assert "immutable" in rules["/model/*.bin"]


def test_types_name_the_inputs_and_outputs(spec, runtime):
    types = text(render(spec, runtime=runtime), "loader.d.ts")
    assert '  "image": Picture | Numbers;' in types
    assert '  "digit": TensorValue<Float32Array>;' in types
    assert 'export type BareInput = Inputs["image"];' in types
    two = replace(
        spec,
        inputs=(*spec.inputs, TensorInfo("mask", None, "bool", "bool")),
        outputs=(TensorInfo("found", (None,), "bool", "bool"), TensorInfo("count", (), "int32", "int64")),
    )
    types = text(render(two, runtime=runtime), "loader.d.ts")
    assert "  /** bool of any shape */\n" in types
    assert "export type BareInput = never;" in types
    assert '  "found": TensorValue<Uint8Array>;' in types
    assert '  "count": TensorValue<Int32Array>;' in types


@pytest.mark.parametrize(
    "name", ["bundle.json", "loader.js.j2", "model/model.json", "runtime/extra.js", "sw.js"]
)
def test_a_template_cannot_replace_what_the_bundle_vouches_for(name, spec, runtime, tmp_path):
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(UsageError, match="would replace a file of the bundle itself"):
        render(spec, template=tmp_path / "mine", runtime=runtime)


def test_a_runtime_that_was_not_compiled_is_said_so(spec, runtime):
    (runtime / "sw.js").write_text("no token")
    with pytest.raises(
        UsageError, match=f"{re.escape(os.fspath(runtime / 'sw.js'))} has no place for the build"
    ):
        render(spec, runtime=runtime)
    (runtime / "runtime.json").unlink()
    with pytest.raises(UsageError, match="The compiled runtime is missing or damaged"):
        render(spec, runtime=runtime)
