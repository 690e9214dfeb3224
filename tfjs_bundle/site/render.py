"""From the parts of a bundle to the files of its site, all in memory and with the same bytes every time.

The site is the model's files, the pieces of the compiled runtime that its backends need, what the
templates give, ``bundle.json``, and last ``loader.js`` and ``sw.js``, which carry the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tfjs_bundle.bundle import MANIFEST, OUTSIDE_FILES, Bundle, BundleFile, TensorInfo
from tfjs_bundle.cache import Cache
from tfjs_bundle.errors import UsageError
from tfjs_bundle.graph.kernels import op_set
from tfjs_bundle.site.hosting import FILES_OF_HOSTS, HOSTS, Host, place
from tfjs_bundle.site.security import content_security_policy
from tfjs_bundle.site.templates import PACKAGE_TEMPLATES, REPORT_TEMPLATES, render_templates

Content = bytes | memoryview | Path

#: Stands once in loader.js and once in sw.js; replaced by one JSON object.
BUILD_TOKEN = b'"__TFJS_BUNDLE_BUILD__"'

#: Without it GitHub Pages leaves out files whose names begin with an underscore.
NO_JEKYLL = ".nojekyll"

#: The stable name of the page's elements, which other pages import.
ELEMENTS = "elements.js"

#: What the service worker stores at install, beside the demo's script and style.
SHELL_ROLES = ("page", "demo")


@dataclass(frozen=True)
class ModelFile:
    """One file under ``model/``: its bytes, or where they lie, and its role in the manifest.

    ``sha256`` is of the bytes, where that is known already; shards are not read for it again.
    """

    content: Content
    role: str
    sha256: str = ""


@dataclass(frozen=True)
class SiteSpec:
    """Everything about one bundle that is not the runtime and not the templates.

    Attributes:
        name: shown on the page; any text.
        created_with: versions by tool; TF.js's is added from the compiled runtime.
        source: what the model was read from (``format``, ``sha256``, ``keras_version``).
        inputs, outputs: the signature in Keras's order.
        model_files: by path in the bundle (``model/model.json``, ``model/<hash>.bin``,
            ``model/golden.json``).
        backends: for each backend ``{"supported": bool, "missing_ops": [...]}``.
        preprocessing: image schema by input name, as JSON
            (:mod:`tfjs_bundle.preprocessing`).
        labels: by output name, one label per class; by input name, one per feature.
        task: one of :data:`tfjs_bundle.preprocessing.TASKS`.
        form: how the page asks for an input, by name, and
        examples: what it offers to fill the form with (:mod:`tfjs_bundle.form`).
        requires_loader: plain ``tf.loadGraphModel`` is not the whole truth.
        warnings: sentences for the manifest.
        compression: what was done to the weights, in words; empty where nothing was.
    """

    name: str
    created_with: Mapping[str, str]
    source: Mapping[str, str | None]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    model_files: Mapping[str, ModelFile]
    backends: Mapping[str, Mapping[str, Any]]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, list[str]] = field(default_factory=dict)
    task: str = "tensors"
    form: Mapping[str, Any] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    requires_loader: bool = False
    warnings: tuple[str, ...] = ()
    compression: str = ""


@dataclass(frozen=True)
class Site:
    """Every file of the bundle's directory by its path, and the manifest that names them."""

    files: Mapping[str, Content]
    bundle: Bundle


def runtime_directory() -> Path:
    """Return where the compiled runtime lies: inside the package, in a checkout and in a wheel alike."""
    return Path(__file__).resolve().parents[1] / "_runtime"


