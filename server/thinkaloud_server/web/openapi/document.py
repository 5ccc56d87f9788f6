"""The whole document: every route of the table and no other, with what all of them share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.api import annotations_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from thinkaloud_server.web.openapi.comment import Comments, contract_comments
from thinkaloud_server.web.openapi.event import Events, cases, sockets
from thinkaloud_server.web.openapi.failure import ENVELOPE, failures
from thinkaloud_server.web.openapi.operation import SCHEMES, operation
from thinkaloud_server.web.openapi.parameter import COMPONENTS as PARAMETERS
from thinkaloud_server.web.openapi.schema import ENVELOPE_NAME, Schemas
from thinkaloud_server.web.route import Route, RouteTable

_VARIABLE = re.compile(r"\{([\w.]+)(?:=[^{}]*)?\}")

_ABOUT = """\
JSON is protobuf's JSON mapping with the contract's own field names. Fields without presence are always printed; a \
field that is unknown in a request is refused, and `null` means that it is absent. `application/json` and \
`application/vnd.thinkaloud.v1+json` are the same; another version of the latter is refused.

# Who calls

`Authorization: Bearer` with an API key or a token of an issuer that the server trusts; a server on loopback asks \
nobody unless it is told to. Each operation names the scope that it needs.

# Errors

Every failure is `{"error": {"code", "message", "details", "request_id"}}`; the responses list the codes of each \
status. `X-Request-ID` names each request, in its answer and in the server's log; `traceparent` is taken as well.
"""
_STREAMS = """\
# Streams

Events come as server-sent events, or with `Accept: application/x-ndjson` as JSON, one a line. The `id` of a numbered \
event is `<run_id>:<sequence>`. Send the last one as `Last-Event-ID` to go on with a stream that was cut, as browsers \
do. A failure after the first event is the last event, `error`.
"""
_SOCKETS = """\
# WebSockets

A message of the client is a JSON object: a request, or one with a `type`: `stop`, `resume`, `ping`, `auth`. A message \
of the server is an event. `x-websockets` in the document has their schemas. Browsers cannot send `Authorization` with \
a WebSocket: they open one with `?token=`, as `POST` to the path for socket tokens answers, or say who calls in their \
first message.

"""
_LIMITS = "# Limits\n\nWhat is above is refused, and nothing is ever truncated.\n\n"


@dataclass(frozen=True, slots=True)
class Info:
    """What the document and the pages say of the server.

    `limits` is any message: each of its fields is a limit. `links` are paths by name, for who asks at `/`.
    """

    name: str = "thinkaloud"
    version: str = "0"
    summary: str = ""
    limits: Message | None = None
    links: Mapping[str, str] = field(default_factory=dict)


def documents(table: RouteTable, info: Info, comments: Comments | None = None) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    said = contract_comments() if comments is None else comments
    schemas = Schemas(said, requests=_requests(table), answers=_answers(table))
    events = Events(schemas, said)
    paths = _paths(table, schemas, events, said)
    websockets = sockets(table, schemas, events, said)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": info.name,
            **({"summary": info.summary} if info.summary else {}),
            "version": info.version,
            "description": _description(table, info, said),
        },
        "servers": [{"url": "/"}],
        "tags": _tags(table, said),
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**schemas.components, **events.components, ENVELOPE_NAME: ENVELOPE}.items())),
            "parameters": PARAMETERS,
            "headers": _HEADERS,
            "responses": failures(said),
            "securitySchemes": SCHEMES,
        },
    }
    if websockets:
        document["x-websockets"] = websockets
    return document


_HEADERS: dict[str, Any] = {
    "X-Request-ID": {"description": "The id of the request.", "schema": {"type": "string"}},
    "X-RateLimit-Limit": {
        "description": "Requests in a minute, of the nearer of two limits: the key's and the address's. Absent where "
        "there is none, and where a request was refused before it was counted.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {"description": "How many of them are left.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "Seconds until the oldest request of the last minute is forgotten, and one more is let in.",
        "schema": {"type": "integer"},
    },
    "Retry-After": {"description": "Seconds after which another try may do.", "schema": {"type": "integer"}},
    "Deprecation": {
        "description": "What was called, or a field that was sent, is retired since then (RFC 9745).",
        "schema": {"type": "string"},
    },
    "Sunset": {
        "description": "On this day it may go (RFC 8594).",
        "schema": {"type": "string"},
    },
}


def path_of(route: Route) -> str:
    """The path as OpenAPI writes it: a variable has no pattern."""
    return _VARIABLE.sub(r"{\1}", route.template.text)


def _paths(table: RouteTable, schemas: Schemas, events: Events, comments: Comments) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    taken: Counter[str] = Counter()
    for route in sorted(table.routes, key=_place):
        identifier = f"{route.method.containing_service.name}_{route.method.name}"
        taken[identifier] += 1
        if taken[identifier] > 1:
            identifier += f"_{taken[identifier]}"
        described = operation(route, identifier, schemas, events, comments)
        paths.setdefault(path_of(route), {})[route.verb.lower()] = described
    return paths


def _place(route: Route) -> tuple[str, int, bool, str]:
    """By service and method; the binding that a method has first of all has its name without a number."""
    method = route.method
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    first = (rule.WhichOneof("pattern").upper(), getattr(rule, rule.WhichOneof("pattern")))
    return (
        method.containing_service.full_name,
        method.index,
        (route.verb, route.template.text) != first,
        route.template.text,
    )


def _requests(table: RouteTable) -> Iterable[Descriptor]:
    for route in table.routes:
        if route.file is not None:
            continue
        if route.body == "*" and route.template.variables:
            yield from (field.message_type for field in route.method.input_type.fields if field.message_type)
        elif route.body:
            yield from _carried(route.method.input_type, route.body)
    for socket in table.sockets:
        if not socket.template.variables:
            yield socket.method.input_type
        if resume := table.methods.get(socket.face.resume):
            yield from (field.message_type for field in resume.input_type.fields if field.message_type)


def _answers(table: RouteTable) -> Iterable[Descriptor]:
    whole = [route for route in table.routes if route.streams or not route.method.server_streaming]
    bound = [(route.method, route.response_body) for route in whole]
    for method, response_body in [*bound, *((socket.method, "") for socket in table.sockets)]:
        if method.server_streaming:
            yield from cases(method).values()
        else:
            yield from _carried(method.output_type, response_body)


def _carried(message: Descriptor, name: str) -> Iterable[Descriptor]:
    """What is bound of a message: all of it, or what is in this field of it, which may be no message."""
    bound = message.fields_by_name.get(name)
    if bound is None:
        return [message]
    return [bound.message_type] if bound.message_type else []


def _tags(table: RouteTable, comments: Comments) -> list[dict[str, str]]:
    services = {method.containing_service.full_name: method.containing_service for method in table.methods.values()}
    return [{"name": services[name].name, "description": comments.text(name)} for name in sorted(services)]


def _description(table: RouteTable, info: Info, comments: Comments) -> str:
    parts = [_ABOUT]
    if any(route.streams for route in table.routes):
        parts.append(_STREAMS)
    if table.sockets:
        lines = (
            f"* `{each.template.text}`: {comments.summary(each.method.full_name) or each.method.name}"
            for each in table.sockets
        )
        parts.append(_SOCKETS + "\n".join(lines))
    if info.limits is not None:
        limits = (
            f"* `{limit.name}`: {value:,.15g}. {comments.text(limit.full_name)}"
            for limit, value in info.limits.ListFields()
        )
        parts.append(_LIMITS + "\n".join(limits))
    return "\n\n".join(parts)
