"""Progress on a terminal: one line that moves while a stage works, one that stays when it is done."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from tfjs_bundle.errors import BundleError
from tfjs_bundle.progress import Event, Progress

if TYPE_CHECKING:
    from rich.status import Status

    from tfjs_bundle.serve.session import Attempt

#: Stages that take less are not worth a line of their own, in seconds.
_WORTH_A_LINE = 0.5


def format_bytes(count: int) -> str:
    """Return a size for a person, in decimal units: ``118 kB``, ``5.6 MB``."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


@contextmanager
def progress_on_terminal(quiet: bool = False) -> Iterator[Progress]:
    """Yield a progress that draws itself on standard error; ``quiet`` draws nothing at all."""
    if quiet:
        yield Progress()
        return
    console = Console(stderr=True, highlight=False)
    with console.status("Starting", spinner="dots") as status:
        yield Progress(_draw_on(console, status))


class Rebuilds:
    """Draws the builds of a preview on standard error: the stages of the first, one line for every other."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("Starting", spinner="dots")
        self._draw = _draw_on(self._console, self._status)
        self._first = True
        self._warnings: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Draw what a build tells of itself; of a rebuild only what it is doing."""
        self._status.start()
        if event.kind == "warning":
            if event.message in self._warnings:
                return
            self._warnings.add(event.message)
        elif event.kind == "done" and not self._first:
            return
        self._draw(event)

    def tell(self, attempt: Attempt) -> None:
        """Say how a build ended."""
        self._status.stop()
        if attempt.outdated:
            return
        self._first = False
        cause = f"{_listed([path.name for path in attempt.changed])} changed: " if attempt.changed else ""
        pages = f", {attempt.pages} page{'s' * (attempt.pages != 1)} open" if attempt.pages else ""
        if attempt.error is None:
            seen = pages if attempt.new else ", the same as before"
            end = f"[green]built in {attempt.seconds:.1f} s[/]{seen}"
        else:
            end = f"[red]failed after {attempt.seconds:.1f} s[/]"
        self._console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {escape(cause)}{end}")
        if isinstance(attempt.error, BundleError):
            self._console.print(f"[red]Error:[/] {escape(attempt.error.what)}")
            self._console.print(escape(attempt.error.cure))
        elif attempt.error:  # a bug of ours, and the only thing that tells where
            self._console.print("".join(traceback.format_exception(attempt.error)), markup=False)

    def close(self) -> None:
        """Take the spinner away, wherever the build was."""
        self._status.stop()


def _draw_on(console: Console, status: Status) -> Callable[[Event], None]:
    def show(event: Event) -> None:
        if event.kind == "stage":
            status.update(escape(event.message))
        elif event.kind == "step":
            status.update(f"{escape(event.stage.capitalize())}: {escape(event.message)}")
        elif event.kind == "warning":
            console.print(f"[yellow]Warning:[/] {escape(event.message)}")
        elif event.kind == "done" and (event.seconds or 0) >= _WORTH_A_LINE:
            console.print(f"[green]✓[/] {escape(event.message)} [dim]{event.seconds:.1f} s[/]")

    return show


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
