"""Messages as JSON Schema (2020-12, as OpenAPI 3.1 has it), by protobuf's JSON mapping with the proto's own names.

One message may be written down in two ways. In a request every field may be left out and a field that the contract does
not know is refused; in an answer every field without presence is printed, and new ones may come. A message that
stands on both sides gets two components, of which the request's has "Input" after its name.

https://protobuf.dev/programming-guides/json/ (read 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor

from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.examples import Example
from thinkaloud_server.web.retired import is_deprecated, retirement_of, told

Schema = dict[str, Any]

ENVELOPE_NAME = "Error"  # the component of failures, which is no message

# 64-bit integers are strings in JSON: JavaScript's numbers do not hold them. NaN and the infinities, which the mapping
# writes as strings too, are left out: they are refused in requests and never sent.
_INT32: Schema = {"type": "integer", "format": "int32"}
_UINT32: Schema = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Schema = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_UINT64: Schema = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}

_WRAPPED = {
    "DoubleValue": FieldDescriptor.TYPE_DOUBLE,
    "FloatValue": FieldDescriptor.TYPE_FLOAT,
    "Int32Value": FieldDescriptor.TYPE_INT32,
    "UInt32Value": FieldDescriptor.TYPE_UINT32,
    "Int64Value": FieldDescriptor.TYPE_INT64,
    "UInt64Value": FieldDescriptor.TYPE_UINT64,
    "BoolValue": FieldDescriptor.TYPE_BOOL,
    "StringValue": FieldDescriptor.TYPE_STRING,
    "BytesValue": FieldDescriptor.TYPE_BYTES,
}

# Messages whose JSON is not an object of their fields.
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Any": {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}},
    **{
        f"google.protobuf.{name}": {**_SCALARS[kind], "type": [_SCALARS[kind]["type"], "null"]}
        for name, kind in _WRAPPED.items()
    },
}


class Side(Enum):
    """Who writes the JSON down."""

    REQUEST = "request"
    ANSWER = "answer"


def scalar_schema(field: FieldDescriptor) -> Schema | None:
    """One value of a field that is no message, or a message that is one JSON value; None for other messages."""
    if field.message_type:
        return _WELL_KNOWN.get(field.message_type.full_name)
    return _enum_schema(field.enum_type) if field.enum_type else _SCALARS[field.type]


def map_value(field: FieldDescriptor) -> FieldDescriptor | None:
    """The field of a map's values; None for what is no map."""
    message = field.message_type
    return message.fields_by_name["value"] if message and message.GetOptions().map_entry else None


def reached(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """These messages and all inside them, each once; without those that are one JSON value."""
    seen: set[str] = set()
    waiting = list(messages)[::-1]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or message.full_name in _WELL_KNOWN:
            continue
        seen.add(message.full_name)
        if not message.GetOptions().map_entry:
            yield message
        waiting += [field.message_type for field in reversed(message.fields) if field.message_type]


def described(declared: MethodDescriptor | FieldDescriptor, comments: Comments) -> Schema:
    """What is said of a method or a field, and whether it is still to be used."""
    retired = retirement_of(declared)
    text = "\n\n".join(filter(None, [comments.text(declared.full_name), told(retired) if retired else ""]))
    return {
        **({"description": text} if text else {}),
        **({"deprecated": True} if is_deprecated(declared) else {}),
    }


def oneofs(message: Descriptor) -> Iterator[list[str]]:
    """The names in each real oneof; protoc makes one of its own for each `optional` field."""
    for oneof in message.oneofs:
        names = [field.name for field in oneof.fields]
        if names != [oneof.name.removeprefix("_")]:
            yield names


class Schemas:
    """The components of one document: a schema for each message, referred to by name."""

    def __init__(self, comments: Comments, *, requests: Iterable[Descriptor], answers: Iterable[Descriptor]) -> None:
        self._comments = comments
        sides = {Side.REQUEST: list(reached(requests)), Side.ANSWER: list(reached(answers))}
        shared = {message.full_name for message in sides[Side.ANSWER]}
        self._names: dict[tuple[str, Side], str] = {}
        for side, messages in sides.items():
            for message in messages:
                suffix = "Input" if side is Side.REQUEST and message.full_name in shared else ""
                self._names[message.full_name, side] = self._free_name(message, suffix)
        self.components: dict[str, Schema] = {}
        for side, messages in sides.items():
            for message in messages:
                name = self._names[message.full_name, side]
                self.components[name] = self._object(message, side, name)

    def message(self, message: Descriptor, side: Side) -> Schema:
        """The schema of a message, by reference where it is an object of its own fields."""
        if message.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[message.full_name])
        return {"$ref": f"#/components/schemas/{self._names[message.full_name, side]}"}

    def field(self, field: FieldDescriptor, side: Side) -> Schema:
        """The schema of a field with what is said of it."""
        if value := map_value(field):
            schema: Schema = {"type": "object", "additionalProperties": self._one(value, side)}
        elif field.is_repeated:
            schema = {"type": "array", "items": self._one(field, side)}
        else:
            schema = dict(self._one(field, side))
        return schema | described(field, self._comments)

    def body(self, message: Descriptor, variables: Iterable[str]) -> Schema:
        """The schema of a request's body; what the path says of the message is not said again."""
        named = sorted(name for name in variables if "." not in name)
        if not named:
            return self.message(message, Side.REQUEST)
        key = f"{message.full_name} without {named}", Side.REQUEST
        if key not in self._names:
            name = self._names[key] = self._free_name(message, "")
            self.components[name] = self._object(message, Side.REQUEST, name, without=named)
        return {"$ref": f"#/components/schemas/{self._names[key]}"}

    def examples(self, message: Descriptor, side: Side) -> list[Example]:
        """The examples of a message; as an answer it has all that is printed."""
        printed = set(_printed(message)) if side is Side.ANSWER else set()
        return [each for each in self._comments.examples(message.full_name) if printed <= set(each.value)]

    def _one(self, field: FieldDescriptor, side: Side) -> Schema:
        scalar = scalar_schema(field)
        if scalar is not None or field.message_type is None:
            return scalar or {}
        return self.message(field.message_type, side)

    def _object(self, message: Descriptor, side: Side, name: str, without: Iterable[str] = ()) -> Schema:
        alternatives = list(oneofs(message))
        sentences = [f"At most one of {', '.join(f'`{name}`' for name in names)}." for names in alternatives]
        schema: Schema = {"type": "object", "title": name}
        if text := "\n\n".join(filter(None, [self._comments.text(message.full_name), *sentences])):
            schema["description"] = text
        schema["properties"] = {
            field.name: self.field(field, side) for field in message.fields if field.name not in without
        }
        if side is Side.REQUEST:
            schema["additionalProperties"] = False
        elif printed := _printed(message):
            schema["required"] = printed
        if [[field.name for field in message.fields]] == alternatives:
            schema["maxProperties"] = 1
        if examples := self.examples(message, side):
            schema["examples"] = [example.value for example in examples]
        return schema

    def _free_name(self, message: Descriptor, suffix: str) -> str:
        """The name inside its package; the whole name where another package took that."""
        short = message.full_name.removeprefix(f"{message.file.package}.") + suffix
        return message.full_name + suffix if short in {*self._names.values(), ENVELOPE_NAME} else short


def _printed(message: Descriptor) -> list[str]:
    """The fields that every answer has."""
    return [field.name for field in message.fields if not field.has_presence]


def _enum_schema(enum: EnumDescriptor) -> Schema:
    if enum.full_name == "google.protobuf.NullValue":
        return {"type": "null"}
    return {"type": "string", "enum": [value.name for value in enum.values]}
