"""What a request carries outside its body: path variables, query parameters, headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from thinkaloud_server.web.frame import BOTH, COMMENT, EVENT
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.failure import takes_key
from thinkaloud_server.web.openapi.schema import described, map_value, scalar_schema
from thinkaloud_server.web.route import Template, face_of, field_at
from thinkaloud_server.web.words import HEARTBEAT

# Headers that operations share. The idempotency key may also be the request's own field.
COMPONENTS: dict[str, Any] = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The caller's own name for this request, of 1 to 128 letters, digits, `.`, `_` and `-`; one is "
        "made when it is absent or of another form. It is in the answer, the log, and the requests to providers. "
        "`X-Correlation-ID` is taken the same way.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The request's `idempotency_key`, as a header: the same key with the same request is done once, "
        "and answered again; the same key with another request is refused (`IDEMPOTENCY_KEY_REUSED`). "
        "A GET that begins a stream needs one: browsers repeat it by themselves.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    },
    "Heartbeats": {
        "name": HEARTBEAT,
        "in": "query",
        "description": "How server-sent events show that the stream lives: as comments, which readers skip, as events, "
        "or as both.",
        "schema": {"type": "string", "enum": [COMMENT, EVENT, BOTH], "default": BOTH},
    },
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "`<run_id>:<sequence>`, the `id` of the last event that was received; browsers send it when "
        "they reconnect. The stream goes on after that event, and nothing is begun anew.",
        "schema": {"type": "string"},
    },
}

# No field of a message: how an event stream writes its life signs.
HEARTBEATS: dict[str, Any] = {"$ref": "#/components/parameters/Heartbeats"}

_DEPTH_MAX = 4  # of nested messages in a query: `a.b.c.d=1`


def path_parameters(template: Template, request: Descriptor, comments: Comments) -> Iterator[dict[str, Any]]:
    """The variables of the path."""
    for name in template.variables:
        field = field_at(request, name)
        if field is not None:  # the table checked it
            yield {**_parameter(name, field, comments), "in": "path", "required": True}


def query_parameters(request: Descriptor, comments: Comments, *, without: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Every field that a query can carry: scalars, lists and maps of them, and those of nested messages by dotted
    names."""
    for name, field in _scalars(request, "", ()):
        if name not in without and name.split(".")[0] not in without:
            yield {**_parameter(name, field, comments), "in": "query"}


def header_parameters(method: MethodDescriptor) -> list[dict[str, Any]]:
    """The headers of an operation, by reference."""
    names = ["RequestId"]
    if takes_key(method.input_type):
        names.append("IdempotencyKey")
    if face_of(method).resume:
        names.append("LastEventId")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _scalars(message: Descriptor, prefix: str, inside: tuple[Descriptor, ...]) -> Iterator[tuple[str, FieldDescriptor]]:
    if message in inside or len(inside) == _DEPTH_MAX:
        return
    for field in message.fields:
        if _fits(map_value(field) or field):
            yield prefix + field.name, field
        elif field.message_type and scalar_schema(field) is None and not field.is_repeated:
            yield from _scalars(field.message_type, f"{prefix}{field.name}.", (*inside, message))


def _fits(field: FieldDescriptor) -> bool:
    """True for what is one word in a query."""
    schema = scalar_schema(field) or {}
    return schema.get("type", "object") not in ("object", "array", "null")


def _parameter(name: str, field: FieldDescriptor, comments: Comments) -> dict[str, Any]:
    value = map_value(field)
    parameter: dict[str, Any] = {"name": name, **described(field, comments)}
    if value is not None:
        parameter |= {"style": "deepObject", "explode": True}  # name[key]=value
        parameter["schema"] = {"type": "object", "additionalProperties": scalar_schema(value)}
    elif field.is_repeated:
        parameter["schema"] = {"type": "array", "items": scalar_schema(field)}
    else:
        parameter["schema"] = scalar_schema(field)
    return parameter
