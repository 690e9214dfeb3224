"""Telling that files have changed, once they have come to rest."""

from __future__ import annotations

import os
import threading

import pytest

from tfjs_bundle.serve import watch
from tfjs_bundle.serve.watch import Watched, Watcher


@pytest.fixture
def watcher():
    with Watcher() as watcher:
        yield watcher


def no_events(monkeypatch) -> None:
    """As on a network drive, or when the system has no watches left."""
    import watchdog.observers

    def refuse(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(watchdog.observers.Observer, "schedule", refuse)
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.05)


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("slow", [True, False])
def test_a_changed_file_is_told_once(tmp_path, watcher, monkeypatch, events, slow):
    monkeypatch.setattr(watch, "SLOW", 0.2)
    if not events:
        no_events(monkeypatch)
    path = tmp_path / "file"
    path.write_text("one")
    watcher.about_to_read([Watched(path, slow)])
    path.write_text("two, longer")
    assert watcher.wait() == [path]
    watcher.about_to_read([Watched(path, slow)])
    threading.Timer(0.5, watcher.close).start()
    assert watcher.wait() == []


def test_a_change_is_news_before_it_has_come_to_rest(tmp_path, watcher):
    path = tmp_path / "file"
    path.write_text("one")
    watcher.about_to_read([Watched(path)])
    assert not watcher.has_news()
    path.write_text("two, longer")
    assert watcher.has_news()


def test_what_changes_while_it_is_being_read_is_told_afterwards(tmp_path, watcher):
    path = tmp_path / "file"
    path.write_text("one")
    watcher.about_to_read([Watched(path)])
    assert path.read_text() == "one"
    path.write_text("two, longer")
    assert watcher.wait() == [path]


def test_a_file_of_the_same_size_and_time_that_takes_the_place_of_another_is_told(tmp_path, watcher):
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_text("one")
    other.write_text("two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    watcher.about_to_read([Watched(path)])
    other.replace(path)
    assert watcher.wait() == [path]


def test_a_file_that_appears_and_one_that_goes_are_told(tmp_path, watcher):
    here, coming = tmp_path / "here", tmp_path / "coming"
    here.touch()
    watcher.about_to_read([Watched(here), Watched(coming)])
    here.unlink()
    coming.touch()
    assert watcher.wait() == [coming, here]


def test_files_anywhere_in_a_directory_are_told(tmp_path, watcher):
    (tmp_path / "a" / "b").mkdir(parents=True)
    watcher.about_to_read([Watched(tmp_path / "a")])
    (tmp_path / "a" / "b" / "new.html").write_text("new")
    assert watcher.wait() == [tmp_path / "a" / "b" / "new.html"]


def test_a_model_is_told_when_its_writer_has_closed_it_and_not_before(tmp_path, watcher, monkeypatch):
    """Nothing but the system's word ends the wait here: a writer may stall for any time."""
    monkeypatch.setattr(watch, "SLOW", 1000)
    path = tmp_path / "model.keras"
    path.write_bytes(b"")
    watcher.about_to_read([Watched(path, slow=True)])
    halfway, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("wb") as file:
            file.write(b"half")
            file.flush()
            halfway.set()
            go_on.wait()
            file.write(b" and whole")

    writer = threading.Thread(target=write)
    writer.start()
    halfway.wait()
    threading.Timer(0.5, go_on.set).start()
    assert watcher.wait() == [path]
    assert path.read_bytes() == b"half and whole"
    writer.join()


def test_without_events_a_file_that_grows_is_told_when_it_has_stopped(tmp_path, watcher, monkeypatch):
    no_events(monkeypatch)
    path = tmp_path / "model.keras"
    path.write_bytes(b"")
    watcher.about_to_read([Watched(path, slow=True)])
    quiet_times: list[float] = []

    def write_meanwhile(seconds: float) -> bool:
        quiet_times.append(seconds)
        if len(quiet_times) < 4:
            path.write_bytes(b"x" * len(quiet_times))
        return False

    path.write_bytes(b"first of several parts")
    monkeypatch.setattr(watcher._events, "wait", write_meanwhile)
    assert watcher.wait() == [path]
    assert quiet_times == [watch.SLOW] * 4


def test_nothing_is_told_of_what_lies_beside(tmp_path, watcher):
    path = tmp_path / "file"
    path.touch()
    watcher.about_to_read([Watched(path)])
    (tmp_path / "another").write_text("one")
    threading.Timer(0.5, watcher.close).start()
    assert watcher.wait() == []


def test_closing_ends_a_wait(tmp_path, watcher):
    watcher.about_to_read([Watched(tmp_path / "file")])
    threading.Timer(0.05, watcher.close).start()
    assert watcher.wait() == []
