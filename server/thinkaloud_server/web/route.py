"""Which method answers which path: the table of routes, read from the options of the services' methods."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor

from thinkaloud import v1
from thinkaloud.v1 import access_pb2, stream_face_pb2
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.file import FileFace, file_of
from thinkaloud_server.web.retired import retires
from thinkaloud_server.web.template import Template

__all__ = ["Route", "RouteTable", "Socket", "Template", "routes_of", "services_of_contract"]


@dataclass(frozen=True, slots=True)
class Route:
    """One binding of a method: `body` is "", "*" or a field of the request, `response_body` "" or a field of the
    response. `file` is what a method says that carries one."""

    verb: str
    template: Template
    method: MethodDescriptor
    body: str
    response_body: str
    file: FileFace | None = None

    @property
    def streams(self) -> bool:
        """True where events are answered. A file comes in pieces too, and is one answer all the same."""
        return bool(self.method.server_streaming) and self.file is None


@dataclass(frozen=True, slots=True)
class Socket:
    """The WebSocket of a server-streaming method."""

    template: Template
    method: MethodDescriptor
    face: stream_face_pb2.StreamFace


class RouteTable:
    """All routes. More particular templates come first, so the first that matches is the one.

    A path that stands in a template as it is belongs to those routes alone, whatever its verb: OpenAPI 3.1 matches
    concrete paths before templated ones (4.8.8), and an id in the place of a word is a mistake that 405 tells best.
    """

    def __init__(
        self, routes: Sequence[Route], sockets: Sequence[Socket], holds_socket: MethodDescriptor | None = None
    ) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: route.template.rank))
        self.sockets = tuple(sorted(sockets, key=lambda socket: socket.template.rank))
        self.holds_socket = holds_socket
        self.methods: Mapping[str, MethodDescriptor] = {
            method.full_name: method for route in self.routes for method in route.method.containing_service.methods
        }
        self._literal: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            if not set("{*") & set(route.template.text):
                self._literal.setdefault(route.template.text, {})[route.verb] = route

    def find(self, verb: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of this request and its path variables. HEAD is what GET would be, without running a stream."""
        asked = "GET" if verb == "HEAD" else verb
        route = self._literal.get(path, {}).get(asked)
        if route is not None and (verb != "HEAD" or not route.streams):
            return route, {}
        allowed = self._allowed(path)
        if not allowed:
            raise HttpError("NOT_FOUND", "there is nothing at this path")
        if verb in allowed:
            for route in self.routes:
                if route.verb == asked and (values := route.template.match(path)) is not None:
                    return route, values
        allow = ", ".join(allowed)
        raise HttpError("METHOD_NOT_ALLOWED", f"this path takes {allow}", headers=(("allow", allow),))

    def allowed(self, path: str) -> list[str]:
        """The verbs that this path takes. Raises HttpError(NOT_FOUND) where it takes none."""
        verbs = self._allowed(path)
        if not verbs:
            raise HttpError("NOT_FOUND", "there is nothing at this path")
        return verbs

    def find_socket(self, path: str) -> tuple[Socket, dict[str, str]]:
        """The WebSocket at this path. Raises HttpError(NOT_FOUND)."""
        for socket in self.sockets:
            if (values := socket.template.match(path)) is not None:
                return socket, values
        raise HttpError("NOT_FOUND", "there is no WebSocket at this path")

    def _allowed(self, path: str) -> list[str]:
        verbs: dict[str, None] = {}
        literal = self._literal.get(path)
        for route in self.routes if literal is None else literal.values():
            if route.verb not in verbs and route.template.match(path) is not None:
                verbs[route.verb] = None
                if route.verb == "GET" and not route.streams:
                    verbs["HEAD"] = None
        return [*verbs, "OPTIONS"] if verbs else []


def routes_of(services: Iterable[ServiceDescriptor]) -> RouteTable:
    """The table of these services. Raises ValueError for options that contradict their messages or each other."""
    routes: list[Route] = []
    sockets: list[Socket] = []
    taken: set[tuple[str, str]] = set()
    methods = [method for service in services for method in service.methods]
    known = {method.full_name for method in methods}
    for method in methods:
        retires(method)
        for rule in _rules(method):
            route = _route(method, rule)
            if (route.verb, route.template.text) in taken:
                raise ValueError(f"{method.full_name}: {route.verb} {route.template.text} is taken")
            taken.add((route.verb, route.template.text))
            routes.append(route)
        face = face_of(method)
        for named in filter(None, (face.stop, face.resume)):
            if named not in known:
                raise ValueError(f"{method.full_name}: there is no method {named}")
        if face.websocket:
            template = Template.of(face.websocket)
            _check_variables(template, method)
            sockets.append(Socket(template, method, face))
    return RouteTable(routes, sockets, next(filter(holds_socket, methods), None))


def services_of_contract() -> list[ServiceDescriptor]:
    """Every service of the contract, also of files that are yet to come."""
    files: Iterator[FileDescriptor] = (
        importlib.import_module(f"{v1.__name__}.{module.name}").DESCRIPTOR
        for module in pkgutil.iter_modules(v1.__path__)
        if module.name.endswith("_pb2")
    )
    return [service for file in files for service in file.services_by_name.values()]


def scope_of(method: MethodDescriptor) -> str:
    """The scope that the method needs, "open" for none; what names none is for admins (access.proto)."""
    scope: str = method.GetOptions().Extensions[access_pb2.scope]  # type: ignore[index]
    return scope or "admin"


def holds_socket(method: MethodDescriptor) -> bool:
    """The method that is called for every WebSocket, by whoever serves them; it has no face of its own."""
    holds: bool = method.GetOptions().Extensions[access_pb2.holds_socket]  # type: ignore[index]
    return holds


def face_of(method: MethodDescriptor) -> stream_face_pb2.StreamFace:
    """The stream option of a method; an empty one where it has none."""
    face: stream_face_pb2.StreamFace = method.GetOptions().Extensions[stream_face_pb2.stream_face]  # type: ignore[index]
    return face


def field_at(message: Descriptor, path: str) -> FieldDescriptor | None:
    """The field at a path like `run_id` or `request.model`; None where there is none."""
    field: FieldDescriptor | None = None
    for name in path.split("."):
        if field is not None:
            if field.message_type is None:
                return None
            message = field.message_type
        field = message.fields_by_name.get(name)
        if field is None:
            return None
    return field


def _rules(method: MethodDescriptor) -> list[http_pb2.HttpRule]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return [rule, *rule.additional_bindings] if rule.WhichOneof("pattern") else []


def _route(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Route:
    pattern = rule.WhichOneof("pattern")
    if pattern == "custom":
        verb, text = rule.custom.kind.upper(), rule.custom.path
    else:
        verb, text = pattern.upper(), getattr(rule, pattern)
    template = Template.of(text)
    _check_variables(template, method)
    for name, message in ((rule.body.strip("*"), method.input_type), (rule.response_body, method.output_type)):
        if name and name not in message.fields_by_name:
            raise ValueError(f"{method.full_name}: {message.full_name} has no field {name}")
    return Route(verb, template, method, rule.body, rule.response_body, file_of(method))


def _check_variables(template: Template, method: MethodDescriptor) -> None:
    for name in template.variables:
        field = field_at(method.input_type, name)
        if field is None or field.is_repeated or field.message_type is not None:
            raise ValueError(f"{method.full_name}: {template.text} needs a single scalar field {name}")
