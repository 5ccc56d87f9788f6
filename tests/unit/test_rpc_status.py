"""Every reason has a face, and no status outgrows the trailers that carry it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud.v1 import errors_pb2
from thinkaloud_server.core.errors import ChatError, ErrorReason, invalid
from thinkaloud_server.core.event import Error
from thinkaloud_server.rpc.status import (
    FACES,
    clip,
    face_of,
    from_event,
    retry_after,
    status_of,
    to_event,
    trailers,
)

# The table of the contract, written a second time on purpose.
EXPECTED = {
    grpc.StatusCode.UNAUTHENTICATED: (
        "AUTH_REQUIRED AUTH_INVALID AUTH_EXPIRED AUTH_NOT_YET_VALID AUTH_REVOKED WS_TOKEN_INVALID WS_TOKEN_USED"
    ),
    grpc.StatusCode.PERMISSION_DENIED: "SCOPE_DENIED MODEL_NOT_ALLOWED ORIGIN_NOT_ALLOWED ACTION_DENIED",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND MODEL_NOT_FOUND",
    grpc.StatusCode.ALREADY_EXISTS: "ALREADY_EXISTS",
    grpc.StatusCode.INVALID_ARGUMENT: (
        "MALFORMED_REQUEST VALIDATION_FAILED UNKNOWN_FIELD INVALID_ID INVALID_PAGE_TOKEN IDEMPOTENCY_KEY_INVALID "
        "SEQUENCE_INVALID PATH_NOT_ALLOWED URL_NOT_ALLOWED URL_SCHEME_NOT_ALLOWED URL_FETCH_FAILED INVALID_IMAGE "
        "IMAGE_TOO_LARGE HOST_NOT_ALLOWED UNSUPPORTED_MEDIA_TYPE NOT_ACCEPTABLE METHOD_NOT_ALLOWED TEXT_TOO_LONG "
        "CONTEXT_TOO_LONG IDEMPOTENCY_KEY_REUSED"
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        "MESSAGE_TOO_LARGE UPLOAD_TOO_LARGE HEADERS_TOO_LARGE RATE_LIMITED AUTH_RATE_LIMITED QUOTA_EXCEEDED "
        "BUDGET_EXCEEDED TOO_MANY_RUNS TOO_MANY_CONNECTIONS TOO_MANY_STREAMS"
    ),
    grpc.StatusCode.ABORTED: (
        "REQUEST_TIMEOUT IDLE_TIMEOUT SLOW_CONSUMER CONVERSATION_BUSY UPSTREAM_ERROR UPSTREAM_PROTOCOL_ERROR "
        "UPSTREAM_TRUNCATED EMPTY_RESPONSE REASONING_STATE_INVALID UPSTREAM_TIMEOUT UPSTREAM_RATE_LIMITED "
        "RUN_INTERRUPTED"
    ),
    grpc.StatusCode.OUT_OF_RANGE: "SEQUENCE_AHEAD EVENTS_EXPIRED",
    grpc.StatusCode.UNAVAILABLE: "OVERLOADED DRAINING STORAGE_UNAVAILABLE",
    grpc.StatusCode.FAILED_PRECONDITION: "UPSTREAM_AUTH",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.UNIMPLEMENTED: "UNIMPLEMENTED",
    grpc.StatusCode.INTERNAL: "INTERNAL",
}
CODES = {reason: code for code, reasons in EXPECTED.items() for reason in reasons.split()}
RETRY_INFO = {
    *(reason for reason, code in CODES.items() if code is grpc.StatusCode.UNAVAILABLE),
    *(reason for reason in CODES if reason.startswith("TOO_MANY_")),
    *("RATE_LIMITED", "AUTH_RATE_LIMITED", "QUOTA_EXCEEDED", "BUDGET_EXCEEDED", "UPSTREAM_RATE_LIMITED"),
}


def detail(status: status_pb2.Status, kind: type) -> Any:
    for each in status.details:
        found = kind()
        if each.Unpack(found):
            return found
    return None


def test_core_and_proto_know_the_same_reasons() -> None:
    proto = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert proto - {"UNSPECIFIED"} == {reason.value for reason in ErrorReason} == set(CODES)
    assert set(FACES) == proto


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_each_reason_has_the_code_of_the_contract(reason: ErrorReason) -> None:
    status = status_of(ChatError(reason, "no"), "req-1")
    assert face_of(ChatError(reason, "no")).code is CODES[reason]
    assert status.code == CODES[reason].value[0]
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (reason.value, "thinkaloud.dev")
    assert detail(status, error_details_pb2.RequestInfo).request_id == "req-1"
    assert (detail(status, error_details_pb2.RetryInfo) is not None) == (reason.value in RETRY_INFO)
    assert not detail(status, error_details_pb2.BadRequest)


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_each_reason_survives_the_way_through_an_error_event(reason: ErrorReason) -> None:
    event = to_event(ChatError(reason, "no", details={"a": 1}), "req-1")
    assert (event.code, event.request_id, event.partial) == (reason.value, "req-1", False)
    back = from_event(event)
    assert (back.reason, back.message, back.details["a"]) == (reason, "no", 1)
    assert status_of(back, "req-1").code == CODES[reason].value[0]


@pytest.mark.parametrize("reason", list(ErrorReason))
@pytest.mark.parametrize("filler", ["x", "é", "\U0001f914", "%\n"], ids=["ascii", "latin", "emoji", "escaped"])
def test_no_status_is_over_two_kilobytes_on_the_wire(reason: ErrorReason, filler: str) -> None:
    error = ChatError(
        reason,
        filler * 100_000,
        retry_after_s=1e6,
        details={f"{filler}{number}" * 50: filler * 1000 for number in range(50)},
        violations=tuple((f"tools[{number}].{filler * 500}", filler * 500) for number in range(100)),
    )
    status = status_of(error, "r" * 128)
    ((key, value),) = trailers(status)
    encoded = len(quote(status.message, safe=" ")) + len(base64.b64encode(value)) + len(key)
    assert encoded < 2048
    assert detail(status, error_details_pb2.ErrorInfo).reason == reason.value
    assert detail(status, error_details_pb2.RequestInfo).request_id == "r" * 128


def test_violations_name_the_field_and_what_would_be_right() -> None:
    status = status_of(invalid("top_p", "must be 0 to 1, got 3"), "r")
    (violation,) = detail(status, error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.description) == ("top_p", "must be 0 to 1, got 3")


def test_details_are_metadata_of_the_error_info() -> None:
    status = status_of(ChatError(ErrorReason.MODEL_NOT_FOUND, "no", details={"near": ["a/b"], "n": 3}), "r")
    info = detail(status, error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {"near": '["a/b"]', "n": "3"}


def test_the_hint_of_the_error_beats_the_usual_one() -> None:
    assert retry_after(ChatError(ErrorReason.OVERLOADED, "no", retry_after_s=7)) == 7
    assert retry_after(ChatError(ErrorReason.OVERLOADED, "no")) == 1
    assert retry_after(ChatError(ErrorReason.OVERLOADED, "no", retry_after_s=-3)) == 0
    assert retry_after(ChatError(ErrorReason.INTERNAL, "no")) is None


def test_a_hint_in_an_event_becomes_retry_info_again() -> None:
    error = from_event(Error("UPSTREAM_RATE_LIMITED", "slow down", "r", False, {"retry_after_s": 12}))
    assert error.retry_after_s == 12
    assert "retry_after_s" not in error.details


def test_field_violations_are_in_the_details_of_an_error_event() -> None:
    event = to_event(invalid("text", "must say something"), "r")
    assert event.details == {"field_violations": [{"field": "text", "description": "must say something"}]}


def test_an_event_with_a_code_that_nobody_knows_is_internal() -> None:
    assert from_event(Error("SOMETHING", "no", "r", False)).reason is ErrorReason.INTERNAL


@pytest.mark.parametrize(
    ("text", "expected"),
    [("short", "short"), ("x" * 20, "x" * 7 + "…"), ("é" * 20, "ééé…"), ("a\ud800b", "a?b")],
    ids=["short", "long", "inside-a-character", "lone-surrogate"],
)
def test_clipped_text_is_valid_and_within_its_bytes(text: str, expected: str) -> None:
    assert clip(text, 10) == expected
    assert len(clip(text, 10).encode()) <= 10
