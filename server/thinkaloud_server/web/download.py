"""Server-streaming methods that bring a file: its very bytes, as an attachment that no browser runs.

Whoever stored the file chose its name and its type; neither may make a page of this origin out of it.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from google.protobuf.message import Message
from starlette.types import Send

from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.file import FileFace
from thinkaloud_server.web.rest import Headers, encoded
from thinkaloud_server.web.route import Route

ANY = "application/octet-stream"
# What no browser takes for a page or a script, also where it guesses in spite of nosniff.
HARMLESS = frozenset(
    {
        *("image/png", "image/jpeg", "image/gif", "image/webp"),
        *("audio/mpeg", "audio/ogg", "audio/wav", "video/mp4", "video/webm"),
        *("text/plain", "text/csv", "application/json", "application/zip"),
    }
)
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"accept-ranges", b"none"),
)
# What may stand in a quoted string without a second reading: the rest is told by filename* alone.
_UNQUOTED = re.compile(r"[^0-9A-Za-z !#$&'()+,.;=@^_`{}~\[\]-]")


async def download(
    asked: Asked, route: Route, face: FileFace, message: Message, caller: Caller, send: Send, extra: Headers
) -> None:
    """Call, and send each piece as it comes. Raises HttpError only before the first one; a failure after it cuts the
    connection, which is all that HTTP has for it."""
    begun = False
    async with caller.stream(route.method, message, asked.metadata()) as messages:
        async for each in messages:
            if not begun:
                begun = True
                told = await messages.headers()
                await send(_start(getattr(each, face.head), face, [*extra, *told]))
                if asked.verb == "HEAD":
                    break
            if data := getattr(each, face.bytes):
                await send({"type": "http.response.body", "body": data, "more_body": True})
    if not begun:
        raise HttpError("INTERNAL", "internal error")
    await send({"type": "http.response.body", "body": b""})


def disposition(filename: str) -> str:
    """The header that has a browser save it under this name (RFC 6266)."""
    if not filename:
        return "attachment"
    return f"attachment; filename=\"{_UNQUOTED.sub('_', filename)}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _start(head: Message, face: FileFace, extra: Headers) -> dict[str, object]:
    kind = str(getattr(head, face.content_type)) if face.content_type else ""
    headers = [
        *extra,
        ("content-type", kind if kind in HARMLESS else ANY),
        ("content-disposition", disposition(getattr(head, face.filename) if face.filename else "")),
    ]
    if face.size_bytes:
        headers.append(("content-length", str(getattr(head, face.size_bytes))))
    return {"type": "http.response.start", "status": 200, "headers": [*encoded(headers), *_ALWAYS]}
