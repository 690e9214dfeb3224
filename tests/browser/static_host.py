"""A static host as visitors meet it: caching headers, outages, damaged files, cut connections.

It counts what it is asked, so that a test can say "one request per file".
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tfjs_bundle.serve.server import CONTENT_TYPES, HEADERS

#: Caching policy to what a host that follows it sends; the last two take part in revalidation.
CACHING = {
    "none": {},
    "no-store": {"Cache-Control": "no-store"},
    "no-cache": {"Cache-Control": "no-cache"},
    "max-age": {"Cache-Control": "max-age=600"},
}


@dataclass(frozen=True)
class Request:
    """One request as it came in: ``path`` is relative to the host's root and has no query."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int


class StaticHost:
    """Serves ``directory`` under ``/<prefix>`` on a loopback port that stays the same.

    Attributes:
        directory: what is served; assign another one to deploy it.
        caching: a key of :data:`CACHING`.
        headers: sent with every answer.
        requests: every request so far, in order.
    """

    def __init__(
        self, directory: str | Path, *, prefix: str = "", caching: str = "no-cache", isolated: bool = True
    ) -> None:
        self.directory = Path(directory)
        self.prefix = f"/{prefix.strip('/')}/" if prefix.strip("/") else "/"
        self.caching = caching
        kept = HEADERS if isolated else {n: v for n, v in HEADERS.items() if not n.startswith("Cross-Origin")}
        self.headers = dict(kept)
        self.requests: list[Request] = []
        self.port = 0
        self._answers: dict[str, tuple[str, int]] = {}
        self._gates: dict[str, tuple[threading.Event, threading.Event]] = {}
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        """The address of ``directory``, with a trailing slash."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def counts(self) -> Counter[str]:
        """How often each path was asked for."""
        with self._lock:
            return Counter(request.path for request in self.requests)

    def forget(self) -> None:
        """Start counting anew."""
        with self._lock:
            self.requests.clear()

    def start(self) -> None:
        """Listen; after :meth:`stop`, on the same port."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self.port), _Handler, self)
            self.port = self._server.server_port
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away for real: the port is closed and open connections are cut."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            with self._lock:
                open_now = list(self._connections)
            for connection in open_now:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for gate in self._gates.values():  # only now: what is held must not go out after all
                gate[1].set()

    def flip(self, path: str, at: int = 0) -> None:
        """Answer ``path`` with the bit-flipped byte ``at`` (negative counts from the end)."""
        self._answers[path] = ("flip", at)

    def answer_html(self, path: str) -> None:
        """Answer ``path`` with status 200 and an HTML page, as single-page hosts do."""
        self._answers[path] = ("html", 0)

    def answer_missing(self, path: str) -> None:
        """Answer ``path`` with status 404."""
        self._answers[path] = ("missing", 0)

    def answer_error(self, path: str, status: int = 503) -> None:
        """Answer ``path`` with ``status``."""
        self._answers[path] = ("error", status)

    def cut(self, path: str, after: int = 1) -> None:
        """Cut the connection ``after`` that many bytes of ``path``'s body."""
        self._answers[path] = ("cut", after)

    def hold(self, path: str, after: int = 0) -> threading.Event:
        """Send ``after`` bytes of ``path`` and wait; returns an event that is set when it waits.

        :meth:`release` lets it go on.
        """
        waiting = threading.Event()
        self._gates[path] = (waiting, threading.Event())
        self._answers[path] = ("hold", after)
        return waiting

    def release(self, path: str) -> None:
        """Let the answer that :meth:`hold` stopped go on."""
        self._answers.pop(path, None)
        self._gates.pop(path)[1].set()

    def heal(self, path: str | None = None) -> None:
        """Answer ``path`` (every path, by default) as it is again."""
        for name in [path] if path is not None else list(self._answers):
            if name in self._gates:
                self.release(name)
            self._answers.pop(name, None)

    def __enter__(self) -> StaticHost:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address, handler, host: StaticHost) -> None:
        self.host = host
        super().__init__(address, handler)

    def process_request(self, request, client_address):
        with self.host._lock:
            self.host._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.host._lock:
            self.host._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A browser that goes away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    """One answer per connection, so that a stopped host has no connection left to answer on."""

    server: _Server
    protocol_version = "HTTP/1.1"  # Chromium ignores entity tags in HTTP/1.0

    def do_GET(self) -> None:
        host = self.server.host
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        inside = path.startswith(host.prefix)
        name = path[len(host.prefix) :] if inside else path
        kind, number = host._answers.get(name, ("file", 0))
        body = self._read(name) if inside else None
        status = 200
        if kind == "error":
            status, body = number, b"<!doctype html><title>out of order</title>"
        elif kind == "missing" or body is None:
            status, body = 404, b"<!doctype html><title>not found</title>"
        elif kind == "html":
            body = b"<!doctype html><title>home</title>"
        elif kind == "flip":
            flipped = bytearray(body)
            flipped[number] ^= 0x10
            body = bytes(flipped)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        revalidates = host.caching in ("no-cache", "max-age")
        if status == 200 and revalidates and self.headers.get("If-None-Match") == tag:
            status, body = 304, b""
        with host._lock:
            host.requests.append(
                Request(
                    self.command, name, parts.query, {k.lower(): v for k, v in self.headers.items()}, status
                )
            )
        self.send_response(status)
        self.send_header("Connection", "close")
        for header, value in {**host.headers, **CACHING[host.caching]}.items():
            self.send_header(header, value)
        if revalidates and status in (200, 304):
            self.send_header("ETag", tag)
        suffix = (
            ".html"
            if status >= 400 or kind == "html" or not name or name.endswith("/")
            else Path(name).suffix
        )
        self.send_header("Content-Type", CONTENT_TYPES.get(suffix, "application/octet-stream"))
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind == "cut" and status == 200:
            self.wfile.write(body[:number])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if kind == "hold" and status == 200:
            self.wfile.write(body[:number])
            self.wfile.flush()
            gate = host._gates.get(name)
            if gate:
                gate[0].set()
                gate[1].wait(60)
            body = body[number:]
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _read(self, name: str) -> bytes | None:
        root = self.server.host.directory.resolve()
        path = (root / name).resolve()
        if path.is_dir():
            path = path / "index.html"
        if not path.is_relative_to(root) or not path.is_file():
            return None
        return path.read_bytes()

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests are quiet."""
