"""Checks on an HDF5 file before its numbers are trusted.

HDF5 can take a dataset's numbers from other files: by external links, external storage and virtual
datasets. In a model that somebody else made, that would put files of this machine among the
weights, and from there into a bundle that is published.
"""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py

from tfjs_bundle.errors import SourceError

#: A dataset may declare far more numbers than the file holds: they would be made of nothing.
_MAX_EXPANSION = 100
_BOMB_FLOOR = 256 * 2**20


def refuse_foreign_data(path: Path, file: h5py.File) -> None:
    """Refuse links to other files, and datasets that would grow out of all proportion.

    Args:
        path: the source, for the message.
        file: open for reading; nothing but its structure is read.

    Raises:
        SourceError: naming the first such entry.
    """
    dangerous = "Do not use this file; get the model from its author again."
    groups: list[h5py.Group] = [file]
    seen = set()  # groups may contain each other
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise SourceError(f"{path} links to another file: {group.name}/{name}.", dangerous)
            if isinstance(link, h5py.SoftLink):
                continue  # stays inside this file; what it points to is met by itself
            item: Any = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise SourceError(f"{path} takes numbers from another file: {item.name}.", dangerous)
                stored = max(item.id.get_storage_size(), 1)
                if item.nbytes > _BOMB_FLOOR and item.nbytes > _MAX_EXPANSION * stored:
                    raise SourceError(
                        f"{path} has a dataset that would grow from {stored} to {item.nbytes} bytes: "
                        f"{item.name}.",
                        dangerous,
                    )


@contextmanager
def open_entry(archive: zipfile.ZipFile, name: str) -> Iterator[h5py.File]:
    """Open an HDF5 file inside a zip without reading it whole.

    Keras stores it uncompressed, so it is a slice of the archive; otherwise it is unpacked to a
    temporary file.
    """
    info = archive.getinfo(name)
    assert archive.filename
    if info.compress_type == zipfile.ZIP_STORED:
        with Path(archive.filename).open("rb") as whole:
            # the entry starts after its local header, which alone knows its own length
            whole.seek(info.header_offset + 26)
            name_length, extra_length = struct.unpack("<HH", whole.read(4))
            start = info.header_offset + 30 + name_length + extra_length
            with h5py.File(_Slice(whole, start, info.file_size), "r") as file:
                yield file
        return
    with archive.open(info) as entry, tempfile.TemporaryFile() as unpacked:
        shutil.copyfileobj(entry, unpacked, 2**20)
        with h5py.File(unpacked, "r") as file:
            yield file


class _Slice(io.RawIOBase):
    """A part of a file, read as a file."""

    def __init__(self, whole: IO[bytes], start: int, size: int) -> None:
        self._whole, self._start, self._size, self._position = whole, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = (
            offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        )
        return self._position

    def readinto(self, buffer: Any) -> int:
        self._whole.seek(self._start + self._position)
        data = self._whole.read(max(0, min(len(buffer), self._size - self._position)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
