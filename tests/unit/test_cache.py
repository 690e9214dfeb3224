"""The directory that builds share: found by key, checked when read, bounded, private, never in the way."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfjs_bundle import cache as caching
from tfjs_bundle import records
from tfjs_bundle.cache import Cache, content_of, identified, parity_key, users_cache
from tfjs_bundle.errors import SourceError, UsageError
from tfjs_bundle.graph.ir import Signature, TensorSpec
from tfjs_bundle.records import Later
from tfjs_bundle.verify.difference import Difference


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def workspace(tmp_path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture
def shard(tmp_path) -> Path:
    path = tmp_path / "0123.bin"
    path.write_bytes(b"weights")
    return path


def entry_of(cache: Cache) -> Path:
    (entry,) = cache.directory.iterdir()
    return entry


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 2.5, True, "text", float("inf")],
        (("a", None), (b"\x00\xff", 1 + 2j)),
        {"by name": {1: "keys that are no texts"}, "": []},
        Signature((TensorSpec("image", (None, 8), "float32", "uint8", "image:0"),), ()),
        Difference("digit", "zeros", index=(0, 3), reference=np.float32(0.5).item(), actual="text"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_kept_is_found_as_it_was(cache, workspace, value):
    cache.keep("key", {"value": value})
    assert cache.find("key", workspace) == {"value": value}


def test_arrays_keep_their_dtype_and_shape_and_texts_their_bytes(cache, workspace):
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array([np.nan, -0.0], np.float64),
        np.array([[True], [False]]),
        np.array([["word", b"\xff"]], object),
        np.zeros((0, 4), np.int32),
    ]
    cache.keep("key", arrays)
    for found, array in zip(cache.find("key", workspace), arrays, strict=True):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


def test_a_file_is_found_with_its_bytes_even_when_the_entry_is_deleted_meanwhile(cache, workspace, shard):
    cache.keep("key", {"shard": shard, "later": Later.of((1, 2))})
    found = cache.find("key", workspace)
    shutil.rmtree(cache.directory)
    assert found["shard"].read_bytes() == b"weights"
    assert found["later"].get() == (1, 2)
    assert cache.find("key", workspace) is None


def test_what_no_record_can_have_is_not_kept_and_no_error(cache, workspace):
    cache.keep("key", object())
    assert cache.find("key", workspace) is None
    assert list(cache.directory.iterdir()) == []


@pytest.mark.parametrize("name", ["record.json", "0-0123.bin"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[: len(data) // 2], lambda _: b""],
    ids=["one bit", "cut short", "empty"],
)
def test_a_damaged_entry_is_no_entry_and_is_replaced(cache, workspace, shard, name, damage):
    cache.keep("key", shard)
    path = entry_of(cache) / name
    path.write_bytes(damage(path.read_bytes()))
    assert cache.find("key", workspace) is None
    cache.keep("key", shard)
    assert cache.find("key", workspace).read_bytes() == b"weights"


def test_what_is_read_later_is_checked_then_or_with_the_rest_where_the_whole_is_wanted(cache, workspace):
    cache.keep("key", {"now": 1, "later": Later.of(np.arange(3))})
    array = next(entry_of(cache).glob("*.npy"))
    array.write_bytes(array.read_bytes()[:-1] + b"\xff")
    found = cache.find("key", workspace)
    assert found["now"] == 1
    with pytest.raises(ValueError, match="is damaged"):
        found["later"].get()
    assert cache.find("key", workspace, whole=True) is None
    assert list(cache.directory.iterdir()) == []


@pytest.mark.parametrize("other", ["subprocess:Popen", "tfjs_bundle.cache:users_cache"])
def test_a_record_makes_nothing_but_dataclasses_of_ours(cache, workspace, other):
    cache.keep("key", Difference("a", "b"))
    path = entry_of(cache) / "record.json"
    document = path.read_text().partition("\n")[2].replace("tfjs_bundle.verify.difference:Difference", other)
    path.write_text(f"{hashlib.sha256(document.encode()).hexdigest()}\n{document}")
    with pytest.raises(ValueError, match=r"is none of ours|is no dataclass"):
        records.read(entry_of(cache), workspace)
    assert cache.find("key", workspace) is None


def test_where_there_is_no_room_the_entry_used_longest_ago_goes(cache, workspace, tmp_path):
    data = tmp_path / "data"
    data.write_bytes(bytes(1000))
    cache = Cache(cache.directory, limit=3000)  # two entries, with their records
    for age, key in ((30, "a"), (20, "b")):
        known = set(cache.directory.iterdir()) if cache.directory.exists() else set()
        cache.keep(key, data)
        (entry,) = set(cache.directory.iterdir()) - known
        os.utime(entry, (entry.stat().st_mtime - age,) * 2)
    assert cache.find("a", workspace)  # and is the youngest by that
    cache.keep("c", data)
    assert [bool(cache.find(key, workspace)) for key in "abc"] == [True, False, True]


def test_an_entry_of_a_process_that_is_at_it_is_left_alone_and_an_abandoned_one_goes(cache):
    cache.keep("a", 1)
    fresh, abandoned = cache.directory / "x.new", cache.directory / "y.new"
    for directory in (fresh, abandoned):
        directory.mkdir()
    os.utime(abandoned, (0, 0))
    cache.keep("b", 2)
    assert fresh.is_dir()
    assert not abandoned.exists()


def test_a_full_or_read_only_place_is_no_error(tmp_path, workspace):
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file")
    cache.keep("key", 1)
    assert cache.find("key", workspace) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other permissions")
def test_a_directory_that_others_may_write_is_neither_read_nor_written(cache, workspace):
    cache.keep("key", 1)
    assert cache.directory.stat().st_mode & 0o077 == 0
    cache.directory.chmod(0o777)
    assert cache.find("key", workspace) is None
    cache.keep("other", 2)
    assert len(list(cache.directory.iterdir())) == 1


def test_the_variable_moves_the_cache_or_turns_it_off(tmp_path, monkeypatch):
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "here"))
    assert users_cache().directory == tmp_path / "here"
    assert users_cache(wanted=False).directory is None
    monkeypatch.setenv(caching.VARIABLE, "off")
    assert users_cache().directory is None
    monkeypatch.delenv(caching.VARIABLE)
    monkeypatch.setattr(caching.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert users_cache().directory == tmp_path / "tfjs-bundle"


def test_a_place_that_was_named_and_cannot_be_used_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"TFJS_BUNDLE_CACHE is .*file, which cannot be used: File exists"):
        users_cache()


def test_a_source_is_looked_into_once_whatever_it_is_called(cache, tmp_path, monkeypatch):
    import h5py

    path = tmp_path / "one.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
    first = identified(path, cache)
    other = path.rename(tmp_path / "other name.h5")
    monkeypatch.setattr(caching, "identify", lambda path: pytest.fail("it was looked into again"))
    again = identified(other, cache)
    assert (again.path, again.name) == (other, "other-name")
    assert (again.format, again.sha256, again.size) == (first.format, first.sha256, first.size)
    again.refuse_if_changed()
    other.write_bytes(b"other bytes")
    with pytest.raises(SourceError, match="was changed while it was being read"):
        again.refuse_if_changed()


@pytest.fixture
def package(tmp_path) -> Path:
    """A directory of code that was written at least a tick of the clock ago."""
    directory = tmp_path / "package"
    (directory / "inner").mkdir(parents=True)
    for name in ("one.py", "inner/two.py"):
        (directory / name).write_text("value = 1")
    clock = tmp_path / "clock"
    clock.touch()
    while clock.stat().st_mtime_ns <= (directory / name).stat().st_mtime_ns:
        clock.touch()
    return directory


@pytest.fixture
def later(monkeypatch) -> None:
    """What is written in the test was written long before."""
    now = caching.time.time_ns()
    monkeypatch.setattr(caching.time, "time_ns", lambda: now + 3600 * 10**9)


def unread(*_) -> bytes:
    pytest.fail("a file was read")


@pytest.mark.usefixtures("later")
def test_code_that_looks_as_it_did_is_not_read_again(cache, package, monkeypatch):
    before = content_of(package, cache)
    monkeypatch.setattr(Path, "read_bytes", unread)
    assert content_of(package, cache) == before


def edit_in_its_size(package: Path) -> None:
    (package / "inner" / "two.py").write_text("value = 2")


def edit_and_put_its_date_back(package: Path) -> None:
    path = package / "one.py"
    dates = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text("value = 2")
    os.utime(path, ns=dates)


def replace_by_one_of_its_date(package: Path) -> None:
    path, new = package / "one.py", package / "new"
    new.write_text("value = 2")
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    new.replace(path)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "change",
    [
        edit_in_its_size,
        pytest.param(
            edit_and_put_its_date_back,
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows does not say when a date was set"),
        ),
        replace_by_one_of_its_date,
        lambda package: (package / "three.py").touch(),
        lambda package: (package / "one.py").unlink(),
        lambda package: (package / "one.py").rename(package / "other.py"),
    ],
    ids=["edited", "edited, same date", "replaced", "added", "deleted", "renamed"],
)
def test_changed_code_is_noticed(cache, package, change):
    before = content_of(package, cache)
    change(package)
    assert content_of(package, cache) != before


def test_code_that_was_written_just_now_is_read_again_whatever_it_looks_like(cache, package, monkeypatch):
    before = content_of(package, cache)
    stamps = list(caching._stamps(package))
    (package / "one.py").write_text("value = 2")
    monkeypatch.setattr(caching, "_stamps", lambda _: stamps)  # as where both fall within a tick
    assert content_of(package, cache) != before


@pytest.mark.usefixtures("later")
def test_the_digest_of_code_is_of_its_content_alone(cache, package, tmp_path):
    before = content_of(package, cache)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "one.cpython-311.pyc").write_bytes(b"compiled")
    assert content_of(package, cache) == before
    assert content_of(shutil.copytree(package, tmp_path / "copy"), cache) == before


def test_another_browser_is_another_parity(tmp_path, monkeypatch):
    browser = tmp_path / "chromium"
    browser.write_bytes(b"1")
    browser.chmod(0o755)
    monkeypatch.setenv("TFJS_BUNDLE_CHROMIUM", str(browser))
    before = parity_key("model")
    browser.write_bytes(b"of another size")
    assert parity_key("model") != before
    assert parity_key(None) is None
    browser.unlink()
    assert parity_key("model") is None
