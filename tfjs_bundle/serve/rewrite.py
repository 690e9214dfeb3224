"""Answers that are sent with another body than the application gave them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


def rewriting(
    send: Any, wanted: Callable[[int, Any], bool], change: Callable[[bytes, Any], Awaitable[bytes]]
) -> Any:
    """Return an ASGI ``send`` that holds an answer back until its body is whole, and changes it.

    Args:
        send: gets every message, changed or not.
        wanted: tells from status and headers whether to change the answer; it may add headers to any.
        change: from the body and the headers, which it may change too, to the body that is sent.
    """
    from starlette.datastructures import MutableHeaders

    start: dict[str, Any] = {}
    body = bytearray()

    async def collect(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if wanted(message["status"], MutableHeaders(scope=message)):
                start.update(message)
                return
        elif start and message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            headers = MutableHeaders(scope=start)
            changed = await change(bytes(body), headers)
            headers["content-length"] = str(len(changed))
            await send(start)
            message = {"type": "http.response.body", "body": changed}
        await send(message)

    return collect
