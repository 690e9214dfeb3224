"""A static host on loopback: brotli, entity tags, isolation headers, and a network as slow as asked for.

The network is made here and not in the browser, whose own throttling does not reach workers.
"""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import brotli

from bench import WORK
from tfjs_bundle.serve.server import CONTENT_TYPES

#: As a host sends them that knows no difference between files: everything may be kept for ten minutes.
HEADERS = {
    "Cache-Control": "max-age=600",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}

_TYPES = {**CONTENT_TYPES, ".tflite": "application/octet-stream", ".onnx": "application/octet-stream"}
_TEXT = {".js", ".mjs", ".json", ".html", ".css", ".wasm", ".svg"}
_PIECE = 4096


@dataclass(frozen=True)
class Network:
    """What lies between host and visitor.

    Attributes:
        bytes_per_second: shared by all connections.
        latency: seconds from a request to the first byte of its answer; a new connection takes as long again.
    """

    name: str
    bytes_per_second: float | None = None
    latency: float = 0.0


LOOPBACK = Network("loopback")
SLOW = Network("10 Mbps, 40 ms", 10e6 / 8, 0.040)


@dataclass(frozen=True)
class Sent:
    """One answer: ``size`` is of its body as it went over the wire, ``head`` of its headers, in bytes."""

    path: str
    status: int
    size: int
    head: int


class Host:
    """Serves ``directory`` over ``network`` until the ``with`` block ends.

    Attributes:
        url: its address, with a trailing slash.
        sent: every answer so far; :meth:`forget` empties it.
    """

    def __init__(self, directory: Path, network: Network) -> None:
        self.directory = directory
        self.network = network
        self.sent: list[Sent] = []
        self._lock = threading.Lock()
        self._free = 0.0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.host = self
        # Not 127.0.0.1: Chromium takes brotli only where it trusts the origin, and takes it from localhost.
        self.url = f"http://localhost:{self._server.server_port}/"

    def __enter__(self) -> Host:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> list[Sent]:
        """Return what was sent since the last call, and start anew."""
        with self._lock:
            sent, self.sent = self.sent, []
        return sent

    def note(self, sent: Sent) -> None:
        """Remember an answer."""
        with self._lock:
            self.sent.append(sent)

    def wait_for_room(self, size: int) -> None:
        """Return when the wire, which all connections share, has taken ``size`` more bytes."""
        rate = self.network.bytes_per_second
        if rate:
            with self._lock:
                self._free = max(self._free, time.perf_counter()) + size / rate
                until = self._free
            time.sleep(max(0.0, until - time.perf_counter()))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    host: Host

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        time.sleep(self.server.host.network.latency)  # the connection's own handshake

    def do_GET(self) -> None:
        host = self.server.host
        path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        file = (host.directory / path).resolve()
        time.sleep(host.network.latency)
        status, body, encoding, tag = 404, b"not found", "", ""
        if file.is_relative_to(host.directory.resolve()) and file.is_file():
            body, encoding, tag = _compressed(file, file.stat().st_mtime_ns)
            status = 304 if self.headers.get("If-None-Match") == tag else 200
            body = b"" if status == 304 else body
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else '-'}"]
        lines += [f"{name}: {value}" for name, value in HEADERS.items()]
        lines.append(f"Content-Type: {_TYPES.get(file.suffix, 'application/octet-stream')}")
        if tag:
            lines.append(f"ETag: {tag}")
        if encoding and status == 200:
            lines.append(f"Content-Encoding: {encoding}")
        if status != 304:
            lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        host.note(Sent(path, status, len(body), len(head)))
        with suppress(ConnectionError):
            host.wait_for_room(len(head))
            self.wfile.write(head)
            step = _PIECE if host.network.bytes_per_second else max(1, len(body))
            for start in range(0, len(body), step):
                piece = body[start : start + step]
                host.wait_for_room(len(piece))
                self.wfile.write(piece)

    def log_message(self, format: str, *arguments: object) -> None:
        """The requests are counted, not printed."""


@lru_cache(maxsize=256)
def _compressed(file: Path, changed: int) -> tuple[bytes, str, str]:
    """Return body, encoding and entity tag of ``file``; ``changed`` is only there to tell versions apart.

    Compressed once and kept by content: at brotli's best for what is text or WebAssembly, one step below
    for weights, which take minutes at best and gain nothing.
    """
    body = file.read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    quality = 11 if file.suffix in _TEXT else 9
    kept = WORK / "brotli" / f"{digest}-{quality}"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part")
        partial.write_bytes(brotli.compress(body, quality=quality))
        partial.replace(kept)
    smaller = kept.read_bytes()
    tag = f'"{digest[:16]}"'
    return (smaller, "br", tag) if len(smaller) < len(body) else (body, "", tag)


def precompress(directory: Path) -> None:
    """Compress every file of ``directory`` now, so that no visit waits for it."""
    for file in sorted(directory.rglob("*")):
        if file.is_file():
            _compressed(file.resolve(), file.stat().st_mtime_ns)
