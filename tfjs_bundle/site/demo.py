"""Where the packaged digits example lies."""

from __future__ import annotations

from pathlib import Path

from tfjs_bundle.errors import UsageError


def demo_directory() -> Path:
    """Return the directory of ``digits.keras``: in the package of a wheel, beside the package in a checkout.

    Raises:
        UsageError: this installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    for directory in (package / "_demo", package.parent / "demo_site"):
        if (directory / "digits.keras").is_file():
            return directory
    raise UsageError(
        "This installation of tfjs-bundle lacks the digits example.",
        "In a checkout run `python demo_site/train.py`; otherwise install tfjs-bundle again.",
    )
