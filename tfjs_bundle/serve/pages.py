"""The web application of a preview.

The root sends to ``/VERSION/``, the bundle as it was built, so that whatever a page asks for comes from the
build that the page itself came from. Pages, and they alone, get a script added that follows
``/__tfjs-bundle/events`` and loads the next build when there is one. Everything else is the very bytes of
the bundle.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tfjs_bundle.serve.preview import VERSION_LENGTH, Preview
from tfjs_bundle.serve.rewrite import rewriting
from tfjs_bundle.serve.server import CONTENT_TYPES, HEADERS, site
from tfjs_bundle.site.render import runtime_directory

if TYPE_CHECKING:
    from starlette.requests import Request

#: What the preview itself answers for; bundles lie one directory down, so no file of theirs can be meant.
OWN = "__tfjs-bundle"
#: Seconds after which an open stream is written to, so that one whose page has gone is noticed.
PATIENCE = 15.0
_VERSION = re.compile(f"[0-9a-f]{{{VERSION_LENGTH}}}")
_HEAD = re.compile(rb"<head(\s[^>]*)?>", re.IGNORECASE)
_DOCTYPE = re.compile(rb"\s*<!doctype[^>]*>", re.IGNORECASE)


def application(preview: Preview) -> Any:
    """Return the ASGI application that serves what ``preview`` has."""
    from starlette.requests import Request

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        first, slash, rest = scope["path"].lstrip("/").partition("/")
        directory = preview.find(first) if slash else None
        if first == OWN or request.headers.get("service-worker") == "script":
            answer = _own(preview, request, rest)
        elif directory and (first == preview.state.version or not _navigates(request)):
            inner = {**scope, "path": f"/{rest}", "raw_path": quote(f"/{rest}").encode(), "root_path": ""}
            application = site(directory)
            if _navigates(request):
                application = _with_script(application, first, rest)
            await application(inner, receive, send)
            return
        else:
            answer = _elsewhere(preview, request, first, slash, rest)
        await answer(scope, receive, send)

    return app


def _own(preview: Preview, request: Request, name: str) -> Any:
    """Answer for the preview's own files, and for every script that would be a service worker."""
    from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse

    headers = {**HEADERS, "Cache-Control": "no-store"}
    if request.headers.get("service-worker") == "script":
        name = "retire.js"
    if name == "events":
        events = _events(preview)
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")
    if name in ("preview.js", "retire.js"):
        headers["Content-Type"] = CONTENT_TYPES[".js"]
        return FileResponse(runtime_directory() / "preview" / name, headers=headers)
    return PlainTextResponse("There is no such file.", 404, headers)


def _elsewhere(preview: Preview, request: Request, first: str, slash: str, rest: str) -> Any:
    """Answer for what lies in no build: send to the build that is served, or say that there is none."""
    from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

    headers = {**HEADERS, "Cache-Control": "no-store"}
    version = preview.state.version
    of_a_build = bool(slash and _VERSION.fullmatch(first))
    path = rest if of_a_build else f"{first}{slash}{rest}"
    up = "../" * f"{first}{slash}{rest}".count("/")
    if not version:
        if not _navigates(request):
            return PlainTextResponse("There is no build yet.", 503, headers)
        page = (runtime_directory() / "preview" / "waiting.html").read_bytes()
        return HTMLResponse(_add_script(page, "", up), 503, headers)
    if of_a_build and not _navigates(request):  # never a file of another build in its place
        return PlainTextResponse("This build has been replaced.", 410, headers)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{up}{version}/{quote(path)}{query}", headers=headers)


async def _events(preview: Preview) -> AsyncIterator[str]:
    """Give the state as server-sent events."""
    async for state in preview.follow(PATIENCE):
        if state is None:
            yield ": still here\n\n"
        else:
            yield f"data: {json.dumps(asdict(state))}\n\n"


def _navigates(request: Request) -> bool:
    """Tell whether a person is to see the answer as a page."""
    return "text/html" in request.headers.get("accept", "")


def _with_script(application: Any, version: str, path: str) -> Any:
    """Wrap an ASGI application so that a page gets the preview's script; nothing else is touched."""
    up = "../" * (path.count("/") + 1)

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        # A page without the script is another resource than the page with it: no ranges, no "not modified".
        ignored = (b"range", b"if-range", b"if-none-match", b"if-modified-since")
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] not in ignored]}

        def wanted(status: int, headers: Any) -> bool:
            return scope["method"] == "GET" and headers.get("content-type", "").startswith("text/html")

        async def add(page: bytes, headers: Any) -> bytes:
            headers["cache-control"] = "no-store"
            for name in ("etag", "last-modified", "accept-ranges"):
                del headers[name]
            return _add_script(page, version, up)

        await application(scope, receive, rewriting(send, wanted, add))

    return wrapped


def _add_script(page: bytes, version: str, up: str) -> bytes:
    """Put the script first into the head: it must run before any other could register a service worker."""
    tag = f'<script src="{up}{OWN}/preview.js" data-version="{version}"></script>'.encode()
    place = _HEAD.search(page) or _DOCTYPE.match(page)
    at = place.end() if place else 0
    return page[:at] + tag + page[at:]
