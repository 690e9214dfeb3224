"""Progress on a terminal: one line that moves while a stage works, one that stays when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from tfjs_bundle.progress import Event, Progress

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

        def show(event: Event) -> None:
            if event.kind == "stage":
                status.update(escape(event.message))
            elif event.kind == "step":
                status.update(f"{escape(event.stage.capitalize())}: {escape(event.message)}")
            elif event.kind == "warning":
                console.print(f"[yellow]Warning:[/] {escape(event.message)}")
            elif event.kind == "done" and (event.seconds or 0) >= _WORTH_A_LINE:
                console.print(f"[green]✓[/] {escape(event.message)} [dim]{event.seconds:.1f} s[/]")

        yield Progress(show)
