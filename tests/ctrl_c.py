"""Signals for the processes that tests start."""

from __future__ import annotations

import signal


def heed_ctrl_c() -> None:
    """For ``preexec_fn``: undo what a shell does to jobs in the background, which ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
