"""A message to JSON: protobuf's mapping with the proto's own names, every field without presence printed.

A writer is made once for each type of message, for json_format asks the descriptor of each field of each message
again, at 10 to 20 times the cost; what it has rules of its own for (maps, bytes, enums, 32-bit floats, the well-known
types) is left to it. A test holds both ways equal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isfinite, isnan
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from thinkaloud_server.web import words

_encode = msgspec.json.Encoder().encode
_readers: dict[type, Callable[[Message], Event]] = {}

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


def json_of(message: Message) -> bytes:
    """The message as JSON."""
    return writer_of(message.DESCRIPTOR)(message)


def event_of(message: Message) -> Event:
    """The event that a streamed message holds: of itself, or of its only field. `run_id` is "" where none is told."""
    reader = _readers.get(type(message))
    if reader is None:
        reader = _readers[type(message)] = _reader_of(message.DESCRIPTOR)
    return reader(message)


def line_of(event: Event) -> bytes:
    """The event with its name around it, as WebSocket and NDJSON send it, without a line end."""
    case, data, sequence, run_id = event
    return b'{"event":%b,"sequence":%d,"run_id":%b,"data":%b}' % (_encode(case), sequence, _encode(run_id), data)


@cache
def writer_of(descriptor: Descriptor) -> Callable[[Message], bytes]:
    """The function that writes messages of this type."""
    plain = tuple(field.name for field in descriptor.fields if _is_plain(field))
    parts = [_part_of(field) for field in descriptor.fields if not _is_plain(field)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not descriptor.fields or descriptor.file.package == "google.protobuf":
        return _by_the_book
    if not parts:
        return _plain_writer(plain, "{%s}")
    if plain:
        known.append(_plain_writer(plain, "%s"))
    return lambda message: b"{%b}" % b",".join([said for part in known if (said := part(message))])


def _plain_writer(names: tuple[str, ...], around: str) -> Callable[[Message], bytes]:
    """All plain fields of a message in one go."""
    form = (around % ",".join(f'"{name}":%b' for name in names)).encode()
    values = attrgetter(*names)
    if len(names) == 1:
        return lambda message: form % _encode(values(message))
    return lambda message: form % tuple(map(_encode, values(message)))


def _part_of(field: FieldDescriptor) -> Callable[[Message], bytes] | None:
    """The function that writes this field with its name, b"" where it is not printed; None where there is none."""
    name, key, inner, value = field.name, f'"{field.name}":'.encode(), field.message_type, attrgetter(field.name)
    write: Callable[[Any], bytes]
    if inner is not None and not inner.GetOptions().map_entry:
        write = lambda each: writer_of(inner)(each)  # noqa: E731 - looked up late: a type may hold itself
    elif field.type in _PLAIN:
        write = _encode
    elif field.type == FieldDescriptor.TYPE_DOUBLE:
        write = _double
    else:
        return None
    if field.is_repeated:
        return lambda message: key + b"[%b]" % b",".join(map(write, value(message)))
    if field.has_presence:
        return lambda message: key + write(value(message)) if message.HasField(name) else b""
    return lambda message: key + write(value(message))


def _double(value: float) -> bytes:
    if isfinite(value):
        return _encode(value)
    return b'"NaN"' if isnan(value) else b'"Infinity"' if value > 0 else b'"-Infinity"'


def _by_the_book(message: Message) -> bytes:
    return _encode(plain_of(message))


def plain_of(message: Message) -> Any:
    """The message as plain values, the way of json_format."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _is_plain(field: FieldDescriptor) -> bool:
    return field.type in _PLAIN and not field.is_repeated and not field.has_presence


def _reader_of(descriptor: Any) -> Callable[[Message], Event]:
    """The function that reads streamed messages of this type: what is found out here is not asked for each event."""
    for unwrap, event in (("", descriptor), *_only_field(descriptor)):
        for oneof in event.oneofs:
            if len(oneof.fields) > 1 or not _is_optional(oneof.fields[0]):
                return _case_reader(event, unwrap, oneof)
    numbered = words.has(descriptor, words.SEQUENCE)
    return lambda message: _unnamed(message, numbered)


def _case_reader(event: Descriptor, unwrap: str, oneof: OneofDescriptor) -> Callable[[Message], Event]:
    numbered = words.has(event, words.SEQUENCE)
    which = oneof.name
    cases = {
        field.name: (writer_of(field.message_type), words.has(field.message_type, words.RUN))
        for field in oneof.fields
        if field.message_type is not None
    }

    def read(message: Any) -> Event:
        told = getattr(message, unwrap) if unwrap else message
        case = told.WhichOneof(which)
        if case not in cases:
            return _unnamed(told, numbered)._replace(case=case or words.UNNAMED)
        writer, names_run = cases[case]
        data = getattr(told, case)
        run_id = getattr(data, words.RUN) if names_run else ""
        return Event(case, writer(data), told.sequence if numbered else 0, run_id)

    return read


def _unnamed(message: Any, numbered: bool) -> Event:
    return Event(words.UNNAMED, json_of(message), message.sequence if numbered else 0, "")


def _only_field(descriptor: Descriptor) -> list[tuple[str, Descriptor]]:
    """The name and the type of a wrapper's only field; nothing for messages that are no wrappers."""
    if len(descriptor.fields) != 1:
        return []
    (field,) = descriptor.fields
    return [(field.name, field.message_type)] if field.message_type is not None and not field.is_repeated else []


def _is_optional(field: FieldDescriptor) -> bool:
    """True for `optional`, which is a oneof of one to the descriptor."""
    return field.containing_oneof is not None and field.containing_oneof.name == f"_{field.name}"
