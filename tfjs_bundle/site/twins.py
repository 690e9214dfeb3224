"""Compressed twins of a site's files, for hosts that send them in place of compressing anew.

``file.br`` and ``file.gz`` lie beside ``file``. They are not in bundle.json: a browser asks for ``file``, is
sent one of the three, and has the same bytes in the end.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import brotli

from tfjs_bundle.cache import Cache
from tfjs_bundle.site.render import Content, Site

#: By the ending of the twin, best first. Best is slow, and paid once per content.
ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    ".br": lambda data: brotli.compress(data, quality=11),
    ".gz": lambda data: gzip.compress(data, 9, mtime=0),
}

#: Bytes: below, a compressed answer is no shorter by a packet.
SMALLEST = 1024

#: A twin that saves less than this share is not worth its place.
_WORTH_IT = 0.02


def with_twins(site: Site, cache: Cache, workspace: Path) -> Site:
    """Return ``site`` with twins beside all files that they make smaller.

    Args:
        cache: of contents that were compressed before.
        workspace: where the twins lie until the site is written.
    """
    unread = {file.path for file in site.bundle.files if file.role == "hosting"}  # by any page
    wanted = [(path, content) for path, content in site.files.items() if path not in unread]
    jobs = [(path, content, ending) for path, content in wanted for ending in ENCODINGS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # both compressors let other threads run
        twins = pool.map(lambda job: _twin(job[1], job[2], cache, workspace), jobs)
        found = {f"{path}{ending}": twin for (path, _, ending), twin in zip(jobs, twins, strict=True) if twin}
    files = {**site.files, **found}
    return replace(site, files={path: files[path] for path in sorted(files)})


def _twin(content: Content, ending: str, cache: Cache, workspace: Path) -> Path | None:
    data = content.read_bytes() if isinstance(content, Path) else bytes(content)
    if len(data) < SMALLEST:
        return None
    key = f"twin {ending} {brotli.__version__} {hashlib.sha256(data).hexdigest()}"
    kept: dict[str, Path | None] | None = cache.find(key, workspace)
    if kept is None:
        compressed = ENCODINGS[ending](data)
        kept = {"twin": None}
        if len(compressed) <= len(data) * (1 - _WORTH_IT):
            handle, name = tempfile.mkstemp(dir=workspace, prefix="twin-")
            with os.fdopen(handle, "wb") as stream:
                stream.write(compressed)
            kept = {"twin": Path(name)}
        cache.keep(key, kept)
    return kept["twin"]
