"""Apps as their authors have them: packages in node_modules, the Python tool in an environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from hatch_build import ROOT, find_node

NODE, NPM = find_node()

#: Name to version of what examples installed, for docs/bundlers.md.
VERSIONS = ROOT / "build" / "examples.json"


class Apps:
    """A directory with the npm packages of this checkout in it, and the plugins as npm would install them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        modules = directory / "node_modules"
        modules.mkdir()
        for package in (ROOT / "node_modules").iterdir():
            if package.name != ".cache":
                (modules / package.name).symlink_to(package)
        plugins = modules / "tfjs-bundle"
        node(ROOT, ROOT / "plugin" / "build.mjs", "--out", plugins / "plugin" / "dist")
        shutil.copy(ROOT / "package.json", plugins)

    def add(self, source: Path, name: str) -> Path:
        """Copy an app's sources, whatever was built beside them left behind; return the copy."""
        made = shutil.ignore_patterns("node_modules", "dist", "out", "*-env.d.ts")
        return Path(shutil.copytree(source, self.directory / name, ignore=made))


def node(directory: Path, script: str | Path, *arguments: str | Path, **environment: str) -> str:
    """Run a script with Node in ``directory``; return what it said.

    Raises:
        AssertionError: it failed; the message is its output.
    """
    result = subprocess.run(
        [str(part) for part in (NODE, script, *arguments)],
        cwd=directory,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{script} ended with {result.returncode}:\n{result.stdout}"
    return result.stdout


def vite_dev(app: Path, **environment: str) -> AbstractContextManager[str]:
    """Run Vite's dev server for ``app`` inside a ``with`` block, whose value is the address."""
    vite = ROOT / "node_modules" / "vite" / "bin" / "vite.js"
    return running([NODE, vite, "dev", "--host", "127.0.0.1", "--port", "0"], app, **environment)


@contextmanager
def running(command: list[str | Path], directory: Path, **environment: str) -> Iterator[str]:
    """Run a server inside a ``with`` block, whose value is the address that the server says it is at.

    Raises:
        AssertionError: it ended before; the message is its output.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=directory,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/?", line):
                # Read on, or the server would wait for somebody to do so.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield found[0]
                return
        raise AssertionError(f"{command} ended:\n{''.join(said)}")
    finally:
        process.terminate()
        process.wait()


def _environment(more: dict[str, str]) -> dict[str, str]:
    """No colours, which come in the middle of words; and this environment's tool before all others."""
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_COLOR": "1", "VIRTUAL_ENV": sys.prefix, **more}
