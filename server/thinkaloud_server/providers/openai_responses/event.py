"""The events of a stream, typed. Unknown keys are skipped; items and responses are kept as they were written.

An event that the typed reading refuses is read once more, leniently, and loses only what has a wrong type.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.providers.lenient import read_leniently

# What is not there. An item is read when it is needed, and replayed in the very words of its provider.
_ABSENT = msgspec.Raw(b"")


class Event(msgspec.Struct, gc=False):
    """Any event. `delta` is an object around a text in the names of old, so it is looked at where it is used."""

    type: str = ""
    delta: Any = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    part: Any = None
    thought: Any = None
    item: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT

    @property
    def place(self) -> int | str | None:
        """Where in the answer it belongs. Some gateways give the item another id with each event, none the place."""
        return self.item_id if self.output_index is None else self.output_index

    @property
    def index(self) -> int:
        """The number of the part in its item."""
        return self.summary_index or self.content_index or 0


class Response(msgspec.Struct, gc=False):
    """The response object, as it stands when the event is sent."""

    id: Any = None
    object: Any = None
    model: Any = None
    status: Any = None
    error: Any = None
    incomplete_details: Any = None
    output: list[msgspec.Raw] | None = None
    usage: Any = None


_EVENT = msgspec.json.Decoder(Event)
_RESPONSE = msgspec.json.Decoder(Response)
_TEXTS = ("type", "item_id")
_NUMBERS = ("output_index", "content_index", "summary_index")
_RAWS = ("item", "response")


def read_event(data: bytes) -> Event | None:
    """The event that these bytes are; None for JSON's null. Raises ValueError for what is no JSON object."""
    try:
        event = _EVENT.decode(data)
        if event.item or event.response:
            # What is kept as it was written was skipped and not read: it may be no text.
            data.decode()
        return event
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_event_leniently(data)


def read_response(data: msgspec.Raw | bytes) -> Response:
    """The response object in these bytes. Raises ValueError for what is none."""
    try:
        bytes(data).decode()
        return _RESPONSE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _object(read_leniently(bytes(data)))
        response = Response(**{name: value.get(name) for name in Response.__struct_fields__})
        output = response.output
        response.output = [_raw(item) for item in output] if isinstance(output, list) else None
        return response


def read_item(data: msgspec.Raw) -> dict[str, Any]:
    """An output item; an empty one for what is no object."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            value = read_leniently(bytes(data))
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _read_event_leniently(data: bytes) -> Event | None:
    value = read_leniently(data)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    event = Event()
    for name, field in _object(value).items():
        wanted: type = object
        if name in _TEXTS:
            wanted = str
        elif name in _NUMBERS:
            wanted = int
        if name in _RAWS:
            setattr(event, name, _raw(field))
        elif name in Event.__struct_fields__ and isinstance(field, wanted):
            setattr(event, name, field)
    return event


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no event
    return value


def _raw(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except RecursionError:
        raise ValueError("nested too deep") from None
