"""Installs what we are measured beside, by npm and pip, and says what could not be installed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import ROOT, WORK
from bench.process import last_words

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peers:
    """Where the peers are.

    Attributes:
        packages: the npm packages' directory.
        python: an interpreter that has the Python packages, and TensorFlow and Keras as well.
        stock: the interpreter of the stock converter's environment.
        missing: "npm", "pip" or "stock" to why it could not be installed.
        versions: package to version, of those that are there.
    """

    packages: Path
    python: Path
    stock: Path
    missing: dict[str, str]
    versions: dict[str, str]


def install() -> Peers:
    """Install every peer that is not there yet."""
    WORK.mkdir(parents=True, exist_ok=True)
    missing = {}
    packages = WORK / "node_modules"
    python = WORK / "venv" / "bin" / "python"
    stock = Path(
        os.environ.get("TFJS_BUNDLE_TENSORFLOWJS_PYTHON") or ROOT / ".venv-tensorflowjs" / "bin" / "python"
    )
    for name, do in (("npm", _npm), ("pip", _pip)):
        try:
            do()
        except (OSError, subprocess.CalledProcessError, ImportError) as error:
            said = (getattr(error, "stderr", "") or "") + (getattr(error, "stdout", "") or "")
            missing[name] = f"{name} could not install it: {last_words(said) or error}"
    if not stock.is_file():
        missing["stock"] = "no environment of the stock converter: `make stock` needs Python 3.11 or 3.12"
    versions = {}
    for package in json.loads((_HERE / "package.json").read_text())["dependencies"]:
        file = packages / package / "package.json"
        if file.is_file():
            versions[package] = json.loads(file.read_text())["version"]
    for interpreter, names in ((python, ("ai-edge-litert", "tf2onnx", "onnx")), (stock, ("tensorflowjs",))):
        versions |= _python_versions(interpreter, names)
    return Peers(packages, python, stock, missing, versions)


def _npm() -> None:
    sys.path.insert(0, str(ROOT))
    from hatch_build import find_node

    node, npm = find_node()
    wanted = _HERE / "package.json"

    def make() -> None:
        shutil.copyfile(wanted, WORK / "package.json")
        shutil.copyfile(ROOT / ".npmrc", WORK / ".npmrc")
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"  # for whatever looks for node
        _quietly([node, npm, "install", *flags], PATH=path)

    _once(WORK / "node_modules" / ".installed", wanted, make)


def _pip() -> None:
    """An environment of its own that sees the checkout's: what it lacks there is installed here."""
    wanted = _HERE / "requirements.txt"
    venv = WORK / "venv"

    def make() -> None:
        _quietly([sys.executable, "-m", "venv", "--clear", venv])
        ours = sysconfig.get_paths(vars={"base": str(venv), "platbase": str(venv)})["purelib"]
        (Path(ours) / "checkout.pth").write_text(sysconfig.get_paths()["purelib"])
        pip = ["-m", "pip", "--no-input", "--disable-pip-version-check"]
        _quietly([venv / "bin" / "python", *pip, "install", "--quiet", "-r", wanted])

    _once(venv / ".installed", wanted, make)


def _once(stamp: Path, wanted: Path, do: Callable[[], None]) -> None:
    """Call ``do`` unless it was done for what ``wanted`` says now."""
    content = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != content:
        do()
        stamp.write_text(content)


def _quietly(command: Sequence[str | Path], **env: str) -> None:
    subprocess.run(
        [str(part) for part in command],
        cwd=WORK,
        env={**os.environ, **env},
        check=True,
        capture_output=True,
        text=True,
    )


def _python_versions(interpreter: Path, names: tuple[str, ...]) -> dict[str, str]:
    code = (
        "import json, sys; from importlib import metadata as m; found = {d.metadata['Name']: d.version "
        "for d in m.distributions()}; print(json.dumps({n: found[n] for n in sys.argv[1:] if n in found}))"
    )
    try:
        said = subprocess.run(
            [interpreter, "-c", code, *names], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    return dict(json.loads(said))
