"""What builds keep of their models, so that a change of labels or templates is a quick build.

Entries are found by content, never by time or name: the bytes of the source, every option that the numbers
may depend on, our own code and the packages beside it. Any number of processes may use one directory: an
entry appears by being renamed, is checked whenever it is read, and what is damaged, or gone, is made again.
Compiled templates among them are code: so nothing is read where others than the user may write.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfjs_bundle import records
from tfjs_bundle.config import AUTO, BuildOptions
from tfjs_bundle.errors import MissingBrowserError, UsageError
from tfjs_bundle.source.identify import SourceFile, default_name, identify
from tfjs_bundle.source.marks import marks

#: The environment variable with the directory to use, or ``off``.
VARIABLE = "TFJS_BUNDLE_CACHE"

#: Options that change what a person sees and nothing that the model computes.
PRESENTATION = frozenset(["name", "labels", "template", "form", "examples", "package"])

#: Options that say what is done with the numbers, and change none of them.
_PROCEDURE = frozenset(["cache", "verify", "hosting", "precompress"])

#: Bytes of all entries together; the one that was used longest ago goes first.
LIMIT = 2 << 30

#: Nanoseconds within which a file system may give two changes of a file the same time (FAT: two seconds).
_TICK = 2_000_000_000

#: What marks a directory that is still being written, and the age in seconds at which nobody does any more.
_UNFINISHED, _ABANDONED = ".new", 86_400


@dataclass(frozen=True)
class Cache:
    """Entries in a directory, each by its key; without a directory, nothing is kept.

    Attributes:
        directory: made when the first entry is.
        limit: bytes.
    """

    directory: Path | None = None
    limit: int = LIMIT

    def find(self, key: str | None, workspace: Path | None = None, *, whole: bool = False) -> Any:
        """Return the entry of ``key``, ``None`` where there is none that can be read.

        Args:
            key: ``None`` finds nothing.
            workspace: where the entry's files are linked to; it stays readable as long as this does.
            whole: what is read later will be: an entry that is damaged there is none, either.
        """
        if key is None or self.directory is None:
            return None
        entry = self.directory / _digest(key)
        if not (entry.is_dir() and _is_private(self.directory)):
            return None
        try:
            into = Path(tempfile.mkdtemp(dir=workspace, prefix="kept-")) if workspace else None
            value = records.read(entry, into, whole=whole)
        except FileNotFoundError:  # another process makes room at this moment
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError):
            shutil.rmtree(entry, ignore_errors=True)
            return None
        with suppress(OSError):
            os.utime(entry)
        return value

    def keep(self, key: str | None, value: object) -> None:
        """Make ``value`` the entry of ``key``; where that cannot be, for a full disk say, nothing happens."""
        if key is None or self.directory is None:
            return
        new: Path | None = None
        try:
            _make(self.directory)
            if not _is_private(self.directory):
                return
            new = Path(tempfile.mkdtemp(dir=self.directory, suffix=_UNFINISHED))
            records.write(value, new)
            entry = self.directory / _digest(key)
            if entry.is_dir():
                entry.rename(old := new.with_suffix(".old"))
                shutil.rmtree(old, ignore_errors=True)
            new.rename(entry)
            self._make_room(entry)
        except (OSError, TypeError):  # a TypeError: of what no record can have
            if new:
                shutil.rmtree(new, ignore_errors=True)

    def _make_room(self, newest: Path) -> None:
        assert self.directory
        entries = sorted(_entries(self.directory), reverse=True)
        total = 0
        for used, size, entry in entries:
            if entry.suffix:
                if used < newest.stat().st_mtime - _ABANDONED:
                    shutil.rmtree(entry, ignore_errors=True)
                continue
            total += size
            if total > self.limit and entry != newest:
                shutil.rmtree(entry, ignore_errors=True)


def users_cache(wanted: bool = True) -> Cache:
    """Return the cache that this user's builds share; one that keeps nothing where it is turned off.

    Raises:
        UsageError: :data:`VARIABLE` names a place that cannot be used.
    """
    named = os.environ.get(VARIABLE, "")
    if not wanted or named.lower() in ("off", "0"):
        return Cache()
    if not named:
        return Cache(_users_directory())
    try:
        _make(Path(named))
        reason = "" if _is_private(Path(named)) else "others may write there, and so into your bundles"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UsageError(
            f"{VARIABLE} is {named}, which cannot be used: {reason}.",
            f"Name a directory of your own in it, or turn the cache off with {VARIABLE}=off.",
        )
    return Cache(Path(named).absolute())


def model_key(file: SourceFile, options: BuildOptions, cache: Cache) -> str | None:
    """Return what decides the numbers of a build; ``None`` where code decides them too.

    A module of custom objects may import anything, which nothing here would see change.
    """
    if options.custom_objects is not None or file.custom_objects is not None:
        return None
    left_out = PRESENTATION | _PROCEDURE
    values = {name: value for name, value in asdict(options).items() if name not in left_out}
    if options.data is not None and options.data.is_file():
        values["data"] = hashlib.sha256(options.data.read_bytes()).hexdigest()
    if options.quantize == AUTO:  # measured in the browser that there is, if there is one to be used
        values["measured by"] = "" if options.verify is False else _browser()
    given = [file.format, file.sha256, file.name, values, surroundings(cache)]
    return json.dumps(given, sort_keys=True, default=str)


def parity_key(model: str | None) -> str | None:
    """Return what decides the parity of the model with the key ``model``: that, and the browser."""
    browser = _browser()
    return model and browser and f"parity {browser} {model}"


def _browser() -> str | None:
    from tfjs_bundle.verify.browser import identity

    try:
        return identity()
    except MissingBrowserError:  # verification will say so
        return None


def identified(path: Path, cache: Cache) -> SourceFile:
    """Return what the source at ``path`` is; bytes that were looked into before are not looked into again.

    Raises:
        SourceError: as :func:`tfjs_bundle.source.identify.identify`.
    """
    before = marks([path])
    digest = _file_digest(path)
    key = digest and f"source {digest} {surroundings(cache)}"
    known = cache.find(key)
    if known is not None:
        return SourceFile(path=path, name=default_name(path), marks=before, **known)
    file = identify(path)
    if file.sha256 == digest:  # one file, and not another one by now
        members = ("format", "sha256", "size", "keras_version")
        cache.keep(key, {member: getattr(file, member) for member in members})
    return file


@functools.cache
def surroundings(cache: Cache) -> str:
    """Return a digest of our code, the compiled runtime, Python, and the packages that are installed.

    Packages count by name and version, as the directories of their metadata have them: to read those takes
    longer than the rest of a build that finds everything here.
    """
    digest = hashlib.sha256(f"{sys.version}\0{sys.platform}\0".encode())
    digest.update(content_of(Path(__file__).parent, cache).encode())
    for directory in dict.fromkeys(sys.path):
        with suppress(OSError):
            names = os.listdir(directory or ".")  # noqa: PTH208  a Path per name takes five times as long
            found = sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))
            digest.update("\0".join(found).encode())
    return digest.hexdigest()


def content_of(directory: Path, cache: Cache) -> str:
    """Return a digest of the names and bytes of all files in ``directory``, but for compiled Python.

    Files that look as they did when they were read are not read again. That is to be trusted, as git trusts
    its index, where none was written just before: two changes within a tick of the clock look the same.
    """
    now = time.time_ns()
    stamps = dict(sorted(_stamps(directory)))
    key = f"content of {json.dumps([str(directory), stamps])}"
    known = cache.find(key)
    if isinstance(known, str):
        return known
    digest = hashlib.sha256()
    for name in stamps:
        content = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\0".encode())
    if all(max(written, changed) < now - _TICK for _, written, changed, *_ in stamps.values()):
        cache.keep(key, digest.hexdigest())
    return digest.hexdigest()


def _stamps(directory: Path, prefix: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name of each file and what changes whenever it is written, replaced or dated anew."""
    with os.scandir(directory) as entries:  # which takes a tenth of the time of Path.rglob
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _stamps(directory / entry.name, f"{name}/")
            elif entry.is_file():
                found = entry.stat()
                yield name, (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def _file_digest(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # a directory, or nothing that can be read
        return None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _users_directory() -> Path | None:
    """Return where this system keeps what a user's programs can make again."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tfjs-bundle"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tfjs-bundle" / "Cache"
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if Path(named).is_absolute() else home / ".cache") / "tfjs-bundle"


def _make(directory: Path) -> None:
    """Make the directory if there is none.

    Raises:
        OSError: it is no directory, or cannot be made or written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _is_private(directory: Path) -> bool:
    """Tell whether nobody else can write there; what others write would get into this user's bundles."""
    if not hasattr(os, "geteuid"):  # Windows, where a user's directories are the user's
        return True
    status = directory.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _entries(directory: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield when each was used last, its bytes, and where it is."""
    for entry in directory.iterdir():
        with suppress(OSError):
            if entry.is_dir():
                size = sum(file.stat().st_size for file in entry.iterdir())
                yield entry.stat().st_mtime, size, entry
