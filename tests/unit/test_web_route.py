"""The table of routes: which method answers, which verbs a path takes, and options that contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from fakes.toy import toy_service
from thinkaloud.v1 import retired_pb2, stream_face_pb2
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.route import face_of, field_at, routes_of, services_of_contract

TABLE = routes_of(services_of_contract())
STREAM_FACE: Any = stream_face_pb2.stream_face
RETIRED: Any = retired_pb2.retired


def made(
    *rules: http_pb2.HttpRule, client_streaming: bool = False, stop: str = "", since: str = ""
) -> ServiceDescriptor:
    """A service of one method with these rules, in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="made.proto", package="made", syntax="proto3")
    message = file.message_type.add(name="Asked")
    message.field.add(name="name", number=1, type=9, label=1)
    message.field.add(name="names", number=2, type=9, label=3)
    method = file.service.add(name="Made").method.add(
        name="Do", input_type=".made.Asked", output_type=".made.Asked", client_streaming=client_streaming
    )
    first, *others = rules
    first.additional_bindings.extend(others)
    method.options.Extensions[annotations_pb2.http].CopyFrom(first)
    if stop:
        method.options.Extensions[STREAM_FACE].stop = stop
    if since:
        method.options.Extensions[RETIRED].since = since
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("made.Made")


@pytest.mark.parametrize(
    ("verb", "path", "method", "values"),
    [
        ("GET", "/api/v1/models/current", "GetCurrentModel", {}),
        ("HEAD", "/api/v1/models/current", "GetCurrentModel", {}),
        ("GET", "/api/v1/runs/r", "GetRun", {"run_id": "r"}),
        ("HEAD", "/api/v1/runs/r", "GetRun", {"run_id": "r"}),
        ("GET", "/api/v1/runs/r/events", "WatchRun", {"run_id": "r"}),
        ("GET", "/api/v1/chat/stream-sse", "Chat", {}),
        ("POST", "/api/v1/conversations/create", "CreateConversation", {}),
        ("GET", "/api/v1/conversations/creates", "GetConversation", {"conversation_id": "creates"}),
    ],
)
def test_a_request_finds_its_method(verb: str, path: str, method: str, values: dict[str, str]) -> None:
    route, found = TABLE.find(verb, path)
    assert (route.method.name, found) == (method, values)


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/runs/a/b/c", "/api/v1/health/"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    for ask in (lambda: TABLE.find("GET", path), lambda: TABLE.allowed(path), lambda: TABLE.find_socket(path)):
        with pytest.raises(HttpError) as refused:
            ask()
        assert refused.value.code == "NOT_FOUND"


def test_another_verb_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(HttpError) as refused:
        TABLE.find("DELETE", "/api/v1/runs/r")
    assert (refused.value.http, dict(refused.value.headers)) == (405, {"allow": "GET, HEAD, OPTIONS"})
    with pytest.raises(HttpError):
        TABLE.find("HEAD", "/api/v1/runs/r/events")


def test_a_path_of_the_contract_is_no_id_for_another_verb() -> None:
    assert TABLE.allowed("/api/v1/conversations/create") == ["POST", "OPTIONS"]
    with pytest.raises(HttpError) as refused:
        TABLE.find("GET", "/api/v1/conversations/create")
    assert (refused.value.http, dict(refused.value.headers)) == (405, {"allow": "POST, OPTIONS"})


def test_a_websocket_is_found_with_its_variables() -> None:
    socket, values = TABLE.find_socket("/api/v1/runs/r/stream")
    assert (socket.method.name, values) == ("WatchRun", {"run_id": "r"})
    assert socket.face.stop == "thinkaloud.v1.RunService.StopRun"


def test_methods_are_known_by_name_for_stop_and_resume() -> None:
    assert TABLE.methods["thinkaloud.v1.RunService.StopRun"].name == "StopRun"


def test_a_custom_verb_and_all_bindings_are_routes() -> None:
    custom = http_pb2.HttpRule(custom={"kind": "purge", "path": "/p"})
    table = routes_of([made(http_pb2.HttpRule(put="/a/{name}", body="names"), custom)])
    found = {(route.verb, route.template.text, route.body) for route in table.routes}
    assert found == {("PURGE", "/p", ""), ("PUT", "/a/{name}", "names")}


@pytest.mark.parametrize(
    ("service", "problem"),
    [
        (made(http_pb2.HttpRule(get="/a/{nothing}")), "nothing"),
        (made(http_pb2.HttpRule(get="/a/{names}")), "names"),
        (made(http_pb2.HttpRule(post="/a", body="nothing")), "nothing"),
        (made(http_pb2.HttpRule(get="/a", response_body="nothing")), "nothing"),
        (made(http_pb2.HttpRule(get="/a"), http_pb2.HttpRule(get="/a")), "taken"),
        (made(http_pb2.HttpRule(post="/a"), client_streaming=True), "streams its requests"),
        (made(http_pb2.HttpRule(post="/a"), stop="made.Made.Nothing"), "made.Made.Nothing"),
        (made(http_pb2.HttpRule(post="/a"), since="1.1.2026"), "made.Made.Do: a day of its retirement"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_contradict_themselves_are_refused(service: ServiceDescriptor, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        routes_of([service])


def test_a_method_without_the_option_has_an_empty_face() -> None:
    assert not face_of(TABLE.methods["thinkaloud.v1.RunService.GetRun"]).websocket


def test_a_field_is_found_by_its_path() -> None:
    everything = toy_service().methods_by_name["Echo"].input_type
    found = field_at(everything, "nested.inner.word")
    assert found is not None
    assert found.full_name == "toy.v1.Nested.word"
    for path in ("nothing", "text.word", "nested.nothing"):
        assert field_at(everything, path) is None
