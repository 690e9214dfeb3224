"""Compressed answers, as hosts send them.

A file's twin (``file.br``, ``file.gz``) where there is one; else only what shrinks: text and WebAssembly,
weights hardly do. Never a range, whose bytes are counted in the file itself. What was compressed is kept by
its content, since builds share most of their files.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import brotli

from tfjs_bundle.serve.rewrite import rewriting

SUFFIXES = frozenset(
    [".css", ".html", ".js", ".json", ".md", ".mjs", ".svg", ".ts", ".txt", ".wasm", ".webmanifest"]
)
#: Bytes: below, a compressed answer is no shorter by a packet; above, compressing takes longer than it saves.
SMALLEST, LARGEST = 1024, 4 << 20
_BROTLI_QUALITY, _GZIP_LEVEL = 5, 6
_ENDINGS = {"br": ".br", "gzip": ".gz"}


def compressing(application: Any, directory: Path | None = None) -> Any:
    """Wrap an ASGI application so that its answers are compressed where the browser takes that.

    Args:
        directory: what it serves, where twins may lie.
    """

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        from anyio.to_thread import run_sync
        from starlette.datastructures import Headers

        asked = Headers(scope=scope) if scope["type"] == "http" else Headers()
        path = scope.get("path", "")
        path = f"{path}index.html" if path.endswith("/") else path
        encoding = _encoding(asked.get("accept-encoding", ""))
        twin = _twin(directory, f"{path}{_ENDINGS[encoding]}") if directory and encoding else None
        suffix = PurePosixPath(path).suffix.lower()
        if not encoding or "range" in asked or not (twin or suffix in SUFFIXES):
            await application(scope, receive, send)
            return

        def wanted(status: int, headers: Any) -> bool:
            headers.add_vary_header("Accept-Encoding")
            size = int(headers.get("content-length", 0))
            plain = status == 200 and "content-encoding" not in headers
            return plain and scope["method"] == "GET" and (bool(twin) or SMALLEST <= size <= LARGEST)

        async def compress(body: bytes, headers: Any) -> bytes:
            headers["content-encoding"] = encoding
            del headers["accept-ranges"]
            if "etag" in headers and not headers["etag"].startswith("W/"):
                headers["etag"] = f"W/{headers['etag']}"  # the same file, not the same bytes
            if twin:
                return await run_sync(twin.read_bytes)
            return await run_sync(_compressed, body, encoding)

        await application(scope, receive, rewriting(send, wanted, compress))

    return wrapped


def _twin(directory: Path, path: str) -> Path | None:
    """Return the file at ``path`` of an address, which may be anything."""
    root = directory.resolve()
    try:
        file = (root / path.lstrip("/")).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):
        return None


def _encoding(accepted: str) -> str:
    """Return the best encoding of an ``Accept-Encoding`` header, or nothing."""
    offers = [offer.replace(" ", "").lower() for offer in accepted.split(",")]
    taken = {offer.partition(";")[0] for offer in offers if not offer.endswith((";q=0", ";q=0.0"))}
    return next((encoding for encoding in ("br", "gzip") if encoding in taken), "")


@lru_cache(maxsize=64)
def _compressed(body: bytes, encoding: str) -> bytes:
    if encoding == "br":
        return brotli.compress(body, quality=_BROTLI_QUALITY)
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)
