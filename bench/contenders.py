"""Who is measured: how each converts a model, and the site that it makes of it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.peers import Peers
from bench.process import Cost, run

_PAGES = Path(__file__).parent / "pages"
_ROUTES = Path(__file__).parent / "routes"


@dataclass(frozen=True)
class Contender:
    """One way to predict.

    Attributes:
        title: how the document calls it.
        needs: which kinds of :attr:`bench.peers.Peers.missing` it cannot do without.
        convert: from a .keras file into a directory that is not there yet; returns what that cost. Contenders
            that convert alike share the result.
        site: from the converted model into a site of one visit's files: page, ``runtime/``, ``model/``.
            None where nothing is served. Contenders whose conversion and site are alike share it.
        threads: the numbers of threads that it is measured with.
        options: for its page, beside those of the model.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    convert: Callable[[Peers, Path, Path], Cost]
    site: Callable[[Peers, Path, Path], None] | None
    threads: tuple[int, ...] = (1, 2)
    options: dict[str, Any] = field(default_factory=dict)


def convert_ours(peers: Peers, source: Path, directory: Path) -> Cost:
    return _build(source, directory)


def convert_int8(peers: Peers, source: Path, directory: Path) -> Cost:
    return _build(source, directory, "--quantize", "int8")


def _build(source: Path, directory: Path, *options: str) -> Cost:
    command: list[str | Path] = [sys.executable, "-m", "tfjs_bundle", "build", source, "-o", directory]
    command += ["--no-verify", "--no-cache", *options]
    return run(command, cwd=source.parent, env={"PYTHONPATH": str(ROOT)})


def convert_tfjs(peers: Peers, source: Path, directory: Path) -> Cost:
    return run([peers.stock, _ROUTES / "to_tfjs.py", source, directory])


def convert_tflite(peers: Peers, source: Path, directory: Path) -> Cost:
    directory.mkdir()
    return _route("to_tflite", Path(sys.executable), source, directory / "model.tflite")


def convert_onnx(peers: Peers, source: Path, directory: Path) -> Cost:
    directory.mkdir()
    return _route("to_onnx", peers.python, source, directory / "model.onnx")


def _route(module: str, python: Path, *arguments: Path) -> Cost:
    return run([python, "-m", f"bench.routes.{module}", *arguments], env={"PYTHONPATH": str(ROOT)})


def _site_ours(peers: Peers, converted: Path, site: Path) -> None:
    shutil.copytree(converted, site)
    _page("ours", site)


def _site_tfjs(peers: Peers, converted: Path, site: Path) -> None:
    tfjs = peers.packages / "@tensorflow"
    _copy(tfjs / "tfjs" / "dist", ["tf.min.js"], site / "runtime")
    names = ["tf-backend-wasm.min.js"] + [
        f"tfjs-backend-wasm-{kind}.wasm" for kind in ("simd", "threaded-simd")
    ]
    _copy(tfjs / "tfjs-backend-wasm" / "dist", names, site / "runtime")
    shutil.copytree(converted, site / "model")
    _page("tfjs", site)


def _site_litert(peers: Peers, converted: Path, site: Path) -> None:
    packages = peers.packages / "@litertjs"
    # Of its builds only those that this browser is given: brotli at its best takes most of a minute for each.
    names = [f"litert_wasm_{kind}internal.{end}" for kind in ("", "threaded_") for end in ("js", "wasm")]
    _copy(packages / "core" / "wasm", names, site / "runtime" / "wasm")
    shutil.copyfile(packages / "core" / "dist" / "index.js", site / "runtime" / "litert.js")
    shutil.copyfile(packages / "wasm-utils" / "dist" / "index.js", site / "runtime" / "wasm-utils.js")
    shutil.copytree(converted, site / "model")
    _page("litert", site)


def _site_onnx(peers: Peers, converted: Path, site: Path) -> None:
    names = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]
    _copy(peers.packages / "onnxruntime-web" / "dist", names, site / "runtime")
    shutil.copytree(converted, site / "model")
    _page("onnx", site)


def _page(name: str, site: Path) -> None:
    """The page beside what it measures; our own is no part of the bundle, which has an index.html already."""
    shutil.copyfile(_PAGES / f"{name}.html", site / "bench.html")
    _copy(_PAGES, ["measure.js", f"{name}.js"], site / "bench")


def _copy(source: Path, names: list[str], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("ours", "tfjs-bundle", (), convert_ours, _site_ours),
        Contender("int8", "tfjs-bundle, int8", (), convert_int8, _site_ours, (1,)),
        # As the peers' pages do: without the worker that leaves a page free to answer its visitor.
        Contender("page", "tfjs-bundle, in the page", (), convert_ours, _site_ours, (1,), {"worker": False}),
        Contender("tfjs", "stock TF.js", ("npm", "stock"), convert_tfjs, _site_tfjs),
        Contender("litert", "LiteRT.js", ("npm",), convert_tflite, _site_litert),
        Contender("onnx", "ONNX Runtime Web", ("npm", "pip"), convert_onnx, _site_onnx),
        Contender("native", "LiteRT, native", ("pip",), convert_tflite, None, (1,)),
    )
}


#: What says where a bundle's files are, and is asked for again to see whether there is a new build.
_ENTRY = ("loader.js", "sw.js", "bundle.json")


def part_of(path: str) -> str:
    """Return what a file of a site is: "runtime", "weights" (all of the model), "entry", or "page" (ours)."""
    if path.startswith("model/"):
        return "weights"
    if path.startswith("runtime/"):
        return "runtime"
    return "entry" if path in _ENTRY else "page"
