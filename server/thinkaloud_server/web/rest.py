"""Unary methods as REST: a request message in, one JSON document out."""

from __future__ import annotations

import msgspec
from google.protobuf.message import Message
from starlette.types import Send

from thinkaloud_server.web import media, words
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.error import HttpError, envelope, invalid, refusal_headers
from thinkaloud_server.web.route import Route
from thinkaloud_server.web.status import OK, status_of
from thinkaloud_server.web.write import json_of, plain_of

Headers = list[tuple[str, str]]

# Answers are one caller's own, and JSON is never to be run as anything else.
_ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


async def unary(asked: Asked, route: Route, message: Message, caller: Caller, send: Send, extra: Headers) -> None:
    """Call, and answer with the response or that field of it which the route names."""
    kind = media.accepted(asked.headers.getlist("accept"), (media.JSON, media.VENDOR))
    answer, told = await caller.unary(route.method, message, asked.metadata())
    await respond(send, *answer_of(answer, route.response_body), kind, [*extra, *told])


def answer_of(answer: Message, field: str) -> tuple[int, bytes]:
    """The status and the JSON of the answer, or of one field of it."""
    part = getattr(answer, field) if field else answer
    if isinstance(part, Message):
        return status_of(part), json_of(part)
    return OK, msgspec.json.encode(plain_of(answer)[field])


def take_key(message: Message, within: str, asked: Asked) -> str:
    """Put the Idempotency-Key header into the field for it, in the message or in this field of it; the key that then
    stands there. A message without one has nothing that a repetition could spoil, and its header says nothing."""
    owner = message
    if not words.has(owner.DESCRIPTOR, words.KEY):
        field = words.field_of(owner.DESCRIPTOR, within)
        if field is None or field.message_type is None or not words.has(field.message_type, words.KEY):
            return ""
        owner = getattr(message, within)
    given = asked.headers.getlist("idempotency-key")
    present: str = getattr(owner, words.KEY)
    if not given:
        return present
    if len(given) > 1 or not given[0].strip():
        raise HttpError("IDEMPOTENCY_KEY_INVALID", "the header idempotency-key must be given once and not be empty")
    if present and present != given[0]:
        raise invalid(words.KEY, "differs from the header idempotency-key")
    setattr(owner, words.KEY, given[0])
    return given[0]


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """As ASGI takes them."""
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]


async def respond(send: Send, status: int, body: bytes, kind: str, extra: Headers, *, last: bool = True) -> None:
    """One whole answer; `kind` is "" for one without a body. It is sent at once, and ended when it is `last`."""
    headers = encoded(extra)
    if kind:
        headers += [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_ALWAYS]})
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def refuse(send: Send, error: HttpError, request_id: str, extra: Headers, *, last: bool = True) -> None:
    """The envelope, with the error's own headers."""
    headers = [*extra, *refusal_headers(error)]
    await respond(send, error.http, envelope(error, request_id), media.JSON, headers, last=last)
