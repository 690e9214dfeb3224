"""The blocks of code in the documentation, and a reader who runs them as they stand, one after the other.

In the source of a page, a comment directly before a block says what is not seen in it:

    <!-- not run: REASON -->   nothing here can run it, for instance what installs something
    <!-- runs with: npm -->    its commands are npm's, or with ``node`` its JavaScript runs there
    <!-- file: NAME -->        it is written into the reader's directory under this name

The languages that run are the methods ``run_...`` of :class:`Reader`; ``text`` is for output and diagrams.
"""

from __future__ import annotations

import _thread
import hashlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from static_host import StaticHost

from hatch_build import find_node
from tfjs_bundle import config
from tfjs_bundle.bundle import MANIFEST
from tfjs_bundle.cli import cli

ROOT = Path(__file__).resolve().parents[2]
#: What a page of the reader's own has, for the JavaScript that looks for it.
OWN_PAGE = '<!doctype html><meta charset="utf-8"><canvas width="280" height="280"></canvas><output></output>'
NO_BROWSER = {"TFJS_BUNDLE_CHROMIUM": "/nowhere"}
#: Seconds; a server that builds first imports TensorFlow, and the machine may be busy.
PATIENCE = 240


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, its language, its text, and what comments say of it."""

    page: Path
    line: int
    language: str
    code: str
    not_run: str = ""
    runs_with: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order; the language of an indented one is ``indented``."""
    found, comments = [], {}
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            said = re.findall(r"<!--\s*(not run|runs with|file):\s*(.*?)\s*-->", token.content, re.DOTALL)
            comments.update((kind.replace(" ", "_"), text) for kind, text in said)
            continue
        if token.type in ("fence", "code_block"):
            language = token.info.split()[0] if token.info.split() else "indented"
            found.append(Block(page, (token.map or [0])[0] + 1, language, token.content, **comments))
        if token.type not in ("list_item_open", "bullet_list_open", "ordered_list_open"):
            comments = {}
    return found


