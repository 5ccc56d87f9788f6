"""Frames: each case of a stream's oneof as {"event", "data"}, held against what is really written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs

from fakes.boats import boat_comments, boat_service
from thinkaloud.v1 import chat_service_pb2, event_pb2
from thinkaloud_server.web.frame import EventStream
from thinkaloud_server.web.openapi import Info, documents
from thinkaloud_server.web.openapi.event import cases, event_message
from thinkaloud_server.web.route import routes_of, services_of_contract
from thinkaloud_server.web.write import event_of, line_of

CHAT = chat_service_pb2.DESCRIPTOR.services_by_name["ChatService"].methods_by_name["Chat"]
CONTRACT = documents(routes_of(services_of_contract()), Info())
SERVED = CONTRACT["components"]["schemas"]["ChatEventServed"]
BOATS = documents(routes_of([boat_service()]), Info("boats"), boat_comments())


def boat_method(name: str) -> MethodDescriptor:
    return boat_service().methods_by_name[name]


def complaints(document: dict[str, Any], frame: str, value: object) -> list[str]:
    schema = {"$ref": f"#/components/schemas/{frame}", "components": document["components"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (CHAT, "ChatEvent"),
        (boat_method("WatchBoat"), "WatchBoatResponse"),
        (boat_method("CountBoats"), "CountBoatsResponse"),
    ],
    ids=["in its only field", "itself", "without a oneof"],
)
def test_the_event_of_a_stream_is_found(method: MethodDescriptor, name: str) -> None:
    assert event_message(method).name == name


@pytest.mark.parametrize("case", list(cases(CHAT)))
def test_every_event_of_the_contract_is_written_as_its_schema_says(case: str) -> None:
    event = event_pb2.ChatEvent(sequence=7)
    getattr(event, case).SetInParent()
    written = msgspec.json.decode(line_of(event_of(chat_service_pb2.ChatResponse(event=event))))
    assert complaints(CONTRACT, "ChatEventFrame", written) == []
    assert complaints(CONTRACT, f"ChatEvent.{case}", written) == []


@pytest.mark.parametrize("case", list(cases(CHAT)))
def test_every_server_sent_event_is_as_its_schema_says(case: str) -> None:
    event = event_pb2.ChatEvent(sequence=7)
    getattr(event, case).SetInParent()
    lines = EventStream("event", 1000).frame(event_of(chat_service_pb2.ChatResponse(event=event)), "run_1").decode()
    parsed = dict(line.split(": ", 1) for line in lines.splitlines() if line)
    assert complaints(CONTRACT, "ChatEventServed", parsed) == []
    (schema,) = (each for each in SERVED["oneOf"] if each["title"] == case)
    content = {**schema["properties"]["data"]["contentSchema"], "components": CONTRACT["components"]}
    assert Draft202012Validator(content).is_valid(msgspec.json.decode(parsed["data"]))
    assert complaints(CONTRACT, "ChatEventServed", {**parsed, "data": {}}) != []


@pytest.mark.parametrize(
    "value",
    [
        {"event": "token"},
        {"event": "nothing", "data": {}},
        {"event": "token", "data": {"token": 1, "index": 0}},
        {"event": "token", "data": {"last_sequence": 1}},
        {"data": {"token": "x", "index": 0}},
    ],
)
def test_what_is_no_event_does_not_fit(value: dict[str, Any]) -> None:
    assert complaints(CONTRACT, "ChatEventFrame", value) != []


@pytest.mark.parametrize(
    ("method", "value", "frame"),
    [
        ("WatchBoat", {"sequence": 1, "moved": {"to": {"name": "Kiel"}}}, "WatchBoatFrame"),
        ("WatchBoat", {"sequence": 2, "note": "fog"}, "WatchBoatFrame"),
        ("CountBoats", {"count": "5"}, "CountBoatsResponseFrame"),
    ],
    ids=["a message", "a scalar", "no event"],
)
def test_events_of_another_contract_fit_as_well(method: str, value: dict[str, Any], frame: str) -> None:
    message = json_format.ParseDict(value, GetMessageClass(boat_method(method).output_type)())
    assert complaints(BOATS, frame, msgspec.json.decode(line_of(event_of(message)))) == []


def test_the_list_is_discriminated_by_the_name_of_the_event() -> None:
    frame = CONTRACT["components"]["schemas"]["ChatEventFrame"]
    assert frame["discriminator"]["propertyName"] == "event"
    assert list(frame["discriminator"]["mapping"]) == list(cases(CHAT))
    assert [each["$ref"] for each in frame["oneOf"]] == list(frame["discriminator"]["mapping"].values())


def test_only_the_cases_that_the_option_names_are_listed() -> None:
    assert list(cases(boat_method("WatchBoat"))) == ["moved", "note"]
    mapping = BOATS["components"]["schemas"]["WatchBoatFrame"]["discriminator"]["mapping"]
    assert list(mapping) == ["moved", "note"]
    assert "WatchBoatResponse.sank" not in BOATS["components"]["schemas"]


def test_a_socket_says_what_goes_each_way() -> None:
    chat = CONTRACT["x-websockets"]["/api/v1/chat/stream"]
    assert list(chat["client_messages"]) == ["turn", "stop", "resume", "auth", "ping"]
    assert chat["client_messages"]["turn"] == {"$ref": "#/components/schemas/ChatRequest"}
    resume = chat["client_messages"]["resume"]
    assert resume["required"] == ["type", "run_id"]
    assert {"type", "run_id", "after_sequence", "include_reasoning"} <= set(resume["properties"])
    assert "text" not in resume["properties"]
    assert chat["server_messages"] == {"$ref": "#/components/schemas/ChatEventFrame"}


def test_a_socket_whose_address_names_the_run_takes_no_turn() -> None:
    watch = CONTRACT["x-websockets"]["/api/v1/runs/{run_id}/stream"]
    assert "turn" not in watch["client_messages"]
    named = {parameter["name"]: parameter["in"] for parameter in watch["parameters"]}
    assert named["run_id"] == "path"
    assert named["after_sequence"] == "query"


def test_a_socket_without_a_method_that_stops_has_no_stop() -> None:
    assert list(BOATS["x-websockets"]["/boats/v1/boats/{run_id}/stream"]["client_messages"]) == [
        "resume",
        "auth",
        "ping",
    ]
