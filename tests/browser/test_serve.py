"""``tfjs-bundle serve SOURCE`` as a real process, beside which files are edited; and previews from Python."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

import h5py
import models
import numpy as np
import pytest
from ctrl_c import heed_ctrl_c
from playwright.sync_api import expect

from tfjs_bundle.cli import cli
from tfjs_bundle.errors import SourceError, UsageError

pytestmark = pytest.mark.tensorflow

#: Seconds that anything may take on a busy machine; nothing waits that long where all is well.
PATIENCE = 240

LABELS = ["alpha", "beta", "gamma"]

expect.set_options(timeout=60_000)


def favours(path: Path, number: int) -> Path:
    """Save a model of ``x`` [None, 2] to three probabilities, of which ``number`` is by far the largest."""
    keras = models.keras()
    layer = keras.layers.Dense(3, activation="softmax", kernel_initializer="zeros", name="kind")
    model = keras.Sequential([keras.Input((2,), name="x"), layer])
    layer.set_weights([np.zeros((2, 3)), 9 * np.eye(3)[number]])
    model.save(path)
    return path


class Serve:
    """The command, running in a directory of its own.

    Attributes:
        url: where it serves.
        said: the lines it has said so far.
    """

    def __init__(self, directory: Path, *arguments: object) -> None:
        self.directory = directory
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        temporary = directory / "tmp"
        temporary.mkdir()
        self.temporary = temporary
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfjs_bundle", "serve", *map(str, arguments)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=heed_ctrl_c,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "PYTHONUNBUFFERED": "1",
                "COLUMNS": "200",
                "TMPDIR": str(temporary),
            },
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = re.search(r"at (http\S+)", self.hear("Preview of"))[1]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            self._lines.put(line.rstrip())

    def hear(self, words: str) -> str:
        """Wait for a line that has ``words`` or matches them as a pattern, and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=deadline - time.monotonic())
            except queue.Empty:
                break
            if re.search(words, line):
                return line
        raise AssertionError(f"never said {words!r}, but\n" + "\n".join(self.said))

    def forget(self) -> None:
        """Listen to what is said from now on."""
        while not self._lines.empty():
            self._lines.get()

    def write(self, name: str, content: bytes) -> None:
        """Replace a file, unless it is like that already, and wait for what comes of it."""
        path = self.directory / name
        if path.exists() and path.read_bytes() == content:
            return
        self.forget()
        fresh = self.temporary / name
        fresh.write_bytes(content)
        fresh.replace(path)
        self.hear(rf"{re.escape(name)} changed: (built|failed)")

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it as a person would, and return its exit code."""
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of three models, each in favour of another class."""
    directory = tmp_path_factory.mktemp("saved")
    first = favours(directory / "0.keras", 0)
    return [first.read_bytes(), *(_with_bias(first, number) for number in (1, 2))]


def _with_bias(saved: Path, number: int) -> bytes:
    """Return the bytes of a saved model in favour of another class, without Keras."""
    other = saved.with_name(f"{number}.keras")
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "model.weights.h5":
                weights = saved.with_name("weights.h5")
                weights.write_bytes(content)
                with h5py.File(weights, "r+") as file:
                    file["layers/dense/vars/1"][...] = 9 * np.eye(3)[number]
                content = weights.read_bytes()
            target.writestr(name, content)
    return other.read_bytes()


@pytest.fixture(scope="module")
def process(saved, tmp_path_factory):
    """One command for all tests, started on a port that is busy."""
    directory = tmp_path_factory.mktemp("work")
    (directory / "model.keras").write_bytes(saved[0])
    (directory / "labels.txt").write_text("\n".join(LABELS))
    (directory / "templates").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        options = ["--labels", "labels.txt", "--template", "templates", "--no-verify"]
        process = Serve(directory, "model.keras", *options, "--port", busy.getsockname()[1])
    process.hear("built in")
    yield process
    if process.process.poll() is None:
        process.stop()


@pytest.fixture
def serve(process, saved):
    """The command, with its files as they were at first."""
    process.write("model.keras", saved[0])
    process.write("labels.txt", "\n".join(LABELS).encode())
    if (process.directory / "tfjs-bundle.toml").exists():
        (process.directory / "tfjs-bundle.toml").unlink()
        process.hear("toml changed: built")
    return process


@pytest.fixture
def problem(page):
    return page.locator("tfjs-bundle-preview .problem")


