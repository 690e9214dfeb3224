"""Writing a site beside its output, and swapping it in once it is verified.

A half-written or unverified site never stands at the output; whatever goes wrong, what
stood there before stays as it was.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tfjs_bundle.bundle import MANIFEST, PARITY
from tfjs_bundle.errors import OutputError
from tfjs_bundle.site.render import Content, Site


@contextmanager
def staged(site: Site, output: Path) -> Iterator[Path]:
    """Write ``site`` into a new directory beside ``output``; it is gone afterwards unless published.

    Raises:
        OutputError: the place cannot be written, is full, or holds something that is not a bundle.
    """
    output = output.resolve()
    check_output(output)
    directory: Path | None = None
    try:
        with _refusals(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            directory = Path(
                tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".building", dir=output.parent)
            )
            directory.chmod(0o755)
            write(directory, site.files)
        yield directory
    finally:
        if directory and directory.exists():
            shutil.rmtree(directory, ignore_errors=True)


def publish(staging: Path, output: Path) -> None:
    """Swap ``staging`` in for ``output``; both are on one file system, so each step is a rename.

    Raises:
        OutputError: the swap failed; what stood at ``output`` is put back.
    """
    output = output.resolve()
    old = staging.with_suffix(".previous")
    with _refusals(output):
        if output.exists():
            output.rename(old)
        try:
            staging.rename(output)
        except BaseException:  # Ctrl-C too
            with suppress(OSError):
                old.rename(output)
            raise
        shutil.rmtree(old, ignore_errors=True)


def check_output(output: Path) -> None:
    """Refuse an output that would overwrite what is not ours, before any work is done.

    Raises:
        OutputError: it is a file, a directory whose contents are not a bundle, a checkout of git, or
            cannot be written.
    """
    with _refusals(output):
        _check_output(output.resolve())


def refuse_source_inside(source: Path, output: Path) -> None:
    """Refuse a source that would be gone after the build, since ``output`` is replaced as a whole.

    Raises:
        OutputError: naming both.
    """
    if source.resolve().is_relative_to(output.resolve()):
        raise OutputError(
            f"{source} lies in {output}, which the build replaces as a whole.",
            "Move the source elsewhere, or name another directory with -o.",
        )


def _check_output(output: Path) -> None:
    _put_back(output)
    if output.is_dir():
        # bundle.json alone may be anybody's: other tools have files of that name
        ours = (output / MANIFEST).exists() and (output / PARITY).exists()
        if not ours and any(output.iterdir()):
            raise OutputError(
                f"{output} exists and is not a bundle.",
                "Name another directory with -o, or empty this one first.",
            )
        if (output / ".git").exists():
            raise OutputError(
                f"{output} is a checkout of git, which a build would replace as a whole.",
                "Build into another directory with -o, and copy its files here.",
            )
    elif output.exists():
        raise OutputError(f"{output} is a file.", "Name a directory with -o.")
    parent = next(parent for parent in output.parents if parent.exists())
    if not os.access(parent, os.W_OK | os.X_OK) or not parent.is_dir():
        raise OutputError(f"{parent} cannot be written.", "Name a directory with -o that you may write.")


def _put_back(output: Path) -> None:
    """Undo what a process left that was killed between the two renames of :func:`publish`."""
    if output.exists() or not output.parent.is_dir():
        return
    import glob

    previous = list(output.parent.glob(f".{glob.escape(output.name)}.*.previous"))
    if previous:
        max(previous, key=lambda path: path.stat().st_mtime).rename(output)


def write(directory: Path, files: Mapping[str, Content]) -> None:
    """Write files by their paths in ``directory``.

    Raises:
        OutputError: they cannot be written.
    """
    with _refusals(directory):
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_bytes(content)


@contextmanager
def _refusals(output: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        cures = {
            errno.ENOSPC: "Free some space, or name a directory on another disk with -o.",
            errno.EDQUOT: "Free some space, or name a directory on another disk with -o.",
        }
        raise OutputError(
            f"{output} cannot be written: {error.strerror or error}.",
            cures.get(error.errno or 0, "Name a directory with -o that you may write."),
        ) from error
