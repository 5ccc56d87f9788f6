"""What is retired, as headers: of the method, of fields at any depth, and of several at once."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from fakes.toy import toy_message, toy_service
from thinkaloud.v1 import chat_service_pb2, retired_pb2
from thinkaloud_server.web.retired import headers_of, is_deprecated, retirement_of, told

METHODS = toy_service().methods_by_name
SERVICES = chat_service_pb2.DESCRIPTOR.services_by_name
# The first moments of 2026-01-01, 2026-02-01 and 2026-03-01, in seconds.
JANUARY, FEBRUARY, MARCH = "@1767225600", "@1769904000", "@1772323200"


@pytest.mark.parametrize(
    ("method", "request_name", "value", "headers"),
    [
        ("Count", "CountRequest", {"to": 3}, []),
        ("Count", "CountRequest", {"slowly": False}, []),
        (
            "Count",
            "CountRequest",
            {"slowly": True},
            [
                ("deprecation", FEBRUARY),
                ("sunset", "Mon, 01 Feb 2027 00:00:00 GMT"),
                ("link", '</toy/slowly>; rel="deprecation sunset"'),
            ],
        ),
        ("Echo", "Everything", {"nested": {"word": "a"}}, []),
        ("Echo", "Everything", {"nested": {"loud": False}}, [("deprecation", JANUARY)]),
        ("Echo", "Everything", {"nested": {"inner": {"inner": {"loud": True}}}}, [("deprecation", JANUARY)]),
        ("Echo", "Everything", {"many": [{}, {"loud": True}]}, [("deprecation", JANUARY)]),
        ("Echo", "Everything", {"byFlag": {"true": {"loud": True}}, "marks": {"a": "b"}}, [("deprecation", JANUARY)]),
        ("Rename", "RenameRequest", {}, [("deprecation", MARCH)]),
    ],
)
def test_what_is_retired_is_told_with_its_days(
    method: str, request_name: str, value: dict[str, Any], headers: list[tuple[str, str]]
) -> None:
    assert headers_of(METHODS[method], json_format.ParseDict(value, toy_message(request_name))) == headers


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (chat_service_pb2.ChatRequest(text="a"), []),
        (chat_service_pb2.ChatRequest(text="a", streaming=True), [("deprecation", "@1795219200")]),
        (chat_service_pb2.ChatRequest(text="a", streaming=False), [("deprecation", "@1795219200")]),
    ],
    ids=["left out", "true", "false"],
)
def test_the_field_for_old_clients_is_retired_wherever_a_turn_is_asked_for(
    turn: chat_service_pb2.ChatRequest, expected: list[tuple[str, str]]
) -> None:
    methods = SERVICES["ChatService"].methods_by_name
    batch = chat_service_pb2.BatchChatRequest(requests=[chat_service_pb2.ChatRequest(), turn])
    assert headers_of(methods["Chat"], turn) == expected
    assert headers_of(methods["SendMessage"], chat_service_pb2.SendMessageRequest(request=turn)) == expected
    assert headers_of(methods["BatchChat"], batch) == expected


def test_the_sentence_has_what_is_known() -> None:
    assert told(retired_pb2.Retired(since="2026-01-01")) == "Retired since 2026-01-01."
    whole = retired_pb2.Retired(since="2026-01-01", sunset="2027-01-01", link="https://example.com/why")
    assert told(whole) == "Retired since 2026-01-01, and may go on 2027-01-01: https://example.com/why."


def test_what_is_not_retired_has_no_retirement() -> None:
    assert retirement_of(METHODS["Count"]) is None
    assert not is_deprecated(METHODS["Count"])
    assert is_deprecated(METHODS["Rename"])
