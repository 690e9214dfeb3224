"""The runtime is compiled once per set of ops: each executes what it says, and is small."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import brotli
import pytest

from hatch_build import find_node
from tfjs_bundle.bundle import BACKENDS
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph import kernels

RUNTIME = kernels.RUNTIME
COMPILED = json.loads((RUNTIME / "runtime.json").read_bytes())
SETS = {entry["name"]: frozenset(entry["ops"]) for entry in COMPILED["op_sets"]}

#: Ops of models whose conversion tests/conversion/test_chosen_runtime.py looks at.
CONVOLUTIONAL = {
    "_FusedConv2D",
    "FusedDepthwiseConv2dNative",
    "MaxPool",
    "Reshape",
    "_FusedMatMul",
    "Softmax",
}

#: The executor has no case for them: it finds their values by name.
WITHOUT_CASE = {"Const", "Placeholder"}

KILOBYTE = 1000


def files(op_set: str, *roles: str, backend: str = "") -> list[dict[str, Any]]:
    return [
        file
        for file in COMPILED["files"]
        if file["role"] in roles
        and file["op_set"] in ("", op_set)
        and (not file["backends"] or backend in file["backends"])
    ]


@cache
def compressed(path: str) -> int:
    return len(brotli.compress((RUNTIME / path).read_bytes(), quality=11, lgwin=22))


def download(op_set: str, backend: str, wasm: tuple[str, ...] = ()) -> int:
    """Return the bytes that a page without the demo's elements downloads of the runtime."""
    wanted = [
        file["path"]
        for file in files(op_set, "runtime", "engine", "worker", "backend", backend=backend)
        if file["part"] in wasm or not re.match(r"wasm-|lazy-|program$", file["part"])
    ]
    return compressed("loader.js") + sum(map(compressed, wanted))


@pytest.fixture(scope="module", params=SETS)
def registered(request: pytest.FixtureRequest) -> tuple[str, dict[str, set[str]]]:
    """A set of ops, and by backend the kernels that the modules compiled for it register."""
    node, _ = find_node()
    addresses = {
        (RUNTIME / file["path"]).as_uri()
        for file in COMPILED["files"]
        if file["op_set"] == request.param and file["part"].startswith("backend-")
    }
    assert len(addresses) == len(BACKENDS)
    script = Path(__file__).with_name("registered_kernels.mjs")
    result = subprocess.run(
        [node, script, *sorted(addresses)], check=True, stdout=subprocess.PIPE, text=True, timeout=120
    )
    found: dict[str, set[str]] = defaultdict(set)
    for backend, kernel in json.loads(result.stdout):
        found[backend].add(kernel)
    return request.param, found


def test_every_op_of_a_set_finds_its_kernels(registered):
    name, found = registered
    available, _ = kernels._measured()
    missing = [
        f"{op} on {backend}: {kernel}"
        for op in SETS[name]
        for backend in BACKENDS
        if set(kernels._kernels(op)) <= available[backend]
        for kernel in kernels._kernels(op)
        if kernel not in found[backend]
    ]
    assert missing == []


@pytest.mark.parametrize("name", SETS)
def test_every_op_of_a_set_has_its_executor(name):
    text = "".join((RUNTIME / file["path"]).read_text() for file in files(name, "runtime", "engine"))
    assert set(re.findall(r'tfOpName:"(\w+)"', text)) == SETS[name]
    assert SETS[name] - set(re.findall(r'\bcase"(\w+)":', text)) <= WITHOUT_CASE


def test_a_later_set_has_all_that_an_earlier_one_has():
    sets = list(SETS.values())
    assert all(earlier < later for earlier, later in pairwise(sets))
    assert sets[-1] == kernels._measured()[1]


def test_the_first_set_that_has_all_ops_is_taken():
    def chosen(*ops: str) -> str:
        return kernels.op_set(set(ops), COMPILED["op_sets"])

    assert chosen(*CONVOLUTIONAL) == "feed-forward"
    assert chosen(*CONVOLUTIONAL, "StatelessWhile", "TensorListStack") == "sequences"
    assert chosen(*CONVOLUTIONAL, "FFT") == "all"
    # What the executor never comes to needs no executor.
    assert chosen(*CONVOLUTIONAL, "Assert") == "feed-forward"


def test_an_op_that_no_set_has_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="does not execute Cholesky, Erfc"):
        kernels.op_set({"Relu", "Erfc", "Cholesky"}, COMPILED["op_sets"])


@pytest.mark.parametrize(
    ("name", "variant", "budget"),
    [
        ("feed-forward", ("wasm-simd",), 175),
        ("sequences", ("wasm-simd",), 180),
        ("all", ("wasm-simd",), 205),
        ("all", ("wasm-threaded-simd", "wasm-thread"), 220),
    ],
)
def test_a_visit_on_wasm_downloads_no_more_than_this(name, variant, budget):
    assert download(name, "wasm", variant) <= budget * KILOBYTE


@pytest.mark.parametrize(("name", "budget"), [("feed-forward", 64), ("sequences", 70), ("all", 96)])
def test_a_visit_on_cpu_downloads_no_more_than_this(name, budget):
    assert download(name, "cpu") <= budget * KILOBYTE
