"""From the parts of a bundle to the files of an npm package, which an app's own build takes in.

The model's files and the runtime's binaries are those of the site. In place of ``loader.js`` and ``sw.js``
there are ``index.js``, ``files.js`` (where a bundler has put every file) and ``package.json``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from tfjs_bundle.bundle import MANIFEST, MEASURED, Bundle, BundleFile
from tfjs_bundle.cache import Cache
from tfjs_bundle.errors import UsageError
from tfjs_bundle.site.render import (
    Parts,
    Site,
    SiteSpec,
    for_model,
    read_runtime,
    runtime_directory,
    template_values,
)
from tfjs_bundle.site.templates import PACKAGE_TEMPLATES, render_templates

#: It carries the hash of the manifest, and is outside of the manifest for that, as package.json and
#: precache.json are.
LATE_TEMPLATE = "npm/files.js"
OUTSIDE_FILES = (MANIFEST, *MEASURED, "files.js", "package.json", "precache.json")

#: Of scripts that are fetched as they are: what is called ``.js``, bundlers and dev servers rewrite.
SCRIPT_SUFFIX = ".txt"

_NAME = re.compile(r"(@[a-z0-9-~][a-z0-9-._~]*/)?[a-z0-9-~][a-z0-9-._~]*")

#: What is fetched by address; modules are imported.
FETCHED_ROLES = ("model", "weights", "program", "golden", "engine", "backend")

#: Another content would have another name, see docs/bundle-format.md.
CONTENT_NAMED_ROLES = ("weights", "program", "engine", "backend")

#: Offline, what runs in every browser will do.
PRECACHED_BACKENDS = {"wasm", "cpu"}


def render_package(
    spec: SiteSpec,
    *,
    package: Mapping[str, Any] | None = None,
    template: Path | None = None,
    runtime: Path | None = None,
    cache: Cache | None = None,
) -> Site:
    """Put the package together.

    Args:
        spec: the bundle's own parts.
        package: members of package.json that replace ours, or are added.
        template: a directory; what lies in its ``npm/`` replaces our templates by name.
        runtime: the compiled runtime; :func:`~tfjs_bundle.site.render.runtime_directory` by default.
        cache: of compiled templates.

    Raises:
        UsageError: the runtime is not built or is damaged, ``template`` is no directory or does not render,
            or ``package`` has what package.json cannot have.
    """
    runtime = runtime or runtime_directory()
    compiled = read_runtime(runtime)
    parts = Parts()
    for path, file in spec.model_files.items():
        parts.add(path, file.content, file.role)
    for entry in for_model(spec, compiled["op_sets"], compiled["npm"]):
        parts.add_compiled(spec, runtime, entry)
    for entry in compiled["files"]:
        if entry["role"] == "hosting" or entry["path"].endswith(".wasm"):
            parts.add_compiled(spec, runtime, entry)
        elif entry.get("part") == "wasm-thread":
            parts.add_compiled(spec, runtime, entry, SCRIPT_SUFFIX)

    spec = replace(spec, created_with={**spec.created_with, "tfjs": compiled["tfjs_version"]})
    name = _checked(package or {}).get("name") or package_name(spec.name)
    values = {**template_values(spec, parts.entries), "package": {"name": name}}
    for path, content in render_templates(template, values, _place, cache):
        parts.add_template(path, content, "hosting", OUTSIDE_FILES)

    bundle = parts.bundle(spec)
    manifest = bundle.dumps()
    assets = _assets(bundle, manifest)
    build = {
        "digest": bundle.digest,
        "manifest": {"sha256": sha256(manifest).hexdigest(), "size": len(manifest)},
    }
    late = dict(render_templates(template, {**values, "build": build, "assets": assets}, _place_late, cache))
    late[MANIFEST] = manifest
    late["package.json"] = _json({**_package(bundle, name), **(package or {})})
    late["precache.json"] = _json(_precache(assets))
    files = {**parts.files, **late}
    return Site({path: files[path] for path in sorted(files)}, bundle)


def package_name(text: str) -> str:
    """Return ``text`` as npm takes it: lower-case ASCII letters, digits and single hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:200] or "keras-model"


def _checked(package: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse members that npm would refuse, or that JSON has not."""
    name = package.get("name", "")
    if name and (not isinstance(name, str) or not _NAME.fullmatch(name)):
        raise UsageError(
            f"{name!r} is no name of an npm package.",
            "Take lower-case letters, digits and hyphens, for instance @acme/digits, under [package].",
        )
    for member, value in package.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise UsageError(
                f"The member {member!r} of [package] cannot stand in package.json: {value!r}.", "Correct it."
            ) from None
    return package


def _place(path: str) -> str | None:
    if path.startswith(PACKAGE_TEMPLATES) and not _place_late(path):
        return path.removeprefix(PACKAGE_TEMPLATES)
    return None


def _place_late(path: str) -> str | None:
    return path.removeprefix(PACKAGE_TEMPLATES) if path == LATE_TEMPLATE else None


def _package(bundle: Bundle, name: str) -> dict[str, Any]:
    """Return package.json: the version is the digest's, nobody but its owner may pass the model on."""
    module = {"types": "./index.d.ts", "default": "./index.js"}
    return {
        "name": name,
        # One identifier whatever the digits are: of digits alone it could not begin with a zero.
        "version": f"0.0.0-sha256-{bundle.digest[:16]}",
        "description": f"The model {bundle.name}, computed by TensorFlow.js where it is used",
        "license": "UNLICENSED",
        "private": True,
        "type": "module",
        "sideEffects": False,
        "types": "./index.d.ts",
        "exports": {
            ".": module,
            "./precache": {"types": "./precache.d.ts", "default": "./precache.js"},
            "./model/*": "./model/*",
            "./runtime/*": "./runtime/*",
            "./*.json": "./*.json",
        },
        "files": ["*.js", "*.d.ts", "*.json", "model", "runtime"],
    }


def _assets(bundle: Bundle, manifest: bytes) -> list[dict[str, Any]]:
    """Return what is fetched when a model is loaded, and by which name its content is known."""
    own = BundleFile(MANIFEST, len(manifest), sha256(manifest).hexdigest(), "page")
    return [
        {
            "path": file.path,
            "role": file.role,
            "revision": None if file.role in CONTENT_NAMED_ROLES else file.sha256,
            "backends": list(file.backends),
        }
        for file in (own, *bundle.files)
        if file.role in FETCHED_ROLES or file.path == MANIFEST
    ]


def _precache(assets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the list by paths in the package; ``precache()`` gives it by what a bundler made of them."""
    return [
        {"url": asset["path"], "revision": asset["revision"]}
        for asset in assets
        if not asset["backends"] or PRECACHED_BACKENDS.intersection(asset["backends"])
    ]


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