def predicts(page, label: str) -> None:
    """Ask the page for a prediction, again where it has loaded meanwhile, until it says ``label``."""
    deadline = time.monotonic() + PATIENCE
    while True:
        expect(page.locator("#engine")).to_contain_text("on your processor")
        page.get_by_role("button", name="Predict").click()
        try:
            expect(page.locator(".headline").first).to_contain_text(label, timeout=5000)
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def test_a_busy_port_is_left_to_who_has_it(process):
    assert any(re.fullmatch(r"Port \d+ is busy; taking the next free one\.", line) for line in process.said)


def test_an_edited_model_is_in_the_open_page_with_its_own_predictions(serve, saved, page):
    page.goto(serve.url)
    predicts(page, "alpha")
    before = page.url
    serve.write("model.keras", saved[1])
    page.wait_for_url(lambda url: url != before)
    predicts(page, "beta")


def test_a_broken_model_lies_over_the_old_page_which_still_predicts_until_it_is_mended(
    serve, saved, page, problem
):
    page.goto(serve.url)
    predicts(page, "alpha")
    serve.write("model.keras", saved[1][:2000])
    expect(problem).to_contain_text("model.keras is a truncated or damaged zip file")
    serve.hear("truncated or damaged")
    predicts(page, "alpha")
    before = page.url
    serve.write("model.keras", saved[2])
    page.wait_for_url(lambda url: url != before)
    expect(problem).to_be_empty()
    predicts(page, "gamma")


def test_edited_labels_are_in_the_open_page_and_nothing_is_converted(serve, page):
    page.goto(serve.url)
    predicts(page, "alpha")
    before = page.url
    said = len(serve.said)
    serve.write("labels.txt", b"one\ntwo\nthree")
    page.wait_for_url(lambda url: url != before)
    predicts(page, "one")
    assert [line.split(" ", 1)[1].split(":")[0] for line in serve.said[said:]] == ["labels.txt changed"]


def test_a_configuration_that_appears_is_read_and_what_is_wrong_with_it_is_shown(serve, page, problem):
    page.goto(serve.url)
    serve.write("tfjs-bundle.toml", b'name = "Another name"')
    expect(page.get_by_role("heading", level=1)).to_have_text("Another name")
    serve.write("tfjs-bundle.toml", b"name = ")
    expect(problem).to_contain_text("tfjs-bundle.toml is not valid TOML")
    serve.write("tfjs-bundle.toml", b'nome = "Another name"')
    expect(problem).to_contain_text("There is no option 'nome'")


def test_a_template_that_appears_is_a_page(serve, page):
    template = serve.directory / "templates" / "other.html.j2"
    template.write_text("<!doctype html><title>{{ page.name }}</title><p>mine")
    serve.hear("other.html.j2 changed: built")
    page.goto(f"{serve.url}other.html")
    expect(page.get_by_text("mine")).to_be_visible()
    template.write_text("<!doctype html><title>{{ page.name }}</title><p>yours")
    expect(page.get_by_text("yours")).to_be_visible()
    template.unlink()
    serve.hear("other.html.j2 changed: built")


