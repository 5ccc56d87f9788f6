"""Failures in the document: the whole table of errors, and only what an operation can answer with."""

from __future__ import annotations

import pytest

from fakes.boats import boat_message
from thinkaloud.v1 import chat_service_pb2, run_service_pb2, system_service_pb2
from thinkaloud_server.web.error import FACES
from thinkaloud_server.web.openapi.comment import contract_comments
from thinkaloud_server.web.openapi.failure import codes_by_status, failures, statuses, takes_key


@pytest.mark.parametrize("code", [code for code in FACES if code != "UNSPECIFIED"])
def test_every_code_stands_at_its_status_with_its_comment(code: str) -> None:
    response = failures(contract_comments())[f"Error{FACES[code].http}"]
    line = next(line for line in response["description"].splitlines() if line.startswith(f"* `{code}`: "))
    assert len(line) > len(f"* `{code}`: ")
    example = response["content"]["application/json"]["examples"][code]["value"]
    assert example["error"]["code"] == code
    assert set(example["error"]) == {"code", "message", "details", "request_id"}


def test_each_code_stands_once_and_nothing_else() -> None:
    codes = [code for each in codes_by_status().values() for code in each]
    assert sorted(codes) == sorted(code for code in FACES if code != "UNSPECIFIED")


def test_retry_after_comes_with_what_may_be_tried_again_later() -> None:
    with_header = {name for name, each in failures(contract_comments()).items() if "Retry-After" in each["headers"]}
    assert with_header == {"Error429", "Error503"}


@pytest.mark.parametrize(
    ("request_type", "has_body", "status", "there"),
    [
        (chat_service_pb2.ChatRequest, True, "415", True),
        (chat_service_pb2.ChatRequest, False, "415", False),
        (chat_service_pb2.ChatRequest, True, "422", True),
        (system_service_pb2.GetInfoRequest, False, "422", False),
        (run_service_pb2.WatchRunRequest, False, "410", True),
        (run_service_pb2.GetRunRequest, False, "410", False),
        (run_service_pb2.GetRunRequest, False, "405", False),
        (run_service_pb2.GetRunRequest, False, "404", True),
        (run_service_pb2.GetRunRequest, False, "500", True),
    ],
)
def test_an_operation_has_the_statuses_that_it_can_answer_with(
    request_type: type, has_body: bool, status: str, there: bool
) -> None:
    descriptor = request_type.DESCRIPTOR  # type: ignore[attr-defined]  # of a generated class
    assert (status in statuses(descriptor, has_body=has_body)) is there


def test_a_key_may_be_in_the_request_or_in_the_message_that_it_carries() -> None:
    messages = chat_service_pb2.DESCRIPTOR.message_types_by_name
    assert takes_key(messages["ChatRequest"])
    assert takes_key(messages["SendMessageRequest"])
    assert takes_key(boat_message("LetBoatRequest"))
    assert not takes_key(messages["BatchChatRequest"])
    assert not takes_key(boat_message("FindBoatsRequest"))
