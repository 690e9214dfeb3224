"""The wheel and the sdist of a clean clone, and the wheel at work where there is no Node."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE_COMMANDS = ("node", "nodejs", "npm", "npx", "corepack")

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command} ended with {result.returncode}:\n{result.stdout}"
    return result.stdout


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone of the last commit: nothing compiled, nothing uncommitted."""
    directory = tmp_path_factory.mktemp("clone") / "tfjs-bundle"
    run("git", "clone", "--quiet", "--no-hardlinks", ROOT, directory, cwd=directory.parent)
    return directory


@pytest.fixture(scope="session")
def path_without_node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which everything is found that this machine's PATH has, but Node and what comes with it."""
    directory = tmp_path_factory.mktemp("bin")
    for place in os.environ["PATH"].split(os.pathsep):
        for tool in Path(place).glob("*"):
            link = directory / tool.name
            if tool.name not in NODE_COMMANDS and not link.is_symlink():
                link.symlink_to(tool)
    assert shutil.which("git", path=str(directory))
    assert not shutil.which("node", path=str(directory))
    return str(directory)


@pytest.fixture(scope="session")
def dist(clone: Path, path_without_node: str) -> Path:
    """Sdist and wheel as `make wheel` builds them: the wheel comes out of the sdist."""
    run(sys.executable, "-m", "build", "--outdir", clone / "dist", cwd=clone, PATH=path_without_node)
    return clone / "dist"


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


def tracked(clone: Path, folder: str) -> set[str]:
    return set(run("git", "ls-files", folder, cwd=clone).split())


def test_the_wheel_carries_the_package_the_runtime_the_templates_and_the_example(
    clone: Path, wheel: Path
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    info = {name for name in names if ".dist-info/" in name}
    assert {name.partition("/")[2] for name in info} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    runtime = {name for name in names if name.startswith("tfjs_bundle/_runtime/")}
    templates = {
        name.replace("templates/", "tfjs_bundle/_templates/", 1) for name in tracked(clone, "templates")
    }
    example = {"tfjs_bundle/_demo/digits.keras", "tfjs_bundle/_demo/tfjs-bundle.toml"}
    assert names - info - runtime == tracked(clone, "tfjs_bundle") | templates | example

    # Everything in runtime/ is named by its content; the rest is filled in per bundle, or never published.
    inside = {name.removeprefix("tfjs_bundle/_runtime/") for name in runtime}
    assert {name for name in inside if "/" not in name} == {
        "elements.js",
        "kernels.json",
        "loader.js",
        "runtime.json",
        "sw.js",
    }
    published = {name for name in inside if name.startswith("runtime/")} - {
        "runtime/THIRD_PARTY_LICENSES.txt"
    }
    assert published
    assert not [name for name in published if not re.search(r"-[0-9A-Za-z]{8,}\.(js|wasm|css)$", name)]
    assert {name.partition("/")[0] for name in inside if "/" in name} == {
        "npm",
        "preview",
        "runtime",
        "verify",
    }
    parts = {re.sub(r"-[0-9A-Za-z]{8,}\.", ".", Path(name).name) for name in published}
    assert {"worker.js", "engine.js"} <= parts
    assert sum(name.endswith(".wasm") for name in published) == 3


def test_the_sdist_carries_the_sources_and_the_compiled_runtime(clone: Path, dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {name for name in tracked(clone, ".") if not name.startswith((".ci/", "bench/"))}
    assert sources - names == set()
    assert "tfjs_bundle/_runtime/loader.js" in names
    assert "tfjs_bundle/_runtime/inputs.sha256" in names, "an sdist would be compiled again, which takes Node"


@pytest.mark.browser
@pytest.mark.tensorflow
def test_the_wheel_builds_and_verifies_the_example_without_node(
    wheel: Path, path_without_node: str, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", ask, cwd=tmp_path).strip())
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--quiet", wheel, cwd=tmp_path)
    # TensorFlow and the other dependencies are shared with this environment, to save minutes. A line
    # in a .pth file comes after site-packages, so the wheel's package is the one that is imported;
    # lines of that folder's own .pth files, an editable install among them, are not followed.
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    origin = run(python, "-c", "import tfjs_bundle; print(tfjs_bundle.__file__)", cwd=tmp_path).strip()
    assert Path(origin).is_relative_to(site)

    output = tmp_path / "out"
    run(
        environment / "bin" / "tfjs-bundle",
        *("demo", "--verify", "--no-serve", "-o", output),
        cwd=tmp_path,
        PATH=path_without_node,
    )
    assert {"index.html", "loader.js", "sw.js", "bundle.json", "parity.json"} <= {
        path.name for path in output.iterdir()
    }
    parity = json.loads((output / "parity.json").read_bytes())
    assert {name: entry["status"] for name, entry in parity["backends"].items()} == {
        "wasm": "passed",
        "cpu": "passed",
    }
