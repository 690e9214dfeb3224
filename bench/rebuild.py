"""How long a build takes that finds its model in the cache: with another name, other labels, other templates.

    python -m bench.rebuild model.keras [TIMES]

Each is a process of its own. Python keeps its bytecode, as it does for an installed package. Loading and
exporting and converting the same file are in the table of `make bench`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.process import run
from tfjs_bundle.bundle import load_bundle


def main(source: str, times: str = "7") -> None:
    """Build ``source`` once, then again with each change in turn, and print what each took."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        env = {"TFJS_BUNDLE_CACHE": str(directory / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
        site, labels, templates = (directory / name for name in ("site", "labels.txt", "templates"))
        command = [sys.executable, "-m", "tfjs_bundle", "build", source, "-o", str(site)]
        first = run(command, env=env)
        classes = (load_bundle(site).outputs[0].shape or (1,))[-1] or 1
        templates.mkdir()

        def name(index: int) -> list[str]:
            return ["--name", f"Name {index}"]

        def label(index: int) -> list[str]:
            labels.write_text("".join(f"class {number} of {index}\n" for number in range(classes)))
            return ["--labels", str(labels)]

        def template(index: int) -> list[str]:
            page = f'{{% extends "tfjs-bundle/index.html.j2" %}}{{% block title %}}{index}{{% endblock %}}'
            (templates / "index.html.j2").write_text(page)
            return ["--template", str(templates)]

        changes: dict[str, Callable[[int], list[str]]] = {"name": name, "labels": label, "template": template}
        costs: dict[str, list[float]] = {what: [] for what in changes}
        memory = 0
        for index in range(int(times)):
            for what, change in changes.items():
                cost = run([*command, *change(index)], env=env)
                costs[what].append(cost.seconds)
                memory = max(memory, cost.memory or 0)
    print(f"first build  {first.seconds:.1f} s, {(first.memory or 0) / 1e6:.0f} MB, with its verification")
    for what, seconds in costs.items():
        print(f"new {what:8} median {statistics.median(seconds):.2f} s, least {min(seconds):.2f} s")
    print(f"rebuilds     {memory / 1e6:.0f} MB at most (load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
