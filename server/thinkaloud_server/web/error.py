"""How a failure looks over HTTP: one envelope, from the one table, the options on the values of ErrorReason."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import msgspec
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud.v1 import error_face_pb2, errors_pb2

_DETAILS_KEY = "grpc-status-details-bin"
_PREFIX = "ERROR_REASON_"
# Goes on to the caller as headers of the same names.
_ALLOWANCE = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_TOLD = frozenset(_ALLOWANCE)


@dataclass(frozen=True, slots=True)
class Face:
    """How one reason looks: the option on its enum value."""

    http: int
    close: int
    retryable: bool


def _faces() -> Iterator[tuple[str, Face]]:
    for value in errors_pb2.ErrorReason.DESCRIPTOR.values:
        options = value.GetOptions()
        face: error_face_pb2.ErrorFace = options.Extensions[error_face_pb2.face]  # type: ignore[index]  # untyped pyi
        yield value.name.removeprefix(_PREFIX), Face(face.http, face.close, face.retryable)


FACES: Mapping[str, Face] = dict(_faces())

# A status without a reason was not made by our service but by gRPC itself, a proxy, or a service that knows no reasons.
_REASON_OF_STATUS: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.INVALID_ARGUMENT: "VALIDATION_FAILED",
    grpc.StatusCode.FAILED_PRECONDITION: "VALIDATION_FAILED",
    grpc.StatusCode.OUT_OF_RANGE: "VALIDATION_FAILED",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.ALREADY_EXISTS: "ALREADY_EXISTS",
    grpc.StatusCode.PERMISSION_DENIED: "SCOPE_DENIED",
    grpc.StatusCode.UNAUTHENTICATED: "AUTH_REQUIRED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RATE_LIMITED",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.UNIMPLEMENTED: "UNIMPLEMENTED",
    grpc.StatusCode.UNAVAILABLE: "OVERLOADED",
}
# What a broken connection looks like (UNAVAILABLE: closed, refused, GOAWAY; the others: what a proxy makes of
# RST_STREAM). Their texts name addresses and are for the log of the gateway, not for its callers.
_LOST: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAVAILABLE: "the server cannot be reached",
    grpc.StatusCode.UNKNOWN: "internal error",
    grpc.StatusCode.INTERNAL: "internal error",
    grpc.StatusCode.CANCELLED: "the call was cancelled",
}


class HttpError(Exception):
    """A refusal or a failure, as every HTTP face tells it.

    `lost` is true for a status that no service made: the connection to it broke, and what was asked may go on there.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        http: int = 0,
        close: int = 0,
        retry_after_s: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
        request_id: str = "",
        lost: bool = False,
    ) -> None:
        super().__init__(message)
        face = FACES.get(code, FACES["INTERNAL"])
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details or {}
        self.http = http or face.http
        self.close = close or face.close
        self.retryable = face.retryable
        self.retry_after_s = retry_after_s
        self.headers = headers
        self.request_id = request_id
        self.lost = lost

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def invalid(field: str, problem: str, code: str = "VALIDATION_FAILED") -> HttpError:
    """The refusal of one field, in the shape that the service's own refusals have."""
    violation = {"field": field, "description": problem}
    return HttpError(code, f"{field}: {problem}", details={"field_violations": [violation]})


def fields_of(error: HttpError, request_id: str) -> dict[str, Any]:
    """`code`, `message`, `details` and `request_id`: what every face tells."""
    details = dict(error.details)
    if error.retry_after_s is not None:
        details["retry_after_s"] = error.retry_after_s
    return {
        "code": error.code,
        "message": error.message,
        "details": details,
        "request_id": error.request_id or request_id,
    }


def envelope(error: HttpError, request_id: str) -> bytes:
    """The body of every answer that is an error."""
    return msgspec.json.encode({"error": fields_of(error, request_id)})


def refusal_headers(error: HttpError) -> list[tuple[str, str]]:
    """The error's own headers, and what its status asks for (RFC 9110 sections 10.2.3 and 11.6.1)."""
    headers = [*error.headers]
    if error.retry_after_s is not None:
        headers.append(("retry-after", str(math.ceil(error.retry_after_s))))
    if error.http == 401:
        headers.append(("www-authenticate", "Bearer"))
    return headers


def event_data(error: HttpError, request_id: str, *, partial: bool) -> bytes:
    """The data of an `error` event for a failure that the service could not tell in an event of its own."""
    return msgspec.json.encode({**fields_of(error, request_id), "retryable": error.retryable, "partial": partial})


def from_rpc(error: grpc.aio.AioRpcError) -> HttpError:
    """The HTTP side of a gRPC status."""
    status = error.code()
    message = error.details() or ""
    reason, request_id = "", ""
    retry_after_s: float | None = None
    details: dict[str, Any] = {}
    violations: list[dict[str, str]] = []
    for each in _details(error.trailing_metadata()):
        match each:
            case error_details_pb2.ErrorInfo():
                reason = each.reason
                details |= {key: _plain(value) for key, value in each.metadata.items()}
            case error_details_pb2.RequestInfo():
                request_id = each.request_id
            case error_details_pb2.RetryInfo():
                retry_after_s = each.retry_delay.seconds + each.retry_delay.nanos / 1e9
            case error_details_pb2.BadRequest():
                violations += [{"field": v.field, "description": v.description} for v in each.field_violations]
    if violations:
        details["field_violations"] = violations
    lost = not reason and status in _LOST
    return HttpError(
        reason or _REASON_OF_STATUS.get(status, "INTERNAL"),
        _LOST[status] if lost else message,
        details=details,
        retry_after_s=retry_after_s,
        headers=headers_of([*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]),
        request_id=request_id,
        lost=lost,
    )


def headers_of(metadata: Any) -> list[tuple[str, str]]:
    """What the service sent ahead of its answer, or with its refusal, that is for the caller too."""
    return [(key, value) for key, value in metadata or () if key in _TOLD and isinstance(value, str)]


def allowance(headers: Sequence[tuple[str, str]]) -> tuple[int, int, int] | None:
    """The caller's limit, what is left of it, and in how many seconds there is one more; None where none is told."""
    told = dict(headers)
    try:
        limit, remaining, reset_s = (int(told[name]) for name in _ALLOWANCE)
    except (KeyError, ValueError):
        return None
    return limit, remaining, reset_s


def _details(trailing: Any) -> Iterator[Any]:
    """The packed details that are known here; none where a proxy damaged them."""
    packed = next((value for key, value in trailing or () if key == _DETAILS_KEY), b"")
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
    )
    with suppress(DecodeError):
        for each in status_pb2.Status.FromString(packed.encode() if isinstance(packed, str) else packed).details:
            for kind in kinds:
                if each.Is(kind.DESCRIPTOR):
                    message = kind()
                    each.Unpack(message)
                    yield message


def _plain(value: str) -> Any:
    """A value of ErrorInfo's metadata, which holds strings alone: lists and mappings travel in it as JSON text."""
    if value[:1] in ("[", "{"):
        with suppress(json.JSONDecodeError):
            return json.loads(value)
    return value
