"""Measures our bundles beside other ways to run a Keras model in a browser: `make bench`, see README.md."""

from pathlib import Path

#: The checkout.
ROOT = Path(__file__).resolve().parent.parent

#: Everything that a run installs and writes, the document in docs/ aside.
WORK = ROOT / "build" / "bench"
