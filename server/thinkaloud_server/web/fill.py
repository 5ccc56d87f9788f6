"""Plain JSON values into a message, by its descriptor: every refusal names the field by its path.

json_format reads the same JSON, but tells its errors as text only and takes two spellings of every name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from thinkaloud_server.web.error import HttpError, invalid
from thinkaloud_server.web.words import field_of

_KNOWN = "google.protobuf."
# Each level of a Struct is three messages (Struct, entry, Value), and protobuf decodes a hundred: 30 leave room for
# what stands around it.
_DEPTH_MAX = 30
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,19})\Z")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_FLOAT_MAX = 3.4028235677973366e38

_F = FieldDescriptor
_RANGES = {
    _F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _F.CPPTYPE_UINT32: (0, 2**32 - 1),
    _F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _F.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def fill(message: Message, value: Any, path: str) -> None:
    """Set every field that the object has. null is absent, as in protobuf's JSON mapping."""
    if message.DESCRIPTOR.full_name.startswith(_KNOWN):
        _fill_known(message, value, path)
        return
    if not isinstance(value, dict):
        raise invalid(path or "body", f"must be an object, not {_kind(value)}")
    for key, item in value.items():
        field = field_of(message.DESCRIPTOR, key)
        if field is None:
            raise unknown(message, key, path)
        if item is None and not _takes_null(field):
            continue
        set_field(message, field, item, below(path, key))


def set_field(message: Message, field: FieldDescriptor, value: Any, path: str) -> None:
    """Set one field to a JSON value."""
    check_oneof(message, field, path)
    if is_map(field):
        _fill_map(message, field, value, path)
    elif field.is_repeated:
        if not isinstance(value, list):
            raise invalid(path, f"must be a list, not {_kind(value)}")
        target = getattr(message, field.name)
        for index, item in enumerate(value):
            at = f"{path}[{index}]"
            if field.message_type is None:
                target.append(scalar(field, item, at))
            else:
                fill(target.add(), item, at)
    elif field.message_type is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        fill(target, value, path)
    else:
        setattr(message, field.name, scalar(field, value, path))


def scalar(field: FieldDescriptor, value: Any, path: str) -> Any:
    """The Python value for a field that is no message. Numbers may be written as strings, as the mapping has it."""
    match field.cpp_type:
        case _F.CPPTYPE_STRING:
            return _bytes(value, path) if field.type == _F.TYPE_BYTES else _text(value, path)
        case _F.CPPTYPE_BOOL:
            if not isinstance(value, bool):
                raise invalid(path, f"must be true or false, not {_kind(value)}")
            return value
        case _F.CPPTYPE_ENUM:
            return _enum(field, value, path)
        case _F.CPPTYPE_DOUBLE | _F.CPPTYPE_FLOAT:
            return _float(value, path, single=field.cpp_type == _F.CPPTYPE_FLOAT)
        case _:
            low, high = _RANGES[field.cpp_type]
            return _integer(value, path, low, high)


def unknown(message: Message, key: str, path: str) -> HttpError:
    """The refusal of a field that does not exist; the camel case of one that does is answered with its name."""
    near = message.DESCRIPTOR.fields_by_camelcase_name.get(key)
    hint = f"; it is spelled {near.name}" if near is not None else ""
    return invalid(below(path, _clip(key)), f"no such field{hint}", "UNKNOWN_FIELD")


def below(path: str, name: str) -> str:
    """The path of a field of the message at this path."""
    return f"{path}.{name}" if path else name


def is_map(field: FieldDescriptor) -> bool:
    """True for map fields, which are repeated messages to the descriptor."""
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def check_oneof(message: Message, field: FieldDescriptor, path: str) -> None:
    """Refuse the second field of a oneof."""
    oneof = field.containing_oneof
    if oneof is not None and len(oneof.fields) > 1 and (other := message.WhichOneof(oneof.name)) is not None:
        raise invalid(path, f"cannot be given together with {other}")


def _fill_map(message: Message, field: FieldDescriptor, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise invalid(path, f"must be an object, not {_kind(value)}")
    assert field.message_type is not None
    key_field, value_field = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    target = getattr(message, field.name)
    for text, item in value.items():
        at = f"{path}[{_clip(text)}]"
        key = map_key(key_field, text, at)
        if value_field.message_type is None:
            target[key] = scalar(value_field, item, at)
        else:
            fill(target[key], item, at)


def map_key(field: FieldDescriptor, text: str, path: str) -> Any:
    """The key of a map entry; in JSON and in a query they are all strings."""
    if field.cpp_type == _F.CPPTYPE_BOOL:
        return boolean(text, path)
    return scalar(field, text, path)


def boolean(text: str, path: str) -> bool:
    """The bool that stands in a string."""
    if text not in ("true", "false"):
        raise invalid(path, "must be true or false")
    return text == "true"


def _fill_known(message: Message, value: Any, path: str) -> None:
    """Timestamp, Struct and their kin have spellings of their own, which json_format knows."""
    if _depth(value) > _DEPTH_MAX:
        raise invalid(path, f"is nested deeper than {_DEPTH_MAX} levels")
    try:
        _check_texts(value, path)
        json_format.ParseDict(value, message)
    except (json_format.ParseError, ValueError, TypeError, AttributeError):
        # json_format's own words are about Python, and some of its failures are not ParseErrors.
        raise invalid(path, f"is no {message.DESCRIPTOR.name}") from None


def _depth(value: Any) -> int:
    """How deep it is nested, as far as it matters."""
    deepest, waiting = 0, [(value, 0)]
    while waiting and deepest <= _DEPTH_MAX:
        each, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(each, dict):
            waiting += [(item, depth + 1) for item in each.values()]
        elif isinstance(each, list):
            waiting += [(item, depth + 1) for item in each]
    return deepest


def _check_texts(value: Any, path: str) -> None:
    if isinstance(value, str):
        _text(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            _text(key, path)
            _check_texts(item, path)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, path)


def _takes_null(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Value"


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(path, f"must be a string, not {_kind(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise invalid(path, "has half of a surrogate pair, which is no character") from None
    return value


def _bytes(value: Any, path: str) -> bytes:
    text = _text(value, path).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(path, "must be base64") from None


def _enum(field: FieldDescriptor, value: Any, path: str) -> int:
    assert field.enum_type is not None
    if isinstance(value, str) and value in field.enum_type.values_by_name:
        return field.enum_type.values_by_name[value].number
    if isinstance(value, int) and not isinstance(value, bool) and value in field.enum_type.values_by_number:
        return value
    raise invalid(path, f"must be one of {', '.join(field.enum_type.values_by_name)}")


def _integer(value: Any, path: str, low: int, high: int) -> int:
    if isinstance(value, str) and _INTEGER.match(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(path, f"must be a whole number, not {_kind(value)}")
    if not low <= value <= high:
        raise invalid(path, f"must be from {low} to {high}")
    return value


def _float(value: Any, path: str, *, single: bool) -> float:
    if isinstance(value, str):
        if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if _NUMBER.match(value):
            value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(path, f"must be a number, not {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if abs(number) > (_FLOAT_MAX if single else 1.7976931348623157e308):
        raise invalid(path, "is beyond the range of its type")
    return number


def _kind(value: Any) -> str:
    kinds: Mapping[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a bool",
        int: "a number",
        float: "a number",
    }
    return kinds.get(type(value), "null")


def _clip(text: str) -> str:
    """A caller's own name in our message, without what no log should hold."""
    return text[:64].encode(errors="replace").decode()
