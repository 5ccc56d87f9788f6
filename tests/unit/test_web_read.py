"""Requests to messages: what stands in the body, the query and the path, and who wins where two speak."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from fakes.toy import toy_service
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.read import message_of
from thinkaloud_server.web.route import RouteTable, routes_of, services_of_contract

TOY = routes_of([toy_service()])
OURS = routes_of(services_of_contract())


def read(
    verb: str, path: str, query: list[tuple[str, str]] | None = None, body: bytes = b"", table: RouteTable = TOY
) -> dict[str, Any]:
    route, values = table.find(verb, path)
    message = message_of(route, values, query or [], body)
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([("text", "a b")], {"text": "a b"}),
        ([("text", "")], {}),
        ([("maybe", "")], {"maybe": ""}),
        ([("flag", "true")], {"flag": True}),
        (
            [("small", "-5"), ("big", "5"), ("number", "1.5"), ("single", "2")],
            {"small": -5, "big": "5", "number": 1.5, "single": 2.0},
        ),
        ([("data", "YQ==")], {"data": "YQ=="}),
        (
            [("colour", "COLOUR_RED"), ("colours", "2"), ("colours", "COLOUR_RED")],
            {"colour": "COLOUR_RED", "colours": ["COLOUR_BLUE", "COLOUR_RED"]},
        ),
        ([("words", "a"), ("words", "a")], {"words": ["a", "a"]}),
        (
            [("nested.word", "a"), ("nested.inner.numbers", "1"), ("nested.inner.numbers", "2")],
            {"nested": {"word": "a", "inner": {"numbers": [1, 2]}}},
        ),
        ([("marks[a.b]", "1"), ("marks[c]", "")], {"marks": {"a.b": "1", "c": ""}}),
        ([("flags[3]", "true")], {"flags": {"3": True}}),
        ([("at", "2024-02-29T12:00:00Z")], {"at": "2024-02-29T12:00:00Z"}),
        ([("wrapped", "false")], {"wrapped": False}),
        ([("right", "4")], {"right": 4}),
    ],
)
def test_a_query_is_a_message(query: list[tuple[str, str]], message: dict[str, Any]) -> None:
    assert read("GET", "/toy/echo", query) == message


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ([("nothing", "1")], "nothing", "UNKNOWN_FIELD"),
        ([("nested.nothing", "1")], "nested.nothing", "UNKNOWN_FIELD"),
        ([("text.word", "1")], "text", "UNKNOWN_FIELD"),
        ([("many.word", "1")], "many", "UNKNOWN_FIELD"),
        ([("text", "1"), ("text", "1")], "text", "VALIDATION_FAILED"),
        ([("flag", "1")], "flag", "VALIDATION_FAILED"),
        ([("small", "x")], "small", "VALIDATION_FAILED"),
        ([("small", "")], "small", "VALIDATION_FAILED"),
        ([("colour", "RED")], "colour", "VALIDATION_FAILED"),
        ([("nested", "{}")], "nested", "VALIDATION_FAILED"),
        ([("many", "{}")], "many", "VALIDATION_FAILED"),
        ([("context", "{}")], "context", "VALIDATION_FAILED"),
        ([("marks", "1")], "marks", "VALIDATION_FAILED"),
        ([("by_flag[true]", "1")], "by_flag[true]", "VALIDATION_FAILED"),
        ([("text[a]", "1")], "text[a]", "VALIDATION_FAILED"),
        ([("marks[a]", "1"), ("marks[a]", "2")], "marks[a]", "VALIDATION_FAILED"),
        ([("wrapped", "yes")], "wrapped", "VALIDATION_FAILED"),
        ([("left", "a"), ("right", "1")], "right", "VALIDATION_FAILED"),
    ],
)
def test_a_parameter_that_is_none_is_refused(query: list[tuple[str, str]], field: str, code: str) -> None:
    with pytest.raises(HttpError) as refused:
        read("GET", "/toy/echo", query)
    assert (refused.value.code, refused.value.details["field_violations"][0]["field"]) == (code, field)


def test_a_whole_body_leaves_nothing_to_the_query() -> None:
    assert read("POST", "/toy/echo", body=b'{"text":"a"}') == {"text": "a"}
    with pytest.raises(HttpError) as refused:
        read("POST", "/toy/echo", [("text", "a")], b"{}")
    assert refused.value.code == "UNKNOWN_FIELD"


def test_a_body_that_is_a_field_leaves_the_others() -> None:
    found = read("POST", "/toy/nested/t/deep/x", [("small", "1"), ("words", "w")], b'{"numbers":[1]}')
    assert found == {"text": "t", "small": 1, "words": ["w"], "nested": {"word": "deep/x", "numbers": [1]}}
    for name in ("nested.word", "nested"):
        with pytest.raises(HttpError) as refused:
            read("POST", "/toy/nested/t/deep/x", [(name, "1")])
        assert refused.value.code == "UNKNOWN_FIELD"


def test_a_body_that_is_a_scalar_is_one() -> None:
    assert read("POST", "/toy/shelves/1/books/2:rename", body=b'"T"') == {"name": "shelves/1/books/2", "title": "T"}
    with pytest.raises(HttpError) as refused:
        read("POST", "/toy/shelves/1/books/2:rename", body=b"{}")
    assert refused.value.details["field_violations"][0]["field"] == "body"


def test_an_empty_body_is_an_empty_object() -> None:
    assert read("POST", "/api/v1/runs/r/stop", table=OURS) == {"run_id": "r"}
    assert read("POST", "/api/v1/chat/message", body=b" \n", table=OURS) == {"request": {}}


def test_a_body_where_none_belongs_is_refused() -> None:
    with pytest.raises(HttpError, match="empty"):
        read("GET", "/toy/echo", body=b"{}")


def test_a_body_may_repeat_the_path_and_not_contradict_it() -> None:
    same = read("POST", "/api/v1/runs/r/stop", body=b'{"run_id":"r"}', table=OURS)
    assert same == {"run_id": "r"}
    with pytest.raises(HttpError, match="differs from the path"):
        read("POST", "/api/v1/runs/r/stop", body=b'{"run_id":"other"}', table=OURS)
    with pytest.raises(HttpError, match="differs from the path"):
        read("POST", "/toy/nested/t/deep/x", body=b'{"word":"y"}')


def test_a_violation_in_a_body_is_named_from_the_bodys_root() -> None:
    with pytest.raises(HttpError) as refused:
        read("POST", "/api/v1/chat/message", body=b'{"text":1}', table=OURS)
    assert refused.value.details["field_violations"][0]["field"] == "text"
