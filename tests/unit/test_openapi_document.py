"""The document against its source: every route and field, no other; of our contract and of one that only tests know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from fakes.boats import boat_comments, boat_service
from fakes.toy import toy_service
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.web.openapi import Info, documents
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.document import path_of
from thinkaloud_server.web.route import RouteTable, routes_of, services_of_contract

Json = dict[str, Any]


@cache
def contract_table() -> RouteTable:
    return routes_of(services_of_contract())


@cache
def boat_table() -> RouteTable:
    return routes_of([boat_service()])


@cache
def contract() -> Json:
    limits = system_service_pb2.Limits(text_chars=500_000, run_s=1800, websocket_idle_s=300)
    return documents(contract_table(), Info("thinkaloud", "1.2.3", "Says what it thinks.", limits))


@cache
def boats() -> Json:
    return documents(boat_table(), Info("boats", "1"), boat_comments())


@cache
def toy_table() -> RouteTable:
    return routes_of([toy_service()])


@cache
def toy() -> Json:
    return documents(toy_table(), Info("toy", "1"))


CASES = [
    pytest.param(contract(), contract_table(), id="contract"),
    pytest.param(boats(), boat_table(), id="boats"),
    pytest.param(toy(), toy_table(), id="toy"),
]
every_document = pytest.mark.parametrize(("document", "table"), CASES)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield verb.upper(), path, operation


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@every_document
def test_the_document_is_valid_openapi_3_1(document: Json, table: RouteTable) -> None:
    # As it is sent: through JSON.
    errors = OpenAPIV31SpecValidator(json.loads(json.dumps(document))).iter_errors()
    assert [str(error) for error in errors] == []
    assert document["openapi"].startswith("3.1")


def test_a_document_that_is_not_valid_is_found() -> None:
    broken = {**contract(), "paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert [error.message for error in OpenAPIV31SpecValidator(broken).iter_errors()] != []


@every_document
def test_every_route_is_there_and_no_other(document: Json, table: RouteTable) -> None:
    described = sorted((verb, path) for verb, path, _ in operations(document))
    assert described == sorted((route.verb, path_of(route)) for route in table.routes)
    assert set(document["x-websockets"]) == {socket.template.text for socket in table.sockets}


@every_document
def test_operations_have_names_of_their_own_and_known_tags(document: Json, table: RouteTable) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    assert tags == {route.method.containing_service.name for route in table.routes}
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} == tags


@every_document
def test_references_lead_somewhere_and_components_are_used(document: Json, table: RouteTable) -> None:
    found = set(references(document))
    components = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in document["components"][kind]
    }
    for reference in found:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    never = {"#/components/responses/Error405", "#/components/responses/Error410"}
    assert components - found <= never


@every_document
def test_variables_of_a_path_are_its_parameters(document: Json, table: RouteTable) -> None:
    for _, path, operation in operations(document):
        parameters = [each for each in operation["parameters"] if each.get("in") == "path"]
        assert {each["name"] for each in parameters} == set(re.findall(r"{([^{}]+)}", path))
        assert all(each["required"] for each in parameters)


def test_every_field_of_the_contract_has_its_comment() -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in contract()["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description") and name != "Error" and not name.startswith("ChatEvent.")
    ]
    assert silent == []
    undescribed = [each["operationId"] for _, _, each in operations(contract()) if not each["description"]]
    assert undescribed == []


def test_the_text_of_a_field_is_the_comment_in_the_proto() -> None:
    request = contract()["components"]["schemas"]["ChatRequest"]
    assert request["properties"]["stop"]["description"] == "Strings that end the answer; at most 16, none empty."
    assert "Example" not in request["description"]


def test_the_main_request_has_examples_of_every_kind() -> None:
    for path in ("/api/v1/chat/stream-sse", "/api/v1/chat/message"):
        examples = contract()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        values = [each["value"] for each in examples.values()]
        assert any(value.get("include_reasoning") for value in values)
        assert any(value.get("reasoning") == {"effort": "none"} for value in values)
        for field in ("tools", "image_url", "context_files", "fallback_models"):
            assert any(field in value for value in values), field


def test_the_first_binding_of_a_method_has_its_plain_name() -> None:
    names = {path: operation["operationId"] for verb, path, operation in operations(contract()) if verb == "GET"}
    assert names["/api/v1/models"] == "ModelService_ListModels"
    assert names["/api/v1/models/discover"] == "ModelService_ListModels_2"


def test_limits_stand_in_the_description_with_their_comments() -> None:
    text = contract()["info"]["description"]
    assert "* `text_chars`: 500,000. Characters of a text." in text
    assert "* `run_s`: 1,800. Seconds of a run." in text
    assert "* `websocket_idle_s`: 300. " in text
    assert "image_bytes" not in text
    assert "Limits" not in boats()["info"]["description"]


def test_a_contract_without_streams_says_nothing_of_them() -> None:
    table = contract_table()
    unary = RouteTable([each for each in table.routes if not each.method.server_streaming], [])
    document = documents(unary, Info("quiet", "1"))
    assert "x-websockets" not in document
    assert "WebSocket" not in document["info"]["description"]
    assert "Last-Event-ID" not in document["info"]["description"]
    assert not [name for name in document["components"]["schemas"] if name.endswith("Frame")]


def test_a_contract_without_comments_is_described_by_its_names_and_types() -> None:
    document = documents(boat_table(), Info("boats", "1"), Comments({}))
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert document["paths"]["/boats/v1/boats"]["get"]["summary"] == "FindBoats"
