"""Client-streaming methods that take a file, as a form: its bytes go on to the service as they come.

The next piece of the body is read when the service took the one before it, so a slow one slows its caller, and neither
side is ever more than a piece ahead. A caller that leaves, or sends what is no form, cancels the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Send

from thinkaloud_server.web import guard, media, rest
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.error import HttpError, invalid
from thinkaloud_server.web.file import FileFace
from thinkaloud_server.web.form import Begun, Form, Named, boundary_of
from thinkaloud_server.web.leaving import Gone
from thinkaloud_server.web.read import read_query
from thinkaloud_server.web.route import Route
from thinkaloud_server.web.settings import WebSettings

# What a form may have besides its file: boundaries, the heads of its parts, its fields.
_ROOM_BYTES = 128 * 1024


class Body:
    """The body of one request, read piece by piece. Until it is whole nobody else may receive: `later` waits for
    that."""

    def __init__(self, receive: Receive, headers: Headers, settings: WebSettings) -> None:
        self._receive = receive
        self._settings = settings
        self._bytes_max = settings.upload_bytes + _ROOM_BYTES
        self._whole = asyncio.Event()
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._bytes_max:
            raise self._too_large()

    @property
    def whole(self) -> bool:
        """True when all of it was read."""
        return self._whole.is_set()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Raises Gone for a caller that left, and HttpError for one that falls silent or sends too much."""
        size, silence_s = 0, self._settings.body_timeout_s
        while not self.whole:
            try:
                async with asyncio.timeout(silence_s):
                    message = await self._receive()
            except TimeoutError:
                raise HttpError("REQUEST_TIMEOUT", f"nothing of the body came for {silence_s:g} s") from None
            if message["type"] == "http.disconnect":
                raise Gone("left before its body was whole")
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > self._bytes_max:
                raise self._too_large()
            if not message.get("more_body"):
                self._whole.set()
            if piece:
                yield piece

    async def later(self) -> AsgiMessage:
        """What comes after the body."""
        await self._whole.wait()
        return await self._receive()

    async def linger(self) -> None:
        """Let the rest of it come and go, for a while."""
        await guard.linger(self._receive, self._settings)

    def _too_large(self) -> HttpError:
        limit = self._settings.upload_bytes
        problem = f"the file is over the limit of {limit} bytes"
        return HttpError("UPLOAD_TOO_LARGE", problem, details={"limit": limit}, headers=(guard.CLOSE,))


async def upload(
    asked: Asked,
    route: Route,
    face: FileFace,
    first: Message,
    body: Body,
    caller: Caller,
    send: Send,
    extra: rest.Headers,
) -> None:
    """Call with the form in the body, and answer as a unary method does. `first` holds what path and query said."""
    try:
        kind = media.accepted(asked.headers.getlist("accept"), (media.JSON, media.VENDOR))
        form = Form(boundary_of(asked.headers.get("content-type"), asked.headers.get("content-encoding")), face.part)
        requests = requests_of(form, body, first, face, asked)
        answer, told = await caller.intake(route.method, requests, asked.metadata())
    except HttpError as error:
        if not body.whole and guard.CLOSE not in error.headers:
            # What is still to come would be taken for the next request, or waited for.
            error.headers = (*error.headers, guard.CLOSE)
        raise
    headers = [*extra, *told]
    if body.whole:
        await rest.respond(send, *rest.answer_of(answer, route.response_body), kind, headers)
        return
    await rest.respond(send, *rest.answer_of(answer, route.response_body), kind, [*headers, guard.CLOSE], last=False)
    await body.linger()
    await send({"type": "http.response.body", "body": b""})


async def requests_of(
    form: Form, body: Body, first: Message, face: FileFace, asked: Asked
) -> AsyncGenerator[Message, None]:
    """The messages of the call: first the one with the file's head, then its bytes, then its end."""
    fields: list[tuple[str, str]] = []
    begun = False
    async with aclosing(body.pieces()) as pieces:
        async for piece in pieces:
            for item in form.feed(piece):
                match item:
                    case Named(name, text) if not begun:
                        fields.append((name, text))
                    case Named(name):
                        raise invalid(name[:64], "must stand before the file")
                    case Begun() if begun:
                        raise invalid(face.part, "is given twice")
                    case Begun():
                        begun = True
                        _fill_head(first, face, fields, item)
                        rest.take_key(first, face.head, asked)
                        yield first
                    case _:
                        message = type(first)()
                        setattr(message, face.bytes, item)
                        yield message
    form.end()
    if not begun:
        raise invalid(face.part, "is needed: the part of the form that is the file")
    if face.end:
        message = type(first)()
        getattr(message, face.end).SetInParent()
        yield message


def _fill_head(message: Message, face: FileFace, fields: list[tuple[str, str]], begun: Begun) -> None:
    """What the form says of the file: its fields, and the head of its own part for what they do not say."""
    head = getattr(message, face.head)
    head.SetInParent()
    read_query(head, fields)
    for name, text in ((face.filename, begun.filename), (face.content_type, begun.content_type)):
        if name and not getattr(head, name):
            setattr(head, name, text)
