"""Compares random models with Keras: ``make fuzz COUNT=1000 SEED=0``, or with arguments of its own.

A model that is wrong is kept in ``found/``, and is a case of the layer suite from then on. Ends with 1 where
one is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from found_cases import FOUND  # noqa: E402
from layer_case import LayerCase  # noqa: E402
from layer_coverage import BACKENDS, is_wrong, run  # noqa: E402
from suite import WRONG  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="models")
    parser.add_argument("--seed", type=int, default=0, help="the first one's")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="by default, all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="browsers at once")
    given = parser.parse_args(arguments)
    seeds = range(given.seed, given.seed + given.count)
    results = run([str(seed) for seed in seeds], random_case, given.backend or BACKENDS, given.jobs)
    for seed, verdicts in results.items():
        if any(verdict.status == WRONG for verdict in verdicts.values()):
            FOUND.mkdir(exist_ok=True)
            path = FOUND / f"seed_{seed}.json"
            path.write_text(random_case(seed).build().to_json(indent=1), encoding="utf-8")
            print(f"kept: {path}")
    return int(is_wrong(results))


def random_case(seed: str) -> LayerCase:
    """Return the random model of ``seed`` as a case."""
    from random_models import random_model

    return LayerCase("Random models", f"seed {seed}", lambda: random_model(int(seed)), extremes=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
