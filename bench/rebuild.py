"""How long a build takes that finds its model in the cache: another name on the page, a process of its own.

    python -m bench.rebuild model.keras [TIMES]

Loading and exporting and converting the same file are in the table of `make bench`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.process import run


def main(source: str, times: str = "7") -> None:
    """Build ``source`` once, then again under other names, and print what each took."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        env = {"TFJS_BUNDLE_CACHE": str(directory / "cache")}
        command = [sys.executable, "-m", "tfjs_bundle", "build", source, "-o", str(directory / "site")]
        first = run(command, env=env)
        again = [run([*command, "--name", f"Name {index}"], env=env) for index in range(int(times))]
    seconds = sorted(cost.seconds for cost in again)
    median = statistics.median(seconds)
    memory = max(cost.memory or 0 for cost in again) / 1e6
    print(f"first build {first.seconds:.1f} s, {(first.memory or 0) / 1e6:.0f} MB, with its verification")
    print(
        f"rebuilds    median {median:.2f} s, least {seconds[0]:.2f} s, {memory:.0f} MB"
        f" (load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
