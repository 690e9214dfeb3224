"""`make bench`: measure, write build/bench/bench.json as it goes, and docs/benchmarks.md at the end."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from bench import ROOT, WORK
from bench.contenders import CONTENDERS
from bench.facts import machine, versions
from bench.measuring import measure, say
from bench.models import MODELS
from bench.peers import install
from bench.report import DOCUMENT, document


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--models", default="", help=f"some of {','.join(MODELS)} (default: all)")
    parser.add_argument("--contenders", default="", help=f"some of {','.join(CONTENDERS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="of warm predictions")
    parser.add_argument("--visits", type=int, default=2, help="rounds of first visits and reloads")
    arguments = parser.parse_args()
    models = [MODELS[name] for name in _names(arguments.models, MODELS)]
    contenders = [CONTENDERS[name] for name in _names(arguments.contenders, CONTENDERS)]
    say("installing what is measured beside us")
    peers = install()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(peers),
        "options": {"rounds": arguments.rounds, "visits": arguments.visits},
        "contenders": {one.name: one.title for one in contenders},
        "models": {},
    }
    for model in models:
        for result in measure(model, contenders, peers, rounds=arguments.rounds, visits=arguments.visits):
            results["models"][model.name] = {"title": model.title, "about": model.about, "contenders": result}
            results["machine"]["load_after"] = os.getloadavg()[0]
            (WORK / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    # A part of the models or of the contenders is a look at something; the document is about all of them.
    whole = len(models) == len(MODELS) and len(contenders) == len(CONTENDERS)
    target = DOCUMENT if whole else WORK / "benchmarks.md"
    target.write_text(document(results))
    say(f"wrote {(WORK / 'bench.json').relative_to(ROOT)} and {target.relative_to(ROOT)}")


def _names(asked: str, known: Mapping[str, Any]) -> list[str]:
    names = asked.split(",") if asked else list(known)
    for name in names:
        if name not in known:
            sys.exit(f"There is no {name!r}: choose from {', '.join(known)}.")
    return names


if __name__ == "__main__":
    main()
