"""What builds keep for the next one: found by content, used only where it would come out the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module

import pytest

from tfjs_bundle import pipeline
from tfjs_bundle.cache import VARIABLE, Cache, model_key
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import SourceError
from tfjs_bundle.progress import Progress
from tfjs_bundle.source.identify import identify
from tfjs_bundle.verify.report import BackendParity, ParityReport

pytestmark = pytest.mark.tensorflow

#: Modules that a build has no use for when it finds its model, and that take their time to import.
NEEDLESS = {
    "tensorflow",
    "keras",
    "numpy",
    "h5py",
    "playwright",
    "importlib.metadata",
    "email",
    "subprocess",
    "tomllib",
    "tfjs_bundle.prepare",
    "tfjs_bundle.graph.passes",
    "tfjs_bundle.source.custom",
    "tfjs_bundle.compress.apply",
}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="module")
def source(sample):
    return sample("cnn").path


def build(source, output, child, cache, **options) -> pipeline.BuildResult:
    return pipeline.build(source, output, BuildOptions(verify=False, **options), Progress(), child, cache)


def files_of(directory) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_build_with_other_labels_converts_nothing_and_equals_one_without_a_cache(
    source, tmp_path, child, cache
):
    labels = [f"class {number}" for number in range(4)]
    build(source, tmp_path / "first", child, cache)
    again = build(source, tmp_path / "again", child, cache, labels=labels, name="Other words")
    assert again.reused
    assert set(again.seconds) == {"read", "render"}
    build(source, tmp_path / "fresh", child, None, labels=labels, name="Other words")
    assert files_of(tmp_path / "again") == files_of(tmp_path / "fresh")


def test_a_changed_model_is_converted(sample, tmp_path, child, cache):
    path = tmp_path / "model.keras"
    path.write_bytes(sample("dense_gelu").path.read_bytes())
    build(path, tmp_path / "site", child, cache)
    path.write_bytes(sample("two_in_two_out").path.read_bytes())
    changed = build(path, tmp_path / "site", child, cache)
    assert "convert" in changed.seconds
    assert [info.name for info in changed.bundle.inputs] == list(sample("two_in_two_out").inputs)


def test_a_model_that_changes_while_it_is_read_is_not_kept_for_what_it_was(sample, tmp_path, child, cache):
    path = tmp_path / "model.keras"
    first, second = (sample(name).path.read_bytes() for name in ("dense_gelu", "two_in_two_out"))
    path.write_bytes(first)

    def change(event) -> None:
        if (event.kind, event.stage) == ("stage", "convert"):
            path.write_bytes(second)

    with pytest.raises(SourceError, match="changed while it was being read"):
        pipeline.build(path, tmp_path / "site", BuildOptions(verify=False), Progress(change), child, cache)
    path.write_bytes(first)
    built = build(path, tmp_path / "site", child, cache)
    assert [info.name for info in built.bundle.inputs] == list(sample("dense_gelu").inputs)


def test_options_of_the_numbers_are_part_of_the_key_and_those_of_the_page_are_not(source, tmp_path):
    file = identify(source)
    plain = model_key(file, BuildOptions(), Cache())
    assert model_key(file, BuildOptions(labels=["a"], name="b", template=tmp_path), Cache()) == plain
    for other in (
        BuildOptions(shard_size=1024),
        BuildOptions(preprocessing={"picture": {"scale": 2}}),
        BuildOptions(backends=("cpu",)),
        BuildOptions(unsafe=True),
    ):
        assert model_key(file, other, Cache()) != plain


def test_other_data_of_the_same_name_are_another_key(source, tmp_path):
    data = tmp_path / "data.npz"
    data.write_bytes(b"one")
    one = model_key(identify(source), BuildOptions(data=data), Cache())
    data.write_bytes(b"two")
    assert model_key(identify(source), BuildOptions(data=data), Cache()) != one


def test_a_model_with_custom_code_is_never_kept(source):
    assert model_key(identify(source), BuildOptions(custom_objects="layers.py"), Cache()) is None


@pytest.mark.parametrize("options", [{}, {"quantize": "int8"}], ids=["as it is", "quantized"])
def test_another_process_builds_with_other_labels_and_imports_nothing_that_it_has_no_use_for(
    source, tmp_path, child, cache, options
):
    build(source, tmp_path / "first", child, cache, **options)
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    script = (
        "import sys\n"
        "from tfjs_bundle.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    named = ("--name", "Other words", "--no-verify", "--json")
    told = subprocess.run(
        [sys.executable, "-c", script, "build", source, "-o", tmp_path / "site", *named, *given],
        env={**os.environ, VARIABLE: str(cache.directory), "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    again = json.loads(told.stdout)
    assert again["reused"]
    assert set(again["seconds"]) == {"read", "render"}
    first, other = ((tmp_path / name / "model" / "model.json").read_bytes() for name in ("first", "site"))
    assert first == other
    imported = set(told.stderr.splitlines()[-1].split())
    assert "jinja2" in imported, "the list of modules is not what this test takes it for"
    assert not imported & NEEDLESS


def test_what_was_kept_without_verification_is_verified_with_the_reference_that_was_kept(
    source, tmp_path, child, cache, monkeypatch
):
    build(source, tmp_path / "site", child, cache)
    seen = []

    def verified(directory, cases, references, *_):
        seen.extend(zip(cases, references, strict=True))
        return ParityReport(backends=(BackendParity("cpu", "passed"),))

    monkeypatch.setattr(import_module("tfjs_bundle.verify.parity"), "verify_build", verified)
    options = BuildOptions()
    first = pipeline.build(source, tmp_path / "site", options, Progress(), child, cache)
    again = pipeline.build(source, tmp_path / "site", options, Progress(), child, cache)
    assert first.reused
    assert first.parity == again.parity
    (case, reference), *_ = seen
    assert case.inputs["image"].dtype == "float32"
    assert all(value.dtype == "float32" for value in reference.values())
    assert len(seen) == len({case.name for case, _ in seen})  # the second build verified nothing