class Fetcher(threading.Thread):
    """Fetches whole bundles one after the other, as a page does, and checks every byte of them."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.faults: list[str] = []
        self.digests: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            try:
                self._fetch_all()
            except Exception as error:
                self.faults.append(repr(error))

    def _fetch_all(self) -> None:
        with urlopen(f"{self.url}bundle.json", timeout=60) as answer:
            manifest, base = json.loads(answer.read()), answer.url
        for file in manifest["files"]:
            with urlopen(urljoin(base, file["path"]), timeout=60) as answer:
                if hashlib.sha256(answer.read()).hexdigest() != file["sha256"]:
                    self.faults.append(f"{file['path']} is not that of {manifest['digest']}")
        self.digests.append(manifest["digest"])


def test_fifty_rapid_edits_give_a_handful_of_builds_and_no_half_built_bundle(serve, saved, page):
    fetcher = Fetcher(serve.url)
    fetcher.start()
    said = len(serve.said)
    for edit in range(1, 51):
        if edit % 10 == 0:
            serve.forget()
        (serve.directory / "model.keras").write_bytes(saved[edit % 3])
        if edit % 10 == 0:  # a pause long enough to be built
            serve.hear("model.keras changed: built")
    fetched = len(fetcher.digests)
    while len(fetcher.digests) < fetched + 2 and fetcher.is_alive() and not fetcher.faults:
        time.sleep(0.05)
    fetcher.enough.set()
    fetcher.join(PATIENCE)
    assert fetcher.faults == []
    assert len(set(fetcher.digests)) >= 2
    builds = [line for line in serve.said[said:] if "changed:" in line]
    assert 5 <= len(builds) <= 20
    page.goto(serve.url)
    predicts(page, LABELS[50 % 3])


def test_a_preview_in_a_frame_on_a_page_of_another_origin_predicts(serve, page, tmp_path, static_host):
    """As in a notebook, whose server sends no isolation headers."""
    host = static_host(tmp_path, isolated=False)
    host.headers.clear()
    (tmp_path / "index.html").write_text(f'<!doctype html><iframe src="{serve.url}" height="900"></iframe>')
    page.goto(host.url.replace("127.0.0.1", "localhost"))
    frame = page.frame_locator("iframe")
    expect(frame.locator("#engine")).to_contain_text("on your processor")
    frame.get_by_role("button", name="Predict").click()
    expect(frame.locator(".headline").first).to_contain_text("alpha")


def test_ctrl_c_stops_it_without_a_word_or_a_trace_though_pages_are_open(serve, page):
    """The last test of the shared process."""
    page.goto(serve.url)
    predicts(page, "alpha")
    said = len(serve.said)
    assert serve.stop() == 0
    assert serve.said[said:] == []
    assert list(serve.temporary.iterdir()) == []
    expect(page.locator("tfjs-bundle-preview .status")).to_contain_text("The preview has stopped")
    predicts(page, "alpha")


def test_it_stops_at_once_in_the_middle_of_a_build(saved, tmp_path):
    (tmp_path / "model.keras").write_bytes(saved[0])
    serve = Serve(tmp_path, "model.keras", "--port", 0)
    with urlopen(f"{serve.url}__tfjs-bundle/events", timeout=PATIENCE) as events:
        next(line for line in events if b"Converting" in line)
        while not (children := _with_tensorflow(serve.process.pid)):  # it is being imported just now
            assert serve.process.poll() is None
            time.sleep(0.01)
        assert serve.stop(signal.SIGTERM) == 0
    assert not re.search("Error|Traceback|failed", "\n".join(serve.said))
    assert list(tmp_path.joinpath("tmp").iterdir()) == []
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def _with_tensorflow(parent: int) -> list[str]:
    """Return the ids of the child processes that have loaded TensorFlow's library."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [child for child in children if "libtensorflow" in Path(f"/proc/{child}/maps").read_text()]


@pytest.mark.parametrize(
    ("arguments", "refusal", "words"),
    [
        (["none.keras"], SourceError, "none.keras does not exist"),
        (["model.keras", "--shard-size", "tiny"], UsageError, "'tiny' is no shard size"),
    ],
)
def test_what_no_edit_would_mend_ends_the_command(tmp_path, monkeypatch, arguments, refusal, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.keras").touch()
    with pytest.raises(refusal, match=words):
        cli.main(["serve", *arguments], standalone_mode=False)


def test_a_finished_bundle_is_served_without_tensorflow(tiny_bundle):
    program = (
        "import sys\nfrom tfjs_bundle.cli import main\n"
        "try:\n main(['serve', sys.argv[1], '--port', '0'])\n"
        "finally:\n print(sorted({'tensorflow', 'keras'} & set(sys.modules)), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program, str(tiny_bundle)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        url = re.search(r"at (http\S+)", process.stdout.readline())[1]
        with urlopen(f"{url}bundle.json", timeout=PATIENCE) as answer:
            assert json.loads(answer.read())["name"] == "tiny"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.strip()) == (0, "[]")


def test_a_callback_shows_in_the_open_page_what_an_epoch_has_made_better(page):
    keras = models.keras()
    from tfjs_bundle.keras import PreviewCallback

    layer = keras.layers.Dense(3, activation="softmax", name="kind")
    model = keras.Sequential([keras.Input((2,), name="x"), layer])
    model.compile("sgd", "mse")
    callback = PreviewCallback(monitor="made_up", mode="max", labels=LABELS, verbose=0)

    shown: list[str] = []

    class Script(keras.callbacks.Callback):
        """Stands for training: what each epoch makes of the weights, and what the metric says of that."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                predicts(page, "alpha")
                shown.append(page.url)

        def on_epoch_end(self, epoch, logs=None):
            logs["made_up"] = [1.0, 2.0, 0.5][epoch]
            layer.set_weights([np.zeros((2, 3)), 9 * np.eye(3)[epoch]])

    data = np.zeros((4, 2), np.float32), np.zeros((4, 3), np.float32)
    with contextlib.closing(callback):
        page.goto(callback.url)
        model.fit(*data, epochs=3, verbose=0, callbacks=[Script(), callback])
        page.wait_for_url(lambda url: url not in shown)
        predicts(page, "beta")
        assert callback.best == 2.0
    with pytest.raises((OSError, HTTPError)):
        urlopen(callback.url, timeout=PATIENCE)
