"""The parts of an event that matter, typed. Unknown keys are skipped.

`content` and `tool_calls` are objects in the events that carry text and calls, and empty lists in the one that begins
the message. Leaves are whatever was sent and are looked at where they are used. An event that is of another shape, or
that is JSON to Python but not to the standard, is mended and read once more.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.providers.lenient import read_leniently


class Content(msgspec.Struct, gc=False):
    text: Any = None
    thinking: Any = None


class Function(msgspec.Struct, gc=False):
    name: Any = None
    arguments: Any = None


class Call(msgspec.Struct, gc=False):
    id: Any = None
    function: Function | None = None


class Message(msgspec.Struct, gc=False):
    content: Content | list[Any] | None = None
    tool_calls: Call | list[Any] | None = None
    tool_plan: Any = None


class Delta(msgspec.Struct, gc=False):
    message: Message | None = None
    finish_reason: Any = None
    usage: Any = None
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """`message` and `error` are there for an error that comes as an event of no type."""

    type: Any = None
    index: int | None = None
    delta: Delta | None = None
    id: Any = None
    message: Any = None
    error: Any = None


_EVENT = msgspec.json.Decoder(Event)


def index_of(event: Event) -> int:
    """The number of the content, or of the call; 0 for one that no list could have."""
    return event.index if event.index is not None and 0 <= event.index < _INDEX_END else 0


_INDEX_END = 1 << 20


def contents_of(message: Message) -> list[Content]:
    """The pieces of content in an event: one, unless somebody wrote a list as other formats do."""
    content = message.content
    if isinstance(content, Content):
        return [content]
    return [Content(item.get("text"), item.get("thinking")) for item in content or () if isinstance(item, dict)]


def calls_of(message: Message) -> list[Call]:
    """The same of the pieces of calls."""
    calls = message.tool_calls
    if isinstance(calls, Call):
        return [calls]
    found = []
    for item in calls or ():
        function = item.get("function") if isinstance(item, dict) else None
        if isinstance(function, dict):
            found.append(Call(item.get("id"), Function(function.get("name"), function.get("arguments"))))
    return found


def read_event(data: bytes) -> Event | None:
    """The event that these bytes are; None for JSON's null. Raises ValueError for what is no JSON object."""
    try:
        return _EVENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    value = read_object(data)
    return None if value is None else _EVENT.decode(msgspec.json.encode(_mended(value)))


def read_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object that these bytes are, read leniently; None for null. Raises ValueError for anything else."""
    value = read_leniently(data)
    if value is None or isinstance(value, dict):
        return value
    raise ValueError("no JSON object")


def _mended(value: dict[str, Any]) -> dict[str, Any]:
    """The event with what is of a wrong type put right or left out."""
    index, delta = value.get("index"), value.get("delta")
    value["index"] = index if type(index) is int and abs(index) < 2**31 else 0
    value["delta"] = delta if isinstance(delta, dict) else None
    message = delta.get("message") if isinstance(delta, dict) else None
    if isinstance(delta, dict):
        delta["message"] = message if isinstance(message, dict) else None
    if isinstance(message, dict):
        content, call = message.get("content"), message.get("tool_calls")
        if isinstance(content, str):
            content = {"text": content}
        message["content"] = content if isinstance(content, dict | list) else None
        message["tool_calls"] = call if isinstance(call, dict | list) else None
        if isinstance(call, dict) and not isinstance(call.get("function"), dict):
            call["function"] = None
    return value
