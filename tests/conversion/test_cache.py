"""What builds of one caller keep: found by content, used only where it would come out the same."""

from __future__ import annotations

import pytest

from tfjs_bundle import pipeline
from tfjs_bundle.cache import Cache, model_key
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import SourceError
from tfjs_bundle.progress import Progress
from tfjs_bundle.source.identify import identify

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def cache():
    with Cache() as cache:
        yield cache


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
    plain = model_key(file, BuildOptions())
    assert model_key(file, BuildOptions(labels=["a"], name="b", template=tmp_path)) == plain
    for other in (
        BuildOptions(shard_size=1024),
        BuildOptions(preprocessing={"picture": {"scale": 2}}),
        BuildOptions(backends=("cpu",)),
        BuildOptions(unsafe=True),
    ):
        assert model_key(file, other) != plain


def test_other_data_of_the_same_name_are_another_key(source, tmp_path):
    data = tmp_path / "data.npz"
    data.write_bytes(b"one")
    one = model_key(identify(source), BuildOptions(data=data))
    data.write_bytes(b"two")
    assert model_key(identify(source), BuildOptions(data=data)) != one


def test_a_model_with_custom_code_is_never_kept(source):
    assert model_key(identify(source), BuildOptions(custom_objects="layers.py")) is None


def test_an_entry_lasts_while_it_is_among_the_last_four(cache):
    directories = {}

    def make(directory):
        (directory / "weights").write_bytes(b"1")
        return directory

    for key in "abcd":
        directories[key] = cache.get(key, make)
    assert cache.get("a", make) == directories["a"]
    cache.get("e", make)
    assert not directories["b"].exists()
    assert (cache.get("a", make) / "weights").read_bytes() == b"1"


def test_what_fails_is_not_kept(cache):
    def fail(directory):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("a", fail)
    assert cache.get("a", lambda _: "made") == "made"
