"""docs/bundle.schema.json takes the manifests that are written, and refuses what the reader refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo_sites
import jsonschema
import pytest
import tiny_bundle

from tfjs_bundle.bundle import load_bundle
from tfjs_bundle.errors import SourceError

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "bundle.schema.json").read_bytes())
WRONG = [None, -1, 1.5, True, "x", [], ["x"], [None], {"x": None}]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """A manifest with every kind of member, and some that were written by others."""
    directory = tmp_path_factory.mktemp("bundles")
    pictures = demo_sites.write_site(
        directory / "pictures",
        demo_sites.which_colour(),
        "image-classification",
        labels={"colour": list("rgb")},
    )
    tiny = tiny_bundle.write_bundle(
        directory / "tiny", backends={"webgl": {"supported": False, "missing_ops": ["Einsum"]}}
    )
    found = {path.name: json.loads((path / "bundle.json").read_bytes()) for path in (pictures, tiny)}
    found["program"] = copy.deepcopy(found["tiny"])
    found["program"]["preprocessing"] = {"x": {"kind": "program", "file": "model/0.json"}}
    return found


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture
def read(tmp_path):
    """A function that says why the reader refuses a manifest, empty where it does not."""

    def refusal(manifest: Any) -> str:
        (tmp_path / "bundle.json").write_text(json.dumps(manifest))
        try:
            load_bundle(tmp_path)
        except SourceError as error:
            return error.what
        return ""

    return refusal


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Return the way to every member, and to the first entry of every array."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))[:1]
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))


def changed(manifest: Any, path: tuple, value: Any = None, remove: bool = False) -> Any:
    copied = copy.deepcopy(manifest)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copied


def test_what_is_written_is_valid(manifests, validator, read):
    for name, manifest in manifests.items():
        validator.validate(manifest)
        assert read(manifest) == "", name


def test_members_that_nobody_knows_are_ignored(manifests, validator, read):
    for manifest in manifests.values():
        more = {**manifest, "later": 1, "signature": {**manifest["signature"], "later": []}}
        assert validator.is_valid(more)
        assert not read(more)


def test_every_required_member_is_missed_by_schema_and_reader(manifests, validator, read):
    optional = {"backends", "part"}  # of a file
    missed = 0
    for manifest in manifests.values():
        for path in places(manifest):
            free = path[0] in ("labels", "created_with", "preprocessing", "backends") and len(path) == 2
            in_array = isinstance(path[-1], int)
            if free or in_array or (path[0] == "files" and path[-1] in optional):
                continue
            broken = changed(manifest, path, remove=True)
            assert not validator.is_valid(broken), path
            assert "is damaged" in read(broken) or path == ("schema_version",), path
            missed += 1
    assert missed > 60


def test_schema_and_reader_agree_on_values_of_every_kind(manifests, validator, read):
    refused, seen = 0, set()
    for whole in manifests.values():
        manifest = {**whole, "files": [max(whole["files"], key=len)]}  # the one with the most members
        for path in places(manifest):
            for value in WRONG if path not in seen else ():
                broken = changed(manifest, path, value)
                valid, refusal = validator.is_valid(broken), read(broken)
                if "its digest is not" in refusal:  # which no schema can say
                    refusal = ""
                assert valid == (not refusal), (path, value, refusal)
                refused += not valid
            seen.add(path)
    assert refused > 300


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "a\\b", "./a", "a//b", "", "a/"])
def test_a_path_that_leaves_the_bundle_is_refused(manifests, validator, read, path):
    broken = changed(manifests["tiny"], ("files", 0, "path"), path)
    assert not validator.is_valid(broken)
    assert "leaves the bundle" in read(broken)


@pytest.mark.parametrize("path", ["a", ".nojekyll", "..a", "a/.b/c...d", "model/ä b.bin"])
def test_every_other_path_is_one(manifests, validator, path):
    assert validator.is_valid(changed(manifests["tiny"], ("files", 0, "path"), path))


def test_a_file_that_is_listed_twice_is_refused(manifests, read):
    twice = copy.deepcopy(manifests["tiny"])
    twice["files"].append(twice["files"][0])
    assert "is listed twice" in read(twice)
