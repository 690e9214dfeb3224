"""Find a Chromium on this machine and start it headless, cut off from everything but loopback."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tfjs_bundle.errors import MissingBrowserError
from tfjs_bundle.source.marks import mark

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

#: The environment variable that names the Chromium to use.
VARIABLE = "TFJS_BUNDLE_CHROMIUM"

CURE = (
    "Install Chromium or Chrome from your system's packages, or run `playwright install chromium`, "
    f"or name an executable in {VARIABLE}; `--no-verify` builds without a browser."
)

#: Looked up on PATH, in this order.
COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)

#: Where systems keep what is not on PATH.
PLACES = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "win32": (
        r"%ProgramFiles%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Google\Chrome\Application\chrome.exe",
        r"%LocalAppData%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Microsoft\Edge\Application\msedge.exe",
    ),
    "linux": (
        "/usr/bin/chromium",
        "/usr/bin/google-chrome",
        "/opt/google/chrome/chrome",
        "/snap/bin/chromium",
    ),
}

#: Nothing in the background talks to the network, and both GPU backends run on the software
#: adapter, so that every machine gives the same numbers.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
)


def find_chromium(playwright: Playwright | None = None) -> str | None:
    """Return the executable to start, or ``None`` where this machine has none.

    The order: :data:`VARIABLE`, Playwright's own download (only where ``playwright`` is
    given), :data:`COMMANDS` on PATH, :data:`PLACES`.

    Raises:
        BrowserError: :data:`VARIABLE` names something that is no executable file.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if not found:
            raise MissingBrowserError(f"{VARIABLE} is {named!r}, which is not an executable file.", CURE)
        return found
    if playwright is not None and Path(playwright.chromium.executable_path).is_file():
        return playwright.chromium.executable_path
    for command in COMMANDS:
        if found := shutil.which(command):
            return found
    for place in PLACES.get(sys.platform, ()):
        path = os.path.expandvars(place)
        if os.access(path, os.X_OK):
            return path
    return None


def identity() -> str:
    """Return what tells one browser from another, or from what it is after an update.

    Playwright's own download goes by Playwright's version, which is not among this.

    Raises:
        MissingBrowserError: :data:`VARIABLE` names something that is no executable file.
    """
    executable = find_chromium()
    return f"{executable} {mark(Path(executable)) if executable else ''}"


def launch(playwright: Playwright) -> Browser:
    """Start headless Chromium.

    Raises:
        MissingBrowserError: there is none, or it does not start.
    """
    executable = find_chromium(playwright)
    if executable is None:
        raise MissingBrowserError("No Chromium, Chrome or Edge was found on this machine.", CURE)

    def start(sandbox: bool) -> Browser:
        return playwright.chromium.launch(
            executable_path=executable, headless=True, chromium_sandbox=sandbox, args=list(FLAGS)
        )

    return _first_that_starts(executable, start)


def _first_that_starts(executable: str, start: Callable[[bool], Browser]) -> Browser:
    """Start with Chromium's sandbox where that can be: not as root, nor in many containers."""
    from playwright.sync_api import Error

    sandboxes = (False,) if hasattr(os, "geteuid") and os.geteuid() == 0 else (True, False)
    for sandbox in sandboxes:
        try:
            return start(sandbox)
        except Error as error:
            reason = _first_line(error)
    raise MissingBrowserError(f"The browser {executable} does not start: {reason}", CURE)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