@dataclass
class Reader:
    """Somebody who follows one page in a directory of their own, where ``model.keras`` lies.

    Attributes:
        chromium: Playwright's browser.
        built: what commands wrote before, by everything that they depend on; shared by all readers.
    """

    directory: Path
    chromium: Any
    built: dict[str, Path]
    python: dict[str, Any] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        """Run a block, in the current directory, which is the reader's."""
        if block.file:
            path = self.directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        run: Callable[[Block], None] = getattr(self, f"run_{block.language}")
        run(block)

    def run_sh(self, block: Block) -> None:
        for line in block.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and block.runs_with:
                assert words[0] == "npm", f"nothing runs {words[0]!r} here"
                self._node(find_node()[1], *words[1:], "--offline", "--no-audit", "--no-fund")
            elif words:
                assert words[0] == "tfjs-bundle", f"nothing runs {words[0]!r} here"
                waits = words[1] == "serve" or (words[1] == "demo" and "--no-serve" not in words)
                (self._serve if waits else self._command)(words[1:])

    def run_python(self, block: Block) -> None:
        """Run it as part of the page's one session of Python; ``model`` is the file, loaded."""
        code = compile(block.code, block.place, "exec")
        if {"model", "keras"} & set(code.co_names) and not self.python:
            from models import keras

            self.python["model"] = keras().models.load_model(self.directory / "model.keras")
        exec(code, self.python)

    def run_toml(self, block: Block) -> None:
        values = tomllib.loads(block.code)
        path = self.directory / (block.file or "tfjs-bundle.toml")
        path.write_text(block.code, encoding="utf-8")
        assert values
        config.options({}, path)

    def run_json(self, block: Block) -> None:
        json.loads(block.code)

    def run_js(self, block: Block) -> None:
        name = f"block-{block.line}.mjs"
        (self.directory / name).write_text(block.code, encoding="utf-8")
        if block.runs_with:
            self._node(name)
            return
        (self.directory / "own.html").write_text(OWN_PAGE, encoding="utf-8")
        with self._page("own.html") as page:
            page.evaluate("(script) => import(script)", page.url.replace("own.html", name))

    def run_html(self, block: Block) -> None:
        """Open the page; it is to write what the model gives into its ``<output>``."""
        name = block.file or f"block-{block.line}.html"
        (self.directory / name).write_text(block.code, encoding="utf-8")
        with self._page(name) as page:
            page.wait_for_function("document.querySelector('output').textContent.trim() !== ''")

    def run_ts(self, block: Block) -> None:
        name = self.directory / f"block-{block.line}.ts"
        name.write_text(block.code, encoding="utf-8")
        options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"]
        options += ["--moduleResolution", "bundler"]
        self._node(ROOT / "node_modules/typescript/bin/tsc", *options, name)

    def _node(self, *arguments: str | Path) -> None:
        command = [find_node()[0], *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.directory)
        assert run.returncode == 0, run.stdout + run.stderr

    def _page(self, name: str) -> _OwnPage:
        return _OwnPage(self.directory, name, self.chromium)

    def _command(self, words: list[str]) -> None:
        """Run a command in this process; one that ran before in a directory like this gives what it gave."""
        key = json.dumps([words, _contents(self.directory)])
        output = self.directory / (words[words.index("-o") + 1] if "-o" in words else "dist")
        if key not in self.built:
            # One build is verified, which takes longer than building; the others are as without a browser.
            browser = {} if not self.built or words[0] == "verify" else NO_BROWSER
            ended = CliRunner(env=browser).invoke(cli, words, catch_exceptions=False)
            assert ended.exit_code == 0, ended.output
            if words[0] == "build":
                jsonschema.validate(_read(output / MANIFEST), _read(ROOT / "docs" / "bundle.schema.json"))
            self.built[key] = output
        elif self.built[key] != output and self.built[key].is_dir():
            shutil.copytree(self.built[key], output, dirs_exist_ok=True)

    def _serve(self, words: list[str]) -> None:
        """Start the command, ask for its page when it says where that is, and press Ctrl-C."""
        visit = _Visit()
        # A shell has jobs in the background ignore Ctrl-C, and a run of the tests may be one.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tfjs_bundle.cli._announce", visit.begin)
            try:
                ended = CliRunner(env=NO_BROWSER).invoke(cli, words, catch_exceptions=False)
            finally:
                visit.end()
                signal.signal(signal.SIGINT, before)
        assert ended.exit_code == 0, ended.output
        assert visit.page, ended.output
        assert b"<tfjs-model" in visit.page, visit.page


class _Visit:
    """Somebody on another thread who asks a server for its page and then presses Ctrl-C on this one."""

    def __init__(self) -> None:
        self.page = b""
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._go)
        self._address = ""

    def begin(self, server: Any, what: str, open_browser: bool) -> None:
        """Stands in for the announcement of the command line."""
        self._address = server.url
        self._thread.start()

    def end(self) -> None:
        """No Ctrl-C after this."""
        with suppress(KeyboardInterrupt), self._lock:
            self._ended = True
        if self._thread.ident:
            self._thread.join()

    def _go(self) -> None:
        try:
            # Which only a preview has: its page is built first, or says why it is not.
            with suppress(urllib.error.HTTPError), self._open("__tfjs-bundle/events") as events:
                next(line for line in events if re.search(rb'"version": ?"\w|"problem": ?\{', line))
            with self._open("") as answer:
                self.page = answer.read()
        finally:
            with self._lock:
                if not self._ended:
                    _thread.interrupt_main()

    def _open(self, path: str) -> Any:
        return urllib.request.urlopen(self._address + path, timeout=PATIENCE)


class _OwnPage:
    """A page of the reader's own in Chromium, in a fresh context; what goes wrong in it is an error here."""

    def __init__(self, directory: Path, name: str, chromium: Any) -> None:
        self.host = StaticHost(directory)
        self.host.headers.pop("Content-Security-Policy")  # the reader's page may have scripts inside
        self.context = chromium.new_context()
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(self.host.url + name)

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.context.close()
        self.host.stop()
        assert kind or not self.faults, self.faults


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _contents(directory: Path) -> str:
    """Return a digest of the reader's files, but for bundles, which are made of the others."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        inside_bundle = any((parent / MANIFEST).is_file() for parent in path.parents)
        if path.is_file() and not inside_bundle and not path.name.startswith(("block-", "own.")):
            digest.update(f"{path.relative_to(directory)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
