"""A message to JSON: protobuf's mapping with the proto's own names, every field without presence printed.

Messages whose fields are all plain strings, bools and 32-bit numbers, which nearly all events are (`token`,
`reasoning`), take a short way: json_format asks the descriptor of each field of each message again, at 20 times the
cost. A test holds both ways equal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from thinkaloud_server.web import words

_encode = msgspec.json.Encoder().encode

# JSON writes these as they are. Not 64-bit numbers (strings), not floats (NaN is one), not bytes, not enums.
_PLAIN = {
    *(FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32),
    *(FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32),
}


class Event(NamedTuple):
    """One streamed message: the name of its case, that case as JSON, and where in which run it stands."""

    case: str
    data: bytes
    sequence: int
    run_id: str


class _Plan(NamedTuple):
    """How a streamed message is read: through `unwrap` to the event, to the case of `oneof`, with its `sequence`."""

    unwrap: str
    oneof: str
    numbered: bool


def json_of(message: Message) -> bytes:
    """The message as JSON."""
    return writer_of(message.DESCRIPTOR)(message)


def event_of(message: Message) -> Event:
    """The event that a streamed message holds: of itself, or of its only field. `run_id` is "" where none is told."""
    unwrap, oneof, numbered = _plan_of(message.DESCRIPTOR)
    event: Any = getattr(message, unwrap) if unwrap else message
    case = event.WhichOneof(oneof) if oneof else None
    if case is None:
        return Event(words.UNNAMED, json_of(event), event.sequence if numbered else 0, "")
    told: Any = getattr(event, case)
    if not isinstance(told, Message):
        return Event(case, json_of(event), event.sequence if numbered else 0, "")
    writer, names_run = _case_writer(told.DESCRIPTOR)
    run_id = getattr(told, words.RUN) if names_run else ""
    return Event(case, writer(told), event.sequence if numbered else 0, run_id)


def line_of(event: Event) -> bytes:
    """The event with its name around it, as WebSocket and NDJSON send it, without a line end."""
    case, data, sequence, run_id = event
    return b'{"event":%b,"sequence":%d,"run_id":%b,"data":%b}' % (_encode(case), sequence, _encode(run_id), data)


@cache
def writer_of(descriptor: Descriptor) -> Callable[[Message], bytes]:
    """The function that writes messages of this type."""
    if not all(_is_plain(field) for field in descriptor.fields) or not descriptor.fields:
        return _by_the_book
    names = tuple(field.name for field in descriptor.fields)
    if len(names) == 1:
        (name,) = names
        return lambda message: _encode({name: getattr(message, name)})
    values = attrgetter(*names)
    return lambda message: _encode(dict(zip(names, values(message), strict=True)))


def _by_the_book(message: Message) -> bytes:
    return _encode(plain_of(message))


def plain_of(message: Message) -> Any:
    """The message as plain values, the way of json_format."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _is_plain(field: FieldDescriptor) -> bool:
    return field.type in _PLAIN and not field.is_repeated and not field.has_presence


@cache
def _case_writer(descriptor: Descriptor) -> tuple[Callable[[Message], bytes], bool]:
    return writer_of(descriptor), words.has(descriptor, words.RUN)


@cache
def _plan_of(descriptor: Descriptor) -> _Plan:
    for unwrap, event in (("", descriptor), *_only_field(descriptor)):
        oneof = next((each for each in event.oneofs if len(each.fields) > 1 or not _is_optional(each.fields[0])), None)
        if oneof is not None:
            return _Plan(unwrap, oneof.name, words.has(event, words.SEQUENCE))
    return _Plan("", "", words.has(descriptor, words.SEQUENCE))


def _only_field(descriptor: Descriptor) -> list[tuple[str, Descriptor]]:
    """The name and the type of a wrapper's only field; nothing for messages that are no wrappers."""
    if len(descriptor.fields) != 1:
        return []
    (field,) = descriptor.fields
    return [(field.name, field.message_type)] if field.message_type is not None and not field.is_repeated else []


def _is_optional(field: FieldDescriptor) -> bool:
    """True for `optional`, which is a oneof of one to the descriptor."""
    return field.containing_oneof is not None and field.containing_oneof.name == f"_{field.name}"
