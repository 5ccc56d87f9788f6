"""The few field names that mean the same everywhere: stream_face.proto and access.proto say so, no other is known."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

RUN = "run_id"
SEQUENCE = "sequence"
AFTER = "after_sequence"
KEY = "idempotency_key"
# Of the method that is called for every WebSocket (access.proto).
PATH = "path"
TOKEN = "token"
AUTHORIZATION = "authorization"
IDENTITY = "identity"

# Cases of the event: the life sign, what is said of the connection, and the two that end a stream. The default name is
# SSE's own.
HEARTBEAT = "heartbeat"
WARNING = "warning"
ERROR = "error"
COMPLETE = "complete"
TERMINAL = frozenset({COMPLETE, ERROR})
UNNAMED = "message"


def field_of(message: Any, name: str) -> FieldDescriptor | None:
    """The field of this name in a descriptor; None where there is none. The stubs have two classes for each kind of
    descriptor, and mix them: hence Any."""
    field: FieldDescriptor | None = message.fields_by_name.get(name)
    return field


def has(message: Any, name: str) -> bool:
    """True when the message has this field and it is a single scalar."""
    field = field_of(message, name)
    return field is not None and not field.is_repeated and field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE
