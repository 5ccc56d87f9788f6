"""Page tokens: where a list goes on, as text that the caller hands back unread.

A token is the sort key of the last row of its page, so that rows which come or go between two pages shift
nothing. It is not secret and not signed: it only names a position, and every query checks the tenant itself.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, NamedTuple

import msgspec

from thinkaloud_server.core.errors import ChatError, ErrorReason

_Position = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class TimeKey(NamedTuple):
    """The sort key of runs (made at) and of conversations (used at); the id decides between equals."""

    time: float
    id: str


# Above every key that there is: where a list that runs downwards begins.
NEWEST = TimeKey(1e308, "")

_time_decoder = msgspec.json.Decoder(tuple[str, float, str])
_position_decoder = msgspec.json.Decoder(tuple[str, _Position])


def time_token(kind: str, key: TimeKey) -> str:
    """The token of a page of `kind` that ended at this key."""
    return _encode([kind, key.time, key.id])


def time_key(kind: str, token: str) -> TimeKey:
    """The key of a token, NEWEST for none; raises ChatError(INVALID_PAGE_TOKEN)."""
    if not token:
        return NEWEST
    try:
        found, time, ident = _time_decoder.decode(_decode(token))
        ident.encode()
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _invalid() from error
    if found != kind:
        raise _invalid()
    return TimeKey(time, ident)


def position_token(kind: str, position: int) -> str:
    """The token of a page of `kind` that ended at this position."""
    return _encode([kind, position])


def position_of(kind: str, token: str) -> int:
    """The position of a token, 0 for none; raises ChatError(INVALID_PAGE_TOKEN)."""
    if not token:
        return 0
    try:
        found, position = _position_decoder.decode(_decode(token))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _invalid() from error
    if found != kind:
        raise _invalid()
    return position


def _encode(key: list[str | float | int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error


def _invalid() -> ChatError:
    return ChatError(ErrorReason.INVALID_PAGE_TOKEN, "page_token must be the next_page_token of the page before")
