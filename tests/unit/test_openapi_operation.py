"""Operations and their parameters, of a contract with every kind of binding; held against what reads requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.boats import boat_comments, boat_service
from fakes.toy import toy_service
from thinkaloud_server.web.openapi import Info, documents
from thinkaloud_server.web.openapi.document import path_of
from thinkaloud_server.web.read import message_of
from thinkaloud_server.web.route import routes_of, services_of_contract

TABLE = routes_of([boat_service()])
BOATS = documents(TABLE, Info("boats"), boat_comments())
CONTRACT = documents(routes_of(services_of_contract()), Info())
TOY = documents(routes_of([toy_service()]), Info("toy"))
LET = BOATS["paths"]["/boats/v1/harbours/{harbour.name}/boats"]["post"]
FIND = BOATS["paths"]["/boats/v1/boats"]["get"]
WATCH = BOATS["paths"]["/boats/v1/boats/{run_id}/events"]["get"]
COUNT = BOATS["paths"]["/boats/v1/count"]["post"]

# One word that the field of a schema takes.
WORDS = {"string": "1999-01-01T00:00:00Z", "integer": "3", "boolean": "true", "number": "1.5"}


def named(operation: dict[str, Any], where: str) -> list[str]:
    return [each["name"] for each in operation["parameters"] if each.get("in") == where]


def shared(operation: dict[str, Any]) -> list[str]:
    return [each["$ref"].rpartition("/")[2] for each in operation["parameters"] if "$ref" in each]


@pytest.mark.parametrize(
    ("operation", "path", "query"),
    [
        (LET, ["harbour.name"], ["harbour.room", "days", "idempotency_key"]),
        (FIND, [], ["place", "rigs", "marks", "since", "harbour.name", "harbour.room"]),
        (WATCH, ["run_id"], ["after_sequence"]),
        (COUNT, [], []),
    ],
    ids=["body in a field", "no body", "a stream", "all in the body"],
)
def test_what_is_not_in_path_and_body_is_in_the_query(
    operation: dict[str, Any], path: list[str], query: list[str]
) -> None:
    assert named(operation, "path") == path
    assert named(operation, "query") == query


@pytest.mark.parametrize("document", [CONTRACT, BOATS], ids=["contract", "boats"])
def test_every_query_parameter_is_one_that_requests_are_read_with(document: dict[str, Any]) -> None:
    table = routes_of(services_of_contract()) if document is CONTRACT else TABLE
    for route in table.routes:
        values = dict.fromkeys(route.template.variables, "x")
        for parameter in document["paths"][path_of(route)][route.verb.lower()]["parameters"]:
            if parameter.get("in") != "query":
                continue
            schema = parameter["schema"]
            name, inner = parameter["name"], schema
            if parameter.get("style") == "deepObject":
                name, inner = f"{name}[key]", schema["additionalProperties"]
            elif schema["type"] == "array":
                inner = schema["items"]
            word = inner["enum"][0] if "enum" in inner else WORDS[inner["type"]]
            assert message_of(route, values, [(name, word)], b"") != message_of(route, values, [], b""), name


def test_lists_and_maps_in_a_query_say_how_they_are_written() -> None:
    parameters = {each["name"]: each for each in FIND["parameters"] if "name" in each}
    assert parameters["rigs"]["schema"]["type"] == "array"
    assert parameters["marks"]["style"] == "deepObject"
    assert parameters["since"]["schema"] == {"type": "string", "format": "date-time"}


def test_headers_stand_where_they_mean_something() -> None:
    assert shared(LET) == ["RequestId", "IdempotencyKey"]
    assert shared(FIND) == ["RequestId"]
    assert shared(WATCH) == ["Heartbeats", "RequestId", "LastEventId"]
    assert shared(COUNT) == ["Heartbeats", "RequestId"]
    chat = CONTRACT["paths"]["/api/v1/chat/stream-sse"]
    assert shared(chat["get"]) == ["Heartbeats", "RequestId", "IdempotencyKey", "LastEventId"]
    assert shared(CONTRACT["paths"]["/api/v1/chat/message"]["post"]) == ["RequestId", "IdempotencyKey"]


def test_a_body_is_the_message_or_the_field_that_the_binding_names() -> None:
    content = LET["requestBody"]["content"]
    assert content["application/json"]["schema"]["$ref"] == "#/components/schemas/BoatInput"
    assert content["application/json"] == content["application/vnd.thinkaloud.v1+json"]
    assert "requestBody" not in FIND
    count = COUNT["requestBody"]["content"]["application/json"]["schema"]
    assert count == {"$ref": "#/components/schemas/CountBoatsRequest"}
    message = CONTRACT["paths"]["/api/v1/chat/message"]["post"]
    assert message["requestBody"]["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/ChatRequest"


def test_an_answer_is_the_message_or_the_field_that_the_binding_names() -> None:
    answer = LET["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"] == "#/components/schemas/Boat"
    assert LET["responses"]["200"]["description"] == "As it was let."
    found = FIND["responses"]["200"]["content"]["application/vnd.thinkaloud.v1+json"]["schema"]
    assert found == {"$ref": "#/components/schemas/FindBoatsResponse"}


def test_a_stream_answers_with_events_in_two_forms() -> None:
    content = WATCH["responses"]["200"]["content"]
    assert set(content) == {"text/event-stream", "application/x-ndjson"}
    assert content["application/x-ndjson"]["schema"] == {"$ref": "#/components/schemas/WatchBoatFrame"}
    assert content["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/WatchBoatServed"}


def test_the_main_stream_shows_its_events() -> None:
    content = CONTRACT["paths"]["/api/v1/chat/stream-sse"]["post"]["responses"]["200"]["content"]
    shown = [each["value"] for each in content["text/event-stream"]["examples"].values()]
    assert [each["event"] for each in shown] == ["token", "reasoning", "complete", "error", "start", "heartbeat"]
    assert all(json.loads(each["data"]) for each in shown)


def test_only_a_stream_that_resumes_ends_with_nothing_to_say() -> None:
    assert "204" in WATCH["responses"]
    assert "204" not in COUNT["responses"]
    assert "204" not in FIND["responses"]


def test_what_the_path_says_is_not_in_the_body() -> None:
    change = CONTRACT["paths"]["/api/v1/conversations/{conversation_id}"]["patch"]
    reference = change["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert set(CONTRACT["components"]["schemas"][reference.rpartition("/")[2]]["properties"]) == {"title", "metadata"}


def test_what_is_deprecated_says_so() -> None:
    assert FIND["deprecated"] is True
    assert "deprecated" not in LET


def test_each_operation_names_the_scope_that_it_needs() -> None:
    asked = {
        operation["operationId"]: operation.get("security")
        for path in CONTRACT["paths"].values()
        for operation in path.values()
    }
    assert asked["ChatService_SendMessage"] == [{"bearer": ["chat"]}, {}]
    assert asked["RunService_GetRun"] == [{"bearer": ["read"]}, {}]
    assert asked["SystemService_GetHealth"] is None
    assert set(CONTRACT["components"]["securitySchemes"]) == {"bearer"}


def test_what_is_retired_says_since_when_and_that_answers_tell() -> None:
    rename = TOY["paths"]["/toy/{name}:rename"]["post"]
    assert (rename["deprecated"], rename["description"]) == (True, "Retired since 2026-03-01.")
    count = TOY["paths"]["/toy/count"]["get"]
    assert "deprecated" not in count
    (slowly,) = (each for each in count["parameters"] if each.get("name") == "slowly")
    assert slowly["deprecated"] is True
    assert slowly["description"] == "Retired since 2026-02-01, and may go on 2027-02-01: /toy/slowly."
    assert {"Deprecation", "Sunset"} <= set(count["responses"]["200"]["headers"])
    streaming = CONTRACT["components"]["schemas"]["ChatRequest"]["properties"]["streaming"]
    assert streaming["deprecated"] is True


def test_an_answer_with_a_status_of_its_own_is_described_beside_the_failure() -> None:
    health = CONTRACT["paths"]["/api/v1/health"]["get"]["responses"]
    content = health["503"]["content"]["application/json"]["schema"]
    assert [each["$ref"].rpartition("/")[2] for each in content["anyOf"]] == ["GetHealthResponse", "Error"]
    assert "`unhealthy`" in health["503"]["description"]
    assert "Deprecation" not in health["200"]["headers"]
    assert CONTRACT["paths"]["/api/v1/models"]["get"]["responses"]["503"] == {"$ref": "#/components/responses/Error503"}
