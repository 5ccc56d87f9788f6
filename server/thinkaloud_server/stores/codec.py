"""Events and messages as JSON text, and back: the one form in which every durable store keeps them.

A payload is the JSON of the event's own fields; the type stands beside it, in a column of its own. Unknown
fields are ignored and missing ones take their default, so rows of an older release can still be read.

JSON is UTF-8, which has no place for half a surrogate pair: such a character is stored as U+FFFD. Everything
else comes back as it went in, NUL and U+2028 included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

import msgspec

from thinkaloud_server.core import event as events
from thinkaloud_server.core.event import Event, Logged, Terminal
from thinkaloud_server.core.message import (
    ImagePart,
    Message,
    Part,
    ReasoningState,
    Role,
    TextPart,
    ToolCall,
    ToolResult,
)
from thinkaloud_server.core.run import StoredMessage
from thinkaloud_server.core.usage import Usage

_TYPES: dict[type[Event], str] = {
    events.Start: "start",
    events.Progress: "progress",
    events.Reasoning: "reasoning",
    events.Token: "token",
    events.ToolCallEvent: "tool_call",
    events.Action: "action",
    events.Status: "status",
    events.RunMessage: "message",
    events.Warning: "warning",
    events.Complete: "complete",
    events.Error: "error",
}


class StoredDocument(msgspec.Struct, omit_defaults=True):
    """A StoredMessage without what the store gives it (its conversation and its parent)."""

    message_id: str
    role: Role
    run_id: str
    created_at: float
    parts: tuple[tuple[str, msgspec.Raw], ...] = ()
    reasoning: str = ""
    state: ReasoningState | None = None
    model: str = ""
    finish_reason: str = ""
    partial: bool = False
    usage: Usage | None = None


def _plain(value: Any) -> Any:
    """A mapping that is no dict, as a dict: msgspec knows only those."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encoder = msgspec.json.Encoder(enc_hook=_plain)
_decoders: dict[str, Callable[[bytes | msgspec.Raw], Event]] = {
    name: msgspec.json.Decoder(kind).decode for kind, name in _TYPES.items()
}
_decode_rows = msgspec.json.Decoder(list[tuple[int, str, msgspec.Raw]]).decode
_decode_text_map = msgspec.json.Decoder(dict[str, str]).decode
_decode_usage = msgspec.json.Decoder(Usage).decode
_decode_document = msgspec.json.Decoder(StoredDocument).decode
_decode_documents = msgspec.json.Decoder(list[tuple[str, StoredDocument]]).decode
_part_decoders: dict[str, Callable[[bytes | msgspec.Raw], Part]] = {
    "text": msgspec.json.Decoder(TextPart).decode,
    "image": msgspec.json.Decoder(ImagePart).decode,
    "tool_call": msgspec.json.Decoder(ToolCall).decode,
    "tool_result": msgspec.json.Decoder(ToolResult).decode,
}


def encode_event(event: Event) -> tuple[str, bytes]:
    """The event's type and its payload."""
    return _TYPES[type(event)], encode_json(event)


def decode_event(name: str, payload: bytes | msgspec.Raw) -> Event:
    """The event of this type and payload; raises msgspec.DecodeError or KeyError when it never was one."""
    return _decoders[name](payload)


def decode_terminal(payload: bytes, *, failed: bool) -> Terminal:
    """The terminal event of an ended run."""
    event = decode_event("error" if failed else "complete", payload)
    assert isinstance(event, Terminal)
    return event


def decode_page(page: str) -> list[Logged]:
    """The events of a JSON array of [sequence, type, payload]."""
    return [Logged(sequence, _decoders[name](payload)) for sequence, name, payload in _decode_rows(page)]


def encode_message(stored: StoredMessage) -> bytes:
    """The message as it is stored, without its conversation and its parent."""
    message = stored.message
    document = StoredDocument(
        message_id=stored.message_id,
        role=message.role,
        run_id=stored.run_id,
        created_at=stored.created_at,
        parts=tuple((_part_name(part), msgspec.Raw(encode_json(part))) for part in message.parts),
        reasoning=message.reasoning,
        state=message.state,
        model=stored.model,
        finish_reason=stored.finish_reason,
        partial=stored.partial,
        usage=stored.usage,
    )
    return encode_json(document)


def decode_message(payload: bytes | str, *, conversation_id: str, parent_id: str) -> StoredMessage:
    """The message that `encode_message` wrote, in its place."""
    return _placed(_decode_document(payload), conversation_id, parent_id)


def decode_messages(page: str, *, conversation_id: str) -> tuple[StoredMessage, ...]:
    """The messages of a JSON array of [parent_id, document]."""
    return tuple(_placed(document, conversation_id, parent_id) for parent_id, document in _decode_documents(page))


def encode_json(value: object) -> bytes:
    """Any value of ours as JSON, with U+FFFD for what UTF-8 cannot hold."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_without_lone_surrogates(msgspec.to_builtins(value, enc_hook=_plain)))


def decode_text_map(payload: bytes | str) -> dict[str, str]:
    """A mapping from text to text."""
    return _decode_text_map(payload)


def decode_usage(payload: bytes | str) -> Usage:
    """A Usage."""
    return _decode_usage(payload)


def storable(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair; a whole pair becomes its character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _part_name(part: Part) -> str:
    match part:
        case TextPart():
            return "text"
        case ImagePart():
            return "image"
        case ToolCall():
            return "tool_call"
        case ToolResult():
            return "tool_result"
        case _:
            assert_never(part)


def _placed(document: StoredDocument, conversation_id: str, parent_id: str) -> StoredMessage:
    parts = tuple(_part_decoders[name](payload) for name, payload in document.parts)
    return StoredMessage(
        message_id=document.message_id,
        conversation_id=conversation_id,
        parent_id=parent_id,
        message=Message(document.role, parts, document.reasoning, document.state),
        run_id=document.run_id,
        created_at=document.created_at,
        model=document.model,
        finish_reason=document.finish_reason,
        partial=document.partial,
        usage=document.usage,
    )


def _without_lone_surrogates(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case list() | tuple():
            return [_without_lone_surrogates(item) for item in value]
        case dict():
            return {storable(str(key)): _without_lone_surrogates(item) for key, item in value.items()}
        case _:
            return value
