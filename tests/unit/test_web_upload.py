"""The body of a form as it is read: in pieces, within its limits, and by one reader at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from thinkaloud_server.web import guard
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.leaving import Gone
from thinkaloud_server.web.settings import WebSettings
from thinkaloud_server.web.upload import Body

LIMITED = WebSettings(upload_bytes=1000, body_timeout_s=0.05)
ROOM = 128 * 1024


class Caller:
    """The ASGI side of a caller: says these messages, and then nothing."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


def said(*bodies: bytes, last: bool = True) -> Iterable[Message]:
    for number, body in enumerate(bodies, 1):
        yield {"type": "http.request", "body": body, "more_body": not last or number < len(bodies)}


def body_of(caller: Caller, **headers: str) -> Body:
    return Body(caller.receive, Headers({key.replace("_", "-"): value for key, value in headers.items()}), LIMITED)


async def pieces(body: Body) -> list[bytes]:
    return [piece async for piece in body.pieces()]


async def test_a_body_is_read_when_the_next_piece_is_asked_for() -> None:
    caller = Caller(*said(b"a", b"", b"b"))
    body = body_of(caller)
    reading = body.pieces()
    assert (await anext(reading), caller.asked, body.whole) == (b"a", 1, False)
    assert (await anext(reading), caller.asked, body.whole) == (b"b", 3, True)
    with pytest.raises(StopAsyncIteration):
        await anext(reading)
    assert caller.asked == 3


async def test_nobody_else_receives_before_the_body_is_whole() -> None:
    caller = Caller(*said(b"a"), {"type": "http.disconnect"})
    body = body_of(caller)
    left: asyncio.Task[Any] = asyncio.ensure_future(body.later())
    await asyncio.sleep(0)
    assert caller.asked == 0
    assert await pieces(body) == [b"a"]
    assert (await left)["type"] == "http.disconnect"


async def test_a_caller_that_leaves_is_gone() -> None:
    with pytest.raises(Gone):
        await pieces(body_of(Caller(*said(b"a", last=False), {"type": "http.disconnect"})))


async def test_a_caller_that_falls_silent_is_refused() -> None:
    with pytest.raises(HttpError) as refused:
        await pieces(body_of(Caller(*said(b"a", last=False))))
    assert refused.value.code == "REQUEST_TIMEOUT"


async def test_too_much_is_refused_as_soon_as_it_is_told() -> None:
    caller = Caller(*said(b"a"))
    with pytest.raises(HttpError) as refused:
        body_of(caller, content_length=str(1000 + ROOM + 1))
    assert (refused.value.code, refused.value.headers) == ("UPLOAD_TOO_LARGE", (guard.CLOSE,))
    assert refused.value.details == {"limit": 1000}
    assert caller.asked == 0
    assert await pieces(body_of(caller, content_length=str(1000 + ROOM))) == [b"a"]


async def test_too_much_is_refused_as_soon_as_it_came() -> None:
    caller = Caller(*said(*[b"x" * 50_000] * 100))
    with pytest.raises(HttpError) as refused:
        await pieces(body_of(caller))
    assert refused.value.code == "UPLOAD_TOO_LARGE"
    assert caller.asked == 3
