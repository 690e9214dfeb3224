"""Serve a bundle on this machine as a good static host would.

Right MIME types, cross-origin isolation (so that wasm threads can be had), the
Content-Security-Policy of the bundle's ``_headers`` file, byte ranges, entity tags, compression, and
``Cache-Control: no-cache`` so that a rebuild is seen on the next visit.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tfjs_bundle.errors import UsageError
from tfjs_bundle.serve.compress import compressing
from tfjs_bundle.site.security import content_security_policy

if TYPE_CHECKING:
    import uvicorn

#: How many ports after the one asked for are tried when it is busy.
PORTS_TRIED = 20

#: What a browser needs to be told, whatever this machine's own MIME tables say.
CONTENT_TYPES = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}

#: Where only this machine's own programs reach a server.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: Sent with every answer unless the directory's ``_headers`` says otherwise.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": content_security_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass
class Server:
    """A server at work on a thread of its own.

    Attributes:
        host: the address it listens on.
        port: the port it listens on; not the one asked for when that was busy.
        asked_port: the port asked for; 0 for any.
    """

    host: str
    port: int
    asked_port: int
    _uvicorn: uvicorn.Server = field(repr=False)
    _thread: threading.Thread = field(repr=False)

    @property
    def url(self) -> str:
        """The address of the directory's root, with a trailing slash."""
        every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to go, not where to listen
        host = every.get(self.host, self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    @property
    def moved(self) -> bool:
        """Whether the port asked for was busy and another one was taken."""
        return self.asked_port not in (0, self.port)

    def wait(self) -> None:
        """Block until the server ends; Ctrl-C raises ``KeyboardInterrupt`` as ever."""
        while self._thread.is_alive():
            self._thread.join(0.5)  # in slices: a join without a limit is deaf to Ctrl-C on Windows

    def close(self) -> None:
        """Stop answering and free the port; safe to call twice."""
        self._uvicorn.should_exit = True
        self._thread.join()


def site(directory: str | Path, mounts: Mapping[str, str | Path] | None = None) -> Any:
    """Return the ASGI application that answers for ``directory`` as a good static host would.

    Args:
        directory: what is served at ``/``. It may be swapped for another of the same name.
        mounts: URL prefix without slashes to directory, for what is not part of the bundle.
    """
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    files = {f"/{prefix.strip('/')}": Path(path) for prefix, path in (mounts or {}).items()}
    routes = [
        Mount(prefix or "/", app=StaticFiles(directory=path, html=True, check_dir=False))
        for prefix, path in {**files, "": Path(directory)}.items()
    ]
    return _with_headers(Starlette(routes=routes), Path(directory))


def start(application: Any, *, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Start answering with an ASGI application, on a thread of its own, and return at once.

    Args:
        host: the address to listen on.
        port: 0 takes any free port; a busy one is replaced by the next free one.

    Raises:
        UsageError: neither ``port`` nor any of the next :data:`PORTS_TRIED` can be listened on.
    """
    import uvicorn

    listener = _listen(host, port)
    config = uvicorn.Config(
        _for_this_machine(application) if host in LOOPBACK else application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,  # it closes the handlers of the whole process, and with absl's standard error
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="tfjs-bundle serve", daemon=True
    )
    thread.start()  # the socket listens already, so whoever connects before the thread is up just waits
    return Server(host, listener.getsockname()[1], port, server, thread)


@contextmanager
def serving(
    directory: str | Path,
    port: int = 0,
    mounts: Mapping[str, str | Path] | None = None,
    *,
    host: str = "127.0.0.1",
    compress: bool = False,
) -> Iterator[Server]:
    """Serve ``directory`` inside a ``with`` block; see :func:`site` and :func:`start`.

    ``compress`` answers as hosts do; verification does without, since nothing travels.

    Raises:
        UsageError: there is no such directory, or no port that can be listened on.
    """
    for path in (directory, *(mounts or {}).values()):
        if not Path(path).is_dir():
            raise UsageError(f"{path} cannot be served: it is not a directory.", "Name a bundle's directory.")
    application = site(directory, mounts)
    server = start(
        compressing(application, Path(directory)) if compress else application, host=host, port=port
    )
    try:
        yield server
    finally:
        server.close()


def serve_forever(
    directory: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    announce: Any = lambda server: None,
) -> None:
    """Serve ``directory`` until Ctrl-C.

    Args:
        announce: called once with the :class:`Server` when it listens; the command line
            prints the address there, and says so where ``server.moved``.
    """
    try:
        with serving(directory, port, host=host, compress=True) as server:
            announce(server)
            server.wait()
    except KeyboardInterrupt:
        pass  # Ctrl-C is how this ends, whenever it comes


def read_headers(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Read a static host's ``_headers`` file: ``(path pattern, headers)`` in the file's order.

    A missing file has no rules. Lines that are neither a pattern, a header nor a comment
    are passed over, as hosts do.
    """
    rules: list[tuple[str, dict[str, str]]] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return rules
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            rules.append((line.strip(), {}))
        elif rules and ":" in line:
            name, value = line.split(":", 1)
            rules[-1][1][name.strip()] = value.strip()
    return rules


def _applies(pattern: str, path: str) -> bool:
    """Tell whether a ``_headers`` pattern covers ``path``; ``*`` stands for anything."""
    head, star, tail = pattern.partition("*")
    if not star:
        return path == pattern
    return path.startswith(head) and path.endswith(tail) and len(path) >= len(head) + len(tail)


def _with_headers(application: Any, directory: Path) -> Any:
    """Wrap an ASGI application so that every answer carries the headers of a good host."""

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        from starlette.datastructures import MutableHeaders

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                path: str = scope["path"]
                wanted = dict(HEADERS)
                for pattern, rule in read_headers(directory / "_headers"):
                    if _applies(pattern, path):
                        wanted.update(rule)
                wanted["Cache-Control"] = "no-cache"  # never what the file says: here a rebuild must be seen
                for name, value in wanted.items():
                    headers[name] = value
                suffix = PurePosixPath("index.html" if path.endswith("/") else path).suffix.lower()
                whole = not headers.get("content-type", "").startswith("multipart/")  # several ranges
                if message["status"] in (200, 206, 304) and suffix in CONTENT_TYPES and whole:
                    headers["content-type"] = CONTENT_TYPES[suffix]
            await send(message)

        await application(scope, receive, send_with_headers if scope["type"] == "http" else send)

    return wrapped


def _for_this_machine(application: Any) -> Any:
    """Wrap an ASGI application so that it answers only to names that always mean this machine.

    A stranger's site can let its own name point here, and a browser would then take this server for a part of
    that site, which could read the model. An address that is a number points nowhere else.
    """

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        if _means_this_machine(Headers(scope=scope).get("host", "")):
            await application(scope, receive, send)
            return
        text = "This server answers to this machine alone. Start it with --host to let others in."
        await PlainTextResponse(text, 403, HEADERS)(scope, receive, send)

    return wrapped


def _means_this_machine(host: str) -> bool:
    """Tell whether a Host header has a number, or the one name that is never asked for on the network."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return f".{name}".endswith(".localhost") or ":" in name or name.replace(".", "").isdigit()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``port`` or on the next free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = min(port + PORTS_TRIED, 65535) if port else 0
    for candidate in range(port, last + 1):
        listener = socket.socket(family, socket.SOCK_STREAM)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would share a busy port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES) and candidate < last:
                continue
            what = f"Cannot listen on {host}, port {candidate}: {error.strerror or error}."
            raise UsageError(what, "Choose another one with --host or --port.") from None
        return listener
    raise UsageError(f"Port {port} is not a port.", "Choose one from 0 to 65535 with --port.")
