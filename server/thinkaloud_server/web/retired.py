"""What of a request is retired (retired.proto), told in the headers of its answer.

`Deprecation` is a date as structured fields write it (RFC 9745), `Sunset` one as HTTP does (RFC 8594); links say why.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from thinkaloud.v1 import retired_pb2

Headers = list[tuple[str, str]]


@cache
def retirement_of(declared: MethodDescriptor | FieldDescriptor) -> retired_pb2.Retired | None:
    """The option of a method or field; None for what is not retired."""
    option: Any = retired_pb2.retired if isinstance(declared, MethodDescriptor) else retired_pb2.retired_field
    options = declared.GetOptions()
    found: retired_pb2.Retired = options.Extensions[option]
    return found if options.HasExtension(option) else None


def is_deprecated(declared: MethodDescriptor | FieldDescriptor) -> bool:
    """True for what is retired, or marked with protobuf's own option."""
    return bool(declared.GetOptions().deprecated) or retirement_of(declared) is not None


def told(retired: retired_pb2.Retired) -> str:
    """The same in a sentence."""
    sunset = f", and may go on {retired.sunset}" if retired.sunset else ""
    link = f": {retired.link}" if retired.link else ""
    return f"Retired since {retired.since}{sunset}{link}."


def headers_of(method: MethodDescriptor, message: Message) -> Headers:
    """The headers for a call with this message; none where nothing of it is retired. Of several, the earliest days."""
    if not retires(method):
        return []
    found = [each for each in (retirement_of(method), *_carried(message)) if each is not None]
    if not found:
        return []
    headers = [("deprecation", f"@{min(_day(each.since) for each in found).timestamp():.0f}")]
    if sunsets := [_day(each.sunset) for each in found if each.sunset]:
        headers.append(("sunset", format_datetime(min(sunsets), usegmt=True)))
    relations = {each.link: "deprecation sunset" if each.sunset else "deprecation" for each in found if each.link}
    return headers + [("link", f'<{link}>; rel="{relation}"') for link, relation in relations.items()]


@cache
def retires(method: MethodDescriptor) -> bool:
    """True when a call of this method may have such headers. Raises ValueError for a day that is none."""
    found = False
    everything: list[MethodDescriptor | FieldDescriptor] = [method, *_fields(method.input_type)]
    for declared in everything:
        if (mark := retirement_of(declared)) is None:
            continue
        found = True
        try:
            for day in filter(None, (mark.since or "nothing", mark.sunset)):
                _day(day)
        except ValueError:
            raise ValueError(f"{declared.full_name}: a day of its retirement is not written like 2026-11-21") from None
    return found


def _carried(message: Message) -> Iterator[retired_pb2.Retired]:
    """The retirements of the fields that are set, however deep."""
    if not _has_retired(message.DESCRIPTOR):
        return
    for field, value in message.ListFields():
        if (mark := retirement_of(field)) is not None:
            yield mark
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [each for each in value.values() if isinstance(each, Message)]
        else:
            inner = list(value) if field.is_repeated else [value]
        for each in inner:
            yield from _carried(each)


@cache
def _has_retired(message: Any) -> bool:
    return any(retirement_of(field) is not None for field in _fields(message))


def _fields(message: Any) -> Iterator[FieldDescriptor]:
    """Every field of a message, and of those inside it; each message once."""
    waiting, seen = [message], {message.full_name}
    while waiting:
        for field in waiting.pop().fields:
            yield field
            inner = field.message_type
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                waiting.append(inner)


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
