"""Errors, from a status and from an event: every reason of the contract, and statuses that others made."""

from __future__ import annotations

import pickle

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

import thinkaloud
from thinkaloud import ConnectionLostError, Error, Result, ThinkaloudError, TlsError, UnavailableError, error_from_event
from thinkaloud.errors import error_from_status, face_of
from thinkaloud.v1 import errors_pb2

REASONS = [
    value.name.removeprefix("ERROR_REASON_") for value in errors_pb2.ErrorReason.DESCRIPTOR.values if value.number
]
CLASSES = {
    "AUTH_INVALID": "AuthError",
    "AUTH_RATE_LIMITED": "RateLimitedError",
    "SCOPE_DENIED": "PermissionDeniedError",
    "NOT_FOUND": "NotFoundError",
    "MODEL_NOT_FOUND": "NotFoundError",
    "VALIDATION_FAILED": "InvalidRequestError",
    "CONTEXT_TOO_LONG": "InvalidRequestError",
    "MESSAGE_TOO_LARGE": "InvalidRequestError",
    "IDEMPOTENCY_KEY_REUSED": "InvalidRequestError",
    "SEQUENCE_AHEAD": "InvalidRequestError",
    "EVENTS_EXPIRED": "InvalidRequestError",
    "CONVERSATION_BUSY": "BusyError",
    "SLOW_CONSUMER": "ConnectionLostError",
    "IDLE_TIMEOUT": "ConnectionLostError",
    "RATE_LIMITED": "RateLimitedError",
    "TOO_MANY_RUNS": "RateLimitedError",
    "OVERLOADED": "UnavailableError",
    "DRAINING": "UnavailableError",
    "STORAGE_UNAVAILABLE": "UnavailableError",
    "UPSTREAM_ERROR": "UpstreamError",
    "UPSTREAM_TIMEOUT": "UpstreamError",
    "UPSTREAM_RATE_LIMITED": "UpstreamError",
    "UPSTREAM_AUTH": "UpstreamError",
    "EMPTY_RESPONSE": "UpstreamError",
    "REASONING_STATE_INVALID": "UpstreamError",
    "RUN_INTERRUPTED": "RunInterruptedError",
    "DEADLINE_EXCEEDED": "DeadlineExceededError",
    "INTERNAL": "ThinkaloudError",
    "UNIMPLEMENTED": "ThinkaloudError",
}


def trailers(*details: object) -> list[tuple[str, str | bytes]]:
    status = status_pb2.Status()
    for detail in details:
        status.details.add().Pack(detail)
    return [("grpc-status-details-bin", status.SerializeToString())]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_keeps_its_name_and_what_the_table_says_of_it(reason: str) -> None:
    face = face_of(reason)
    assert face is not None
    info = error_details_pb2.ErrorInfo(reason=reason, domain="thinkaloud.dev")
    by_status = error_from_status(code_pb2.Code.Name(face.grpc), "why", trailers(info))
    by_event = error_from_event(Error(reason, "why", retryable=face.retryable))
    for error in (by_status, by_event):
        assert (error.code, error.message, error.retryable) == (reason, "why", face.retryable)
        assert error.status == code_pb2.Code.Name(face.grpc)
        assert str(error) == f"{reason}: why"
    assert type(by_status) is type(by_event)
    if reason in CLASSES:
        assert type(by_status).__name__ == CLASSES[reason]


