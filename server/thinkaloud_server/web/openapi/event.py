"""The events of a stream: the cases of its oneof as a discriminated list of `{"event", "data"}`, and the sockets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from thinkaloud_server.web.media import JSON
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.examples import Example
from thinkaloud_server.web.openapi.parameter import path_parameters, query_parameters
from thinkaloud_server.web.openapi.schema import Schema, Schemas, Side, oneofs
from thinkaloud_server.web.route import RouteTable, Socket, face_of, field_at
from thinkaloud_server.web.words import AFTER, RUN, SEQUENCE, UNNAMED, field_of

_FRAME = """One event. Over WebSocket and as NDJSON it is this JSON object, a message or a line each."""
# As OpenAPI 3.2 describes server-sent events: an object of what a parser of the stream hands out.
_SERVED = """One server-sent event: `event` is its name, `data` the JSON text of its data, and `id` is \
`<run_id>:<sequence>` where the event is numbered."""


def event_message(method: MethodDescriptor) -> Descriptor:
    """The message of a stream whose oneof names the event: the streamed one, or its only field (stream_face.proto). A
    streamed message without a oneof is an event without a name."""
    streamed = method.output_type
    only = streamed.fields[0] if len(streamed.fields) == 1 else None
    wrapped = [only.message_type] if only is not None and only.message_type and not only.is_repeated else []
    return next((each for each in (streamed, *wrapped) if any(oneofs(each))), streamed)


def cases(method: MethodDescriptor) -> dict[str, Descriptor]:
    """The events that this stream sends, each with the message that is its data."""
    event = event_message(method)
    sent = set(face_of(method).cases)
    names = [name for name in next(oneofs(event), []) if not sent or name in sent]
    if not names:
        return {UNNAMED: event}
    return {name: event.fields_by_name[name].message_type or event for name in names}


class Events:
    """The schemas of the frames in one document."""

    def __init__(self, schemas: Schemas, comments: Comments) -> None:
        self._schemas = schemas
        self._comments = comments
        self.components: dict[str, Schema] = {}

    def frame(self, method: MethodDescriptor) -> Schema:
        """What one event of this stream is."""
        event = event_message(method)
        name = f"{method.name if face_of(method).cases else event.name}Frame"
        if name not in self.components:
            mapping = {case: self._case(event, case, data) for case, data in cases(method).items()}
            self.components[name] = {
                "title": name,
                "description": "\n\n".join(filter(None, [_FRAME, self._comments.text(event.full_name)])),
                "oneOf": [{"$ref": reference} for reference in mapping.values()],
                "discriminator": {"propertyName": "event", "mapping": mapping},
            }
        return {"$ref": f"#/components/schemas/{name}"}

    def served(self, method: MethodDescriptor) -> Schema:
        """What one server-sent event of this stream is."""
        event = event_message(method)
        name = f"{method.name if face_of(method).cases else event.name}Served"
        if name not in self.components:
            self.components[name] = {
                "title": name,
                "description": "\n\n".join(filter(None, [_SERVED, self._comments.text(event.full_name)])),
                "oneOf": [self._served(case, data) for case, data in cases(method).items()],
            }
        return {"$ref": f"#/components/schemas/{name}"}

    def served_examples(self, method: MethodDescriptor) -> list[Example]:
        """The same examples as server-sent events."""
        return [
            Example(each.title, {**each.value, "data": msgspec.json.encode(each.value["data"]).decode()})
            for each in self.examples(method)
        ]

    def examples(self, method: MethodDescriptor) -> list[Example]:
        """The examples of the events' data, each as the event that carries it."""
        return [
            Example(example.title, {"event": case, "data": example.value})
            for case, data in cases(method).items()
            for example in self._schemas.examples(data, Side.ANSWER)
        ]

    def _served(self, case: str, data: Descriptor) -> Schema:
        content = self._schemas.message(data, Side.ANSWER)
        return {
            "type": "object",
            "title": case,
            "required": ["event", "data"],
            "properties": {
                "event": {"const": case},
                "id": {"type": "string"},
                "data": {"type": "string", "contentMediaType": JSON, "contentSchema": content},
            },
        }

    def _case(self, event: Descriptor, case: str, data: Descriptor) -> str:
        name = f"{event.name}.{case}"
        sequence = field_of(event, SEQUENCE)
        self.components[name] = {
            "type": "object",
            "title": case,
            "description": self._comments.text(f"{event.full_name}.{case}"),
            "required": ["event", "data"],
            "properties": {
                "event": {"const": case},
                **({SEQUENCE: self._schemas.field(sequence, Side.ANSWER)} if sequence else {}),
                RUN: {"type": "string", "description": "The run that the event is of; empty before it is known."},
                "data": self._schemas.message(data, Side.ANSWER),
            },
        }
        return f"#/components/schemas/{name}"


def sockets(table: RouteTable, schemas: Schemas, events: Events, comments: Comments) -> dict[str, Any]:
    """The WebSockets, which OpenAPI has no word for, as an extension: what is sent each way."""
    return {socket.template.text: _socket(socket, table, schemas, events, comments) for socket in table.sockets}


def _socket(socket: Socket, table: RouteTable, schemas: Schemas, events: Events, comments: Comments) -> dict[str, Any]:
    method = socket.method
    request = method.input_type
    parameters = list(path_parameters(socket.template, request, comments))
    named = frozenset(socket.template.variables)
    said: dict[str, Any] = {}
    if named:
        parameters += query_parameters(request, comments, without=named)
    else:
        said["turn"] = schemas.message(request, Side.REQUEST)
    if socket.face.stop:
        said["stop"] = _message("stop", "Stop the run; without `run_id` the one of this socket.", [])
    if resume := table.methods.get(socket.face.resume):
        fields = [field_at(resume.input_type, name) for name in (RUN, AFTER)]
        shared = [field for field in resume.input_type.fields if field not in fields and field.name in _names(request)]
        what = "Go on with a run after an event."
        said["resume"] = _message(
            "resume", what, [(f, schemas.field(f, Side.REQUEST)) for f in (*fields, *shared) if f]
        )
    said["auth"] = _message("auth", "Say who calls, or do so anew. Answered with `authenticated`.", [])
    said["auth"]["properties"]["credential"] = {"type": "string", "description": "An API key or a token."}
    said["auth"]["required"].append("credential")
    said["ping"] = _message("ping", "Answered with the event `pong`.", [])
    return {
        "summary": comments.summary(method.full_name),
        "description": comments.text(method.full_name),
        "tags": [method.containing_service.name],
        "parameters": parameters,
        "client_messages": said,
        "server_messages": events.frame(method),
    }


def _names(message: Descriptor) -> set[str]:
    return {field.name for field in message.fields}


def _message(kind: str, what: str, fields: Iterable[tuple[FieldDescriptor, Schema]]) -> Schema:
    own: dict[str, Any] = {field.name: schema for field, schema in fields}
    if kind == "stop":
        own[RUN] = {"type": "string"}
    required = ["type", *(name for name in (RUN,) if kind == "resume")]
    properties = {"type": {"const": kind}, **own}
    return {"type": "object", "description": what, "required": required, "properties": properties}
