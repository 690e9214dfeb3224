"""On what a run was made: the machine, and the version of everything that takes part."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.peers import Peers
from tfjs_bundle.verify.browser import find_chromium


def machine() -> dict[str, Any]:
    """Return the day, the processor, its cores, the memory in bytes and the load before the run."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": os.cpu_count(),
        "memory": int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) * 1024 or None,
        "load_before": os.getloadavg()[0],
    }


def versions(peers: Peers) -> dict[str, str]:
    """Return name to version of us, of the browser and of every peer that is there."""
    found = {"tfjs-bundle": metadata.version("tfjs-bundle")}
    commit = _says("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    if commit:
        found["tfjs-bundle"] += f" ({commit})"
    for name in ("tensorflow", "keras"):
        found[name] = metadata.version(name)
    browser = re.search(r"[\d.]+", _says(find_chromium() or "chromium", "--version"))
    found["Chromium"] = browser.group() if browser else "unknown"
    return found | peers.versions


def _says(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _field(file: str, name: str) -> str | None:
    path = Path(file)
    if not path.is_file():
        return None
    found = re.search(rf"^{name}\s*:\s*(.+)$", path.read_text(), re.MULTILINE)
    return found.group(1).strip() if found else None
