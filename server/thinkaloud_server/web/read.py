"""An HTTP request to the message that its route asks for: from the body, the query and the path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from thinkaloud_server.web import fill
from thinkaloud_server.web.error import invalid
from thinkaloud_server.web.parse import parsed
from thinkaloud_server.web.route import Route
from thinkaloud_server.web.words import field_of

_ENTRY = re.compile(r"(?P<name>[^\[\]]+)\[(?P<key>[^\[\]]*)\]\Z")
# Those of protobuf's own messages that JSON writes as one scalar.
_ONE_SCALAR = {
    *("Timestamp", "Duration", "FieldMask", "BoolValue", "StringValue", "BytesValue", "Int32Value", "UInt32Value"),
    *("Int64Value", "UInt64Value", "FloatValue", "DoubleValue"),
}


def message_of(
    route: Route, path_values: Mapping[str, str], query_items: Iterable[tuple[str, str]], body: bytes
) -> Message:
    """The request message. Raises HttpError, which names the field wherever there is one."""
    message = GetMessageClass(route.method.input_type)()
    read_body(message, route, body)
    if route.body == "*":
        for name, _ in query_items:
            raise fill.unknown(message, name, "")
    else:
        read_query(message, query_items, skip=route.body)
    for name, text in path_values.items():
        _set_path(message, name, text)
    return message


def read_body(message: Message, route: Route, body: bytes) -> None:
    """The JSON of the body; an empty body is an empty object."""
    if not route.body:
        if body.strip():
            raise invalid("body", "must be empty here")
        return
    value = parsed(body) if body.strip() else {}
    if route.body == "*":
        fill.fill(message, value, "")
    else:
        # Violations are named from the body's own root: its reader knows nothing of the field around it.
        field = field_of(message.DESCRIPTOR, route.body)
        assert field is not None
        if field.message_type is not None and not field.is_repeated:
            target = getattr(message, field.name)
            target.SetInParent()
            fill.fill(target, value, "")
        else:
            fill.set_field(message, field, value, "body")


def read_query(message: Message, items: Iterable[tuple[str, str]], skip: str = "") -> None:
    """Query parameters: `a`, `a.b`, repeated ones given repeatedly, entries of maps as `a[key]`."""
    given: set[str] = set()
    for name, text in items:
        owner, field, key = _find(message, name, skip)
        if fill.is_map(field):
            _set_entry(owner, field, key, text, name)
            continue
        if key is not None:
            raise invalid(name, "is no map")
        if field.is_repeated:
            if field.message_type is not None:
                raise invalid(name, "cannot be given in a query")
            getattr(owner, field.name).append(_from_text(field, text, name))
            continue
        if name in given:
            raise invalid(name, "is given twice")
        given.add(name)
        fill.check_oneof(owner, field, name)
        if field.message_type is None:
            setattr(owner, field.name, _from_text(field, text, name))
        elif field.message_type.file.package == "google.protobuf" and field.message_type.name in _ONE_SCALAR:
            fill.fill(getattr(owner, field.name), _known_from_text(field, text, name), name)
        else:
            raise invalid(name, "cannot be given in a query")


def _find(message: Message, name: str, skip: str) -> tuple[Message, FieldDescriptor, str | None]:
    """The message and field that a parameter names, and the key where it names an entry of a map."""
    entry = _ENTRY.match(name)
    path, key = (entry["name"], entry["key"]) if entry else (name, None)
    owner, at = message, ""
    *above, last = path.split(".")
    for step in above:
        field = field_of(owner.DESCRIPTOR, step)
        if field is None or field.message_type is None or field.is_repeated or (not at and step == skip):
            raise fill.unknown(owner, step, at)
        owner, at = getattr(owner, step), fill.below(at, step)
        owner.SetInParent()
    field = field_of(owner.DESCRIPTOR, last)
    if field is None or (not above and last == skip):
        raise fill.unknown(owner, last, at)
    return owner, field, key


def _set_entry(owner: Message, field: FieldDescriptor, key: str | None, text: str, name: str) -> None:
    assert field.message_type is not None
    key_field, value_field = (field.message_type.fields_by_name[each] for each in ("key", "value"))
    if key is None or value_field.message_type is not None:
        raise invalid(name, "cannot be given in a query" if key is not None else f"is a map: {name}[key]=value")
    entries = getattr(owner, field.name)
    at = fill.map_key(key_field, key, name)
    if at in entries:
        raise invalid(name, "is given twice")
    entries[at] = _from_text(value_field, text, name)


def _set_path(message: Message, name: str, text: str) -> None:
    """A path variable; a body that says otherwise is refused, for one of the two would be ignored."""
    *above, last = name.split(".")
    owner = message
    for step in above:
        owner = getattr(owner, step)
    field = field_of(owner.DESCRIPTOR, last)
    assert field is not None
    value = _from_text(field, text, name)
    present = getattr(owner, last)
    if present != field.default_value and present != value:
        raise invalid(name, "differs from the path")
    setattr(owner, last, value)


def _from_text(field: FieldDescriptor, text: str, path: str) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return fill.boolean(text, path)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM and text.lstrip("-").isdecimal() and len(text) < 12:
        return fill.scalar(field, int(text), path)
    return fill.scalar(field, text, path)


def _known_from_text(field: FieldDescriptor, text: str, path: str) -> Any:
    assert field.message_type is not None
    return fill.boolean(text, path) if field.message_type.name == "BoolValue" else text
