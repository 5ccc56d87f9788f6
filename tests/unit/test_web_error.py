"""Failures over HTTP: one envelope, and every member of the one table."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud.v1 import error_face_pb2, errors_pb2
from thinkaloud_server.web.error import FACES, HttpError, envelope, event_data, from_rpc, invalid

FACE: Any = error_face_pb2.face
REASONS = [value for value in errors_pb2.ErrorReason.DESCRIPTOR.values if value.number]


def failed(code: grpc.StatusCode, text: str = "told", *details: Any) -> grpc.aio.AioRpcError:
    status = status_pb2.Status(code=code.value[0], message=text)
    for detail in details:
        status.details.add().Pack(detail)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString())) if details else None
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details=text)


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name.removeprefix("ERROR_REASON_"))
def test_a_reason_looks_as_the_table_says(reason: Any) -> None:
    name = reason.name.removeprefix("ERROR_REASON_")
    face = reason.GetOptions().Extensions[FACE]
    error = from_rpc(failed(grpc.StatusCode.ABORTED, "told", error_details_pb2.ErrorInfo(reason=name)))
    assert (error.code, error.http, error.close, error.retryable) == (name, face.http, face.close, face.retryable)
    assert json.loads(envelope(error, "r"))["error"] == {
        "code": name,
        "message": "told",
        "details": {},
        "request_id": "r",
    }
    assert not error.lost


def test_all_details_of_a_status_are_told() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    error = from_rpc(
        failed(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "slow down",
            error_details_pb2.ErrorInfo(reason="RATE_LIMITED", metadata={"near": '["a", 1]', "odd": "[x", "n": "5"}),
            error_details_pb2.RequestInfo(request_id="theirs"),
            retry,
            error_details_pb2.BadRequest(field_violations=[{"field": "text", "description": "too long"}]),
        )
    )
    assert json.loads(envelope(error, "ours"))["error"] == {
        "code": "RATE_LIMITED",
        "message": "slow down",
        "details": {
            "near": ["a", 1],
            "odd": "[x",
            "n": "5",
            "field_violations": [{"field": "text", "description": "too long"}],
            "retry_after_s": 1.5,
        },
        "request_id": "theirs",
    }


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_status_without_a_reason_is_one_of_the_table(code: grpc.StatusCode) -> None:
    error = from_rpc(failed(code))
    assert error.code in FACES
    assert 400 <= error.http <= 599


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
def test_what_grpc_says_of_its_connections_is_not_passed_on(code: grpc.StatusCode) -> None:
    error = from_rpc(failed(code, "ipv4:10.0.0.1:50051: secret"))
    assert error.lost
    assert b"secret" not in envelope(error, "r")
    assert b"10.0.0.1" not in envelope(error, "r")


def test_damaged_details_leave_the_status() -> None:
    metadata = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff\xff"))
    error = from_rpc(grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), metadata, details="gone"))
    assert (error.code, error.message) == ("NOT_FOUND", "gone")


def test_a_reason_of_a_newer_service_is_told_as_it_is() -> None:
    error = from_rpc(failed(grpc.StatusCode.ABORTED, "new", error_details_pb2.ErrorInfo(reason="BRAND_NEW")))
    assert (error.code, error.http) == ("BRAND_NEW", 500)


def test_an_error_event_has_what_the_contract_gives_it() -> None:
    told = json.loads(event_data(HttpError("OVERLOADED", "full", retry_after_s=2), "r", partial=True))
    assert told == {
        "code": "OVERLOADED",
        "message": "full",
        "details": {"retry_after_s": 2},
        "request_id": "r",
        "retryable": True,
        "partial": True,
    }


def test_a_refused_field_is_named_twice() -> None:
    error = invalid("text", "must be a string")
    assert str(error) == "VALIDATION_FAILED: text: must be a string"
    assert error.details["field_violations"] == [{"field": "text", "description": "must be a string"}]