def render(
    spec: SiteSpec,
    *,
    template: Path | None = None,
    runtime: Path | None = None,
    host: str = "any",
    cache: Cache | None = None,
) -> Site:
    """Put the site together.

    Args:
        spec: the bundle's own parts.
        template: a directory of the user's own templates (:mod:`tfjs_bundle.site.templates`).
        runtime: the compiled runtime; :func:`runtime_directory` by default.
        host: one of :data:`tfjs_bundle.site.hosting.HOSTS`; the site has the file that it reads.
        cache: of compiled templates.

    Raises:
        UsageError: the runtime is not built or is damaged, ``template`` is no directory, has a
            file that would replace one of the bundle's own, or does not render.
    """
    runtime = runtime or runtime_directory()
    compiled = read_runtime(runtime)
    parts = Parts()
    for path, file in spec.model_files.items():
        parts.add(path, file.content, file.role, sha256=file.sha256)
    has_program = any(file.role == "program" for file in spec.model_files.values())
    for entry in for_model(spec, compiled["op_sets"], compiled["files"]):
        if entry.get("part") == "program" and not has_program:
            continue
        if entry["path"].startswith("runtime/") or entry["path"] == ELEMENTS:
            parts.add_compiled(spec, runtime, entry)

    parts.add(NO_JEKYLL, b"", "hosting")
    spec = replace(spec, created_with={**spec.created_with, "tfjs": compiled["tfjs_version"]})
    values = template_values(spec, parts.entries, host)
    for path, content in render_templates(template, values, lambda path: _place(path, HOSTS[host]), cache):
        parts.add_template(path, content, "page" if _is_page(path) else "hosting", OUTSIDE_FILES)

    bundle = parts.bundle(spec)
    manifest = bundle.dumps()
    files = {**parts.files, MANIFEST: manifest, **_fill_build(runtime, bundle, manifest)}
    return Site({path: files[path] for path in sorted(files)}, bundle)


@dataclass(frozen=True)
class Parts:
    """Files as they come together, and what the manifest says of each."""

    files: dict[str, Content] = field(default_factory=dict)
    entries: dict[str, BundleFile] = field(default_factory=dict)

    def add(
        self,
        path: str,
        content: Content,
        role: str,
        backends: tuple[str, ...] = (),
        part: str = "",
        sha256: str = "",
    ) -> None:
        """Add one file that the manifest names; ``sha256`` is of its bytes, where that is known."""
        size, sha256 = size_of(content), sha256 or _sha256(content)
        self.files[path] = content
        self.entries[path] = BundleFile(path, size, sha256, role, backends, part)

    def add_template(self, path: str, content: bytes, role: str, outside: Container[str]) -> None:
        """Add what a template gave.

        Args:
            outside: files of the bundle that the manifest does not name.

        Raises:
            UsageError: it would replace a file of the bundle itself.
        """
        if path in self.files or path in outside or path.startswith(("model/", "runtime/")):
            raise UsageError(
                f"The template {path} would replace a file of the bundle itself.",
                "Give it another name; model/, runtime/ and the bundle's own files cannot be replaced.",
            )
        self.add(path, content, role)

    def add_compiled(
        self, spec: SiteSpec, runtime: Path, file: Mapping[str, Any], suffix: str | None = None
    ) -> None:
        """Add a file of the compiled runtime, by its entry in runtime.json, if a backend of ours needs it.

        Args:
            suffix: of its name in the bundle, if another one.
        """
        backends = tuple(file.get("backends") or ())
        if not backends or any(spec.backends.get(name, {}).get("supported") for name in backends):
            path = PurePosixPath(file["path"].removeprefix("npm/"))
            path = path.with_suffix(suffix) if suffix else path
            content = (runtime / file["path"]).read_bytes()
            self.add(str(path), content, file["role"], backends, file.get("part") or "")

    def bundle(self, spec: SiteSpec) -> Bundle:
        """Return the manifest of these files."""
        return Bundle(
            name=spec.name,
            created_with=dict(spec.created_with),
            source=dict(spec.source),
            inputs=spec.inputs,
            outputs=spec.outputs,
            files=tuple(self.entries[path] for path in sorted(self.entries)),
            backends={name: dict(state) for name, state in spec.backends.items()},
            preprocessing=dict(spec.preprocessing),
            labels={name: list(labels) for name, labels in spec.labels.items()},
            task=spec.task,
            requires_loader=spec.requires_loader,
            warnings=tuple(spec.warnings),
            compression=spec.compression,
        )


def read_runtime(directory: Path) -> dict[str, Any]:
    try:
        return json.loads((directory / "runtime.json").read_bytes())
    except (OSError, ValueError):
        raise UsageError(
            f"The compiled runtime is missing or damaged ({directory}).",
            "In a checkout run `make runtime`; otherwise install tfjs-bundle again.",
        ) from None