def test_the_details_of_a_status_are_read() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    error = error_from_status(
        "INVALID_ARGUMENT",
        "why",
        trailers(
            error_details_pb2.ErrorInfo(
                reason="VALIDATION_FAILED", metadata={"near": '["a/b"]', "earliest": "7", "odd": "[not json"}
            ),
            error_details_pb2.RequestInfo(request_id="req_1"),
            retry,
            error_details_pb2.BadRequest(field_violations=[{"field": "text", "description": "is empty"}]),
            error_details_pb2.Help(),
        ),
    )
    assert (error.request_id, error.retry_after_s) == ("req_1", 1.5)
    assert error.violations == (("text", "is empty"),)
    assert error.details == {"near": ["a/b"], "earliest": "7", "odd": "[not json"}


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("UNAVAILABLE", "ConnectionLostError", True),
        ("UNKNOWN", "ConnectionLostError", True),
        ("INTERNAL", "ConnectionLostError", True),
        ("CANCELLED", "ConnectionLostError", True),
        ("UNAUTHENTICATED", "AuthError", False),
        ("PERMISSION_DENIED", "PermissionDeniedError", False),
        ("NOT_FOUND", "NotFoundError", False),
        ("INVALID_ARGUMENT", "InvalidRequestError", False),
        ("RESOURCE_EXHAUSTED", "RateLimitedError", False),
        ("DEADLINE_EXCEEDED", "DeadlineExceededError", False),
        ("UNIMPLEMENTED", "ThinkaloudError", False),
        ("DATA_LOSS", "ThinkaloudError", False),
    ],
)
def test_a_status_without_a_reason_goes_by_its_code(status: str, kind: str, retryable: bool) -> None:
    error = error_from_status(status, "from a proxy", [("x-request-id", "req_2")])
    assert (type(error).__name__, error.code, error.retryable) == (kind, status, retryable)
    assert error.request_id == "req_2"


@pytest.mark.parametrize(("status", "kind"), [("UNAVAILABLE", "UnavailableError"), ("ABORTED", "ThinkaloudError")])
def test_a_reason_of_a_newer_server_goes_by_its_code(status: str, kind: str) -> None:
    error = error_from_status(status, "why", trailers(error_details_pb2.ErrorInfo(reason="FROM_THE_FUTURE")))
    assert (type(error).__name__, error.code) == (kind, "FROM_THE_FUTURE")


@pytest.mark.parametrize("packed", [b"", b"\xff\xff\xff", b"\x1a\x05hello", "text"])
def test_damaged_details_are_as_none(packed: str | bytes) -> None:
    error = error_from_status("NOT_FOUND", "why", [("grpc-status-details-bin", packed)])
    assert (type(error).__name__, error.code) == ("NotFoundError", "NOT_FOUND")


def test_the_error_of_an_event_carries_the_hint_and_the_result() -> None:
    event = Error("UPSTREAM_RATE_LIMITED", "why", {"retry_after_s": 12}, "req_1", True, True, sequence=7)
    error = error_from_event(event, Result("It", run_id="run_1"))
    assert (error.retry_after_s, error.request_id, error.run_id, error.last_sequence) == (12, "req_1", "run_1", 7)
    assert error.result == Result("It", run_id="run_1")


def test_one_base_catches_all() -> None:
    kinds = [kind for name in thinkaloud.__all__ if isinstance(kind := getattr(thinkaloud, name), type)]
    assert {kind.__name__ for kind in kinds if issubclass(kind, Exception)} >= set(CLASSES.values())
    assert all(issubclass(kind, ThinkaloudError) for kind in kinds if issubclass(kind, Exception))


def test_errors_cross_process_borders() -> None:
    error = error_from_event(Error("RATE_LIMITED", "why", {"retry_after_s": 1}, "req_1", True))
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("SSL_ERROR_SSL: error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "no TLS is spoken"),
        ("OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: unable to get local issuer", "is not trusted; ca_file"),
        ("ipv4:127.0.0.1:44035: Peer name localhost is not in peer certificate", "is for another name"),
        (
            "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification Check failed.",
            "another",
        ),
    ],
)
def test_a_handshake_that_cannot_be_is_told_and_not_tried_again(message: str, meant: str) -> None:
    error = error_from_status("UNAVAILABLE", f"failed to connect to all addresses; last error: UNKNOWN: {message}")
    assert isinstance(error, TlsError)
    assert not isinstance(error, UnavailableError), "which streams would try to resume after"
    assert not error.retryable
    assert meant in error.message
    assert message in error.message


def test_a_connection_that_is_closed_at_once_may_want_tls() -> None:
    at_once = "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:46741: Socket closed"
    error = error_from_status("UNAVAILABLE", at_once)
    assert isinstance(error, ConnectionLostError)
    assert "does it want TLS" in error.message
    assert "TLS" not in error_from_status("UNAVAILABLE", "Socket closed").message, "it stood before"
