"""The parts of an event that matter, typed. Unknown keys are skipped; the leaves are whatever was sent.

An event whose frame is wrong, or that is JSON to Python but not to the standard (NaN, half of a surrogate pair,
bytes that are no UTF-8), is read once more, leniently.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.providers.lenient import read_leniently


class Delta(msgspec.Struct, gc=False):
    """What a `content_block_delta` adds to a block, or a `message_delta` to the message."""

    type: Any = ""
    text: Any = None
    thinking: Any = None
    partial_json: Any = None
    signature: Any = None
    stop_reason: Any = None
    stop_details: Any = None
    usage: Any = None


class Event(msgspec.Struct, gc=False):
    type: Any = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None
    stop_reason: Any = None


_EVENT = msgspec.json.Decoder(Event)


def read_event(data: bytes) -> Event | None:
    """The event that these bytes are; None for JSON's null. Raises ValueError for what is no JSON object."""
    try:
        return _EVENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data)


def _read_leniently(data: bytes) -> Event | None:
    value = read_leniently(data)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no event
    index, delta = value.get("index"), value.get("delta")
    return Event(
        type=value.get("type"),
        index=index if isinstance(index, int) else 0,
        delta=Delta(**{name: delta.get(name) for name in Delta.__struct_fields__}) if isinstance(delta, dict) else None,
        content_block=value.get("content_block"),
        message=value.get("message"),
        usage=value.get("usage"),
        error=value.get("error"),
        stop_reason=value.get("stop_reason"),
    )


def text_of(value: object) -> str:
    """A leaf that should be a string."""
    return value if isinstance(value, str) else ""