def for_model(
    spec: SiteSpec, op_sets: list[dict[str, Any]], files: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return those of the compiled runtime's files that are for the ops of the model, or for any.

    Raises:
        UnsupportedModelError: the runtime does not execute an op of the model.
    """
    wanted = op_set(_ops(spec.model_files), op_sets)
    return [file for file in files if file.get("op_set", "") in ("", wanted)]


def _ops(files: Mapping[str, ModelFile]) -> set[str]:
    """Return the ops of the model's graph, its functions' included."""
    ops: set[str] = set()
    for file in files.values():
        if file.role != "model":
            continue
        model = json.loads(
            file.content.read_bytes() if isinstance(file.content, Path) else bytes(file.content)
        )
        for member in ("modelTopology", "modelInitializer"):
            graph = model.get(member) or {}
            functions = (graph.get("library") or {}).get("function") or []
            nodes = [graph.get("node") or [], *(each.get("nodeDef") or [] for each in functions)]
            ops.update(node["op"] for body in nodes for node in body)
    return ops


def size_of(content: Content) -> int:
    """Return the size in bytes."""
    return content.stat().st_size if isinstance(content, Path) else memoryview(content).nbytes


def _sha256(content: Content) -> str:
    if not isinstance(content, Path):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:  # piece by piece
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _place(path: str, host: Host) -> str | None:
    return None if path.startswith((PACKAGE_TEMPLATES, REPORT_TEMPLATES)) else place(host, path)


def _is_page(path: str) -> bool:
    """Tell what a visitor's page is made of from what only hosts and developers read."""
    hosting = path.startswith((".", "_")) or PurePosixPath(path).suffix in {".md", ".ts"}
    return not hosting and path not in FILES_OF_HOSTS


def template_values(spec: SiteSpec, entries: Mapping[str, BundleFile], host: str = "any") -> dict[str, Any]:
    """Return what every template can use."""

    def demo(part: str) -> str | None:
        return next((path for path, file in entries.items() if file.part == part), None)

    page = {
        "name": spec.name,
        "task": spec.task,
        "inputs": [asdict(info) for info in spec.inputs],
        "outputs": [asdict(info) for info in spec.outputs],
        "preprocessing": {
            name: schema for name, schema in spec.preprocessing.items() if schema["kind"] == "image"
        },
        "labels": spec.labels,
        "form": spec.form,
        "examples": spec.examples,
        "backends": spec.backends,
        "model_bytes": sum(file.size for file in entries.values() if file.role == "weights"),
        "warnings": spec.warnings,
    }
    return {
        "page": page,
        "package": None,
        "elements_script": demo("elements"),
        "demo_style": demo("demo-style"),
        "content_security_policy": content_security_policy(),
        "hosting": HOSTS[host].for_templates(),
        "created_with": dict(spec.created_with),
        "source": dict(spec.source),
        "backends": sorted(name for name, state in spec.backends.items() if state.get("supported")),
    }


def _fill_build(runtime: Path, bundle: Bundle, manifest: bytes) -> dict[str, bytes]:
    """Return loader.js and sw.js with the digest, the manifest's hash and the shell.

    The loader cannot carry its own hash; the service worker's shell names it too.
    """
    shell = [
        {"path": "./" if file.path == "index.html" else file.path, "sha256": file.sha256}
        for file in bundle.files
        if file.role in SHELL_ROLES
    ]
    sha256 = hashlib.sha256(manifest).hexdigest()
    shell.append({"path": MANIFEST, "sha256": sha256})
    filled: dict[str, bytes] = {}
    for name in ("loader.js", "sw.js"):
        build = {
            "digest": bundle.digest,
            "manifest": {"sha256": sha256, "size": len(manifest)},
            "shell": shell,
            "content_security_policy": content_security_policy(),
        }
        try:
            script = (runtime / name).read_bytes()
        except OSError:
            script = b""
        if script.count(BUILD_TOKEN) != 1:
            raise UsageError(
                f"The compiled runtime is damaged: {runtime / name} has no place for the build.",
                "In a checkout run `make runtime`; otherwise install tfjs-bundle again.",
            )
        filled[name] = script.replace(BUILD_TOKEN, json.dumps(build, separators=(",", ":")).encode())
        shell = [*shell, {"path": name, "sha256": hashlib.sha256(filled[name]).hexdigest()}]
    return filled
