"""One route as one operation of OpenAPI: parameters, body, answer, failures."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor

from thinkaloud_server.web.media import EVENT_STREAM, JSON, LINES, VENDOR
from thinkaloud_server.web.openapi import file
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.event import Events
from thinkaloud_server.web.openapi.examples import Example
from thinkaloud_server.web.openapi.failure import HEADERS, statuses
from thinkaloud_server.web.openapi.parameter import (
    HEARTBEATS,
    header_parameters,
    path_parameters,
    query_parameters,
)
from thinkaloud_server.web.openapi.schema import ENVELOPE_NAME, Schema, Schemas, Side, described
from thinkaloud_server.web.retired import retires
from thinkaloud_server.web.route import Route, face_of, scope_of
from thinkaloud_server.web.status import words_of

_BEARER = "bearer"
SCHEMES: dict[str, Any] = {
    _BEARER: {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT of an issuer that is trusted."}
}
_RETIRED = {name: {"$ref": f"#/components/headers/{name}"} for name in ("Deprecation", "Sunset")}


def operation(route: Route, identifier: str, schemas: Schemas, events: Events, comments: Comments) -> dict[str, Any]:
    """The operation; `identifier` is its name, unique in the document."""
    method = route.method
    said: dict[str, Any] = {
        "operationId": identifier,
        "tags": [method.containing_service.name],
        "summary": comments.summary(method.full_name) or method.name,
        "description": "",
        **described(method, comments),
        "parameters": [
            *path_parameters(route.template, method.input_type, comments),
            *_query(route, comments),
            *header_parameters(method),
        ],
    }
    if (scope := scope_of(method)) != "open":
        # `{}`: a server on loopback asks nobody.
        said["security"] = [{_BEARER: [scope]}, {}]
    if method.client_streaming and route.file is not None:
        said["requestBody"] = file.form(route, route.file, comments)
    elif route.body:
        said["requestBody"] = _body(route, schemas)
    answers = _success(route, schemas, events, comments)
    said["responses"] = {**statuses(method.input_type, has_body=bool(route.body)), **answers}
    return said


def _success(route: Route, schemas: Schemas, events: Events, comments: Comments) -> dict[str, Any]:
    if route.streams:
        return _stream(route, events)
    if route.method.server_streaming:
        return file.answer(_headers(route))
    return _answer(route, schemas, comments)


def body_message(route: Route) -> Descriptor:
    """The message that the body is, where it is one."""
    if route.body in ("", "*"):
        message: Descriptor = route.method.input_type
        return message
    return route.method.input_type.fields_by_name[route.body].message_type or route.method.input_type


def _query(route: Route, comments: Comments) -> list[dict[str, Any]]:
    without = frozenset({*route.template.variables, route.body})
    fields = [] if route.body == "*" else query_parameters(route.method.input_type, comments, without=without)
    return [*fields, *([HEARTBEATS] if route.streams else [])]


def _body(route: Route, schemas: Schemas) -> dict[str, Any]:
    request = route.method.input_type
    if route.body == "*":
        schema = schemas.body(request, route.template.variables)
    else:
        schema = schemas.field(request.fields_by_name[route.body], Side.REQUEST)
    content = {"schema": schema, **_examples(schemas.examples(body_message(route), Side.REQUEST))}
    # Not `required`: an empty body is an empty object, and whether that is a request is for the service to say.
    return {"content": {JSON: content, VENDOR: content}}


def _answer(route: Route, schemas: Schemas, comments: Comments) -> dict[str, Any]:
    message: Descriptor | None = route.method.output_type
    text = comments.text(route.method.output_type.full_name)
    if route.response_body:
        field = route.method.output_type.fields_by_name[route.response_body]
        schema = schemas.field(field, Side.ANSWER)
        message = field.message_type
        text = comments.text(field.full_name) or text
    else:
        schema = schemas.message(route.method.output_type, Side.ANSWER)
    content = {"schema": schema, **(_examples(schemas.examples(message, Side.ANSWER)) if message else {})}
    done = {"description": text or "Done.", "headers": _headers(route), "content": {JSON: content, VENDOR: content}}
    return {"200": done, **(_worded(route, message, schema) if message else {})}


def _worded(route: Route, message: Descriptor, schema: Schema) -> dict[str, Any]:
    """The same answer under another status, by one of its words; failures may have that status as well."""
    answers: dict[str, Any] = {}
    either = {"schema": {"anyOf": [schema, {"$ref": f"#/components/schemas/{ENVELOPE_NAME}"}]}}
    for field, words in words_of(message).items():
        for word, status in words.items():
            text = f"The answer, where its `{field}` is `{word}`; or a failure."
            content = {JSON: either, VENDOR: either}
            answers[str(status)] = {"description": text, "headers": _headers(route), "content": content}
    return answers


def _headers(route: Route) -> dict[str, Any]:
    return {**HEADERS, **(_RETIRED if retires(route.method) else {})}


def _stream(route: Route, events: Events) -> dict[str, Any]:
    each = {"schema": events.frame(route.method), **_examples(events.examples(route.method))}
    served = {"schema": events.served(route.method), **_examples(events.served_examples(route.method))}
    answers: dict[str, Any] = {
        "200": {
            "description": "A stream of events, each as the schema says: server-sent events, or by "
            "`Accept: application/x-ndjson` a line of JSON each.",
            "headers": _headers(route),
            "content": {EVENT_STREAM: served, LINES: each},
        }
    }
    if face_of(route.method).resume:
        answers["204"] = {
            "description": "The event of `Last-Event-ID` was the last one: a browser's EventSource ends here.",
            "headers": _headers(route),
        }
    return answers


def _examples(examples: list[Example]) -> dict[str, Any]:
    if not examples:
        return {}
    return {"examples": {each.name: {"summary": each.title, "value": each.value} for each in examples}}
