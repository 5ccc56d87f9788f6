"""Messages as JSON Schema, held against the JSON that is really written and read."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs

from fakes.boats import boat_comments, boat_message
from thinkaloud.v1 import chat_service_pb2, conversation_service_pb2, event_pb2, model_service_pb2, run_service_pb2
from thinkaloud_server.web.openapi.comment import Comments, contract_comments
from thinkaloud_server.web.openapi.schema import Schemas, Side, oneofs, reached
from thinkaloud_server.web.write import json_of

BOAT: dict[str, Any] = {
    "name": "Ida",
    "rig": "RIG_SLOOP",
    "length": 7.5,
    "crew": [{"name": "Bo"}],
    "marks": {"a": 1},
    "tows": [{"name": "Dinghy"}],
    "built_at": "2001-02-03T04:05:06Z",
    "facts": {"old": True, "names": ["x", None, 1.5]},
    "serial": "18446744073709551615",
    "flag": base64.b64encode(b"\x00\xff").decode(),
    "insured": True,
    "colour": "red",
    "depth": 1.5,
    "age": "3.5s",
    "motor": {"horses": 4},
}


def schemas_of(message: Descriptor, side: Side, comments: Comments) -> Schemas:
    messages = [message]
    requests, answers = (messages, []) if side is Side.REQUEST else ([], messages)
    return Schemas(comments, requests=requests, answers=answers)


def complaints(message: Descriptor, side: Side, value: object, comments: Comments | None = None) -> list[str]:
    """What is wrong with a value, by the schema of the message."""
    schemas = schemas_of(message, side, comments or Comments({}))
    schema = {**schemas.message(message, side), "components": {"schemas": schemas.components}}
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def properties(name: str, side: Side = Side.ANSWER) -> dict[str, Any]:
    schemas = schemas_of(boat_message(name), side, boat_comments())
    found: dict[str, Any] = schemas.components[name]["properties"]
    return found


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        ("name", {"type": "string", "description": "Painted on the stern."}),
        ("rig", {"type": "string", "enum": ["RIG_UNSPECIFIED", "RIG_SLOOP"], "description": "How it is rigged."}),
        ("length", {"type": "number", "format": "double", "description": "In metres."}),
        (
            "crew",
            {"type": "array", "items": {"$ref": "#/components/schemas/Sailor"}, "description": "Who sails it."},
        ),
        (
            "marks",
            {
                "type": "object",
                "additionalProperties": {"type": "integer", "format": "int32"},
                "description": "Marks by name.",
            },
        ),
        ("built_at", {"type": "string", "format": "date-time", "description": "When it was built."}),
        ("facts", {"type": "object", "additionalProperties": True, "description": "Whatever."}),
        ("serial", {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}),
        ("flag", {"type": "string", "contentEncoding": "base64", "description": "The flag."}),
        ("colour", {"type": "string", "description": "Old.", "deprecated": True}),
        ("depth", {"type": ["number", "null"], "format": "float", "description": "How deep."}),
        ("motor", {"$ref": "#/components/schemas/Boat.Motor", "description": "Of a motor."}),
    ],
)
def test_a_field_is_what_the_json_mapping_makes_of_it(field: str, schema: dict[str, Any]) -> None:
    assert properties("Boat")[field] == schema


def test_what_is_written_of_a_message_fits_its_schema() -> None:
    message = GetMessageClass(boat_message("Boat"))()
    assert complaints(boat_message("Boat"), Side.ANSWER, written(message)) == []
    json_format.ParseDict(BOAT, message)
    assert complaints(boat_message("Boat"), Side.ANSWER, written(message)) == []
    assert complaints(boat_message("Boat"), Side.REQUEST, BOAT) == []


def written(message: Message) -> Any:
    return msgspec.json.decode(json_of(message))


@pytest.mark.parametrize(
    ("side", "value"),
    [
        (Side.REQUEST, {"name": 1}),
        (Side.REQUEST, {"nme": "Ida"}),
        (Side.REQUEST, {"rig": "RIG_KETCH"}),
        (Side.REQUEST, {"serial": "-1"}),
        (Side.REQUEST, {"marks": {"a": "b"}}),
        (Side.REQUEST, {"crew": {"name": "Bo"}}),
        (Side.REQUEST, {"age": "3"}),
        (Side.ANSWER, {"name": "Ida"}),
    ],
)
def test_what_is_none_of_the_message_does_not_fit(side: Side, value: dict[str, Any]) -> None:
    assert complaints(boat_message("Boat"), side, value) != []


def test_an_answer_may_grow_and_a_request_may_leave_out() -> None:
    message = GetMessageClass(boat_message("Boat"))()
    assert complaints(boat_message("Boat"), Side.ANSWER, {**written(message), "new_field": 1}) == []
    assert complaints(boat_message("Boat"), Side.REQUEST, {}) == []


@pytest.mark.parametrize(
    "message",
    [
        chat_service_pb2.BatchChatResponse,
        conversation_service_pb2.GetHistoryResponse,
        event_pb2.ChatEvent,
        model_service_pb2.ListModelsResponse,
        run_service_pb2.ListRunsResponse,
    ],
    ids=lambda each: each.DESCRIPTOR.name,
)
def test_empty_answers_of_the_contract_fit(message: Any) -> None:
    assert complaints(message.DESCRIPTOR, Side.ANSWER, written(message()), contract_comments()) == []


def test_every_example_of_the_contract_fits_its_schema() -> None:
    found = 0
    for file, side in ((chat_service_pb2, Side.REQUEST), (event_pb2, Side.ANSWER)):
        for message in file.DESCRIPTOR.message_types_by_name.values():
            for example in contract_comments().examples(message.full_name):
                found += 1
                assert complaints(message, side, example.value) == [], example.title
    assert found >= 15


def test_an_example_that_leaves_out_what_answers_print_is_one_of_requests_only() -> None:
    boat = boat_message("Boat")
    schemas = Schemas(boat_comments(), requests=[boat], answers=[boat])
    assert [each.title for each in schemas.examples(boat, Side.REQUEST)] == ["A dinghy"]
    assert schemas.examples(boat, Side.ANSWER) == []


def test_a_message_on_both_sides_has_two_names() -> None:
    boat, moved = boat_message("Boat"), boat_message("Moved")
    schemas = Schemas(boat_comments(), requests=[boat], answers=[boat, moved])
    assert set(schemas.components) == {
        *("Boat", "Boat.Motor", "Sailor", "BoatInput", "Boat.MotorInput", "SailorInput", "Moved", "Harbour")
    }
    assert schemas.components["BoatInput"]["properties"]["tows"]["items"] == {"$ref": "#/components/schemas/BoatInput"}


def test_a_name_that_another_package_took_is_written_whole() -> None:
    run = run_service_pb2.DESCRIPTOR.message_types_by_name["Run"]
    schemas = Schemas(Comments({}), requests=[], answers=[boat_message("Error"), run])
    assert "boats.v1.Error" in schemas.components
    assert "Run" in schemas.components


def test_a_message_of_one_oneof_has_one_property_at_most() -> None:
    engine = boat_message("Engine")
    assert complaints(engine, Side.REQUEST, {"sail": "main"}) == []
    assert complaints(engine, Side.REQUEST, {"sail": "main", "motor": {}}) != []


def test_oneofs_that_are_only_an_optional_field_are_none() -> None:
    assert list(oneofs(boat_message("Boat"))) == [["oars", "motor"]]
    assert list(oneofs(boat_message("CountBoatsRequest"))) == []


def test_messages_are_reached_once_also_in_circles_and_maps() -> None:
    names = [message.name for message in reached([boat_message("Boat"), boat_message("Boat")])]
    assert sorted(names) == ["Boat", "Motor", "Sailor"]
