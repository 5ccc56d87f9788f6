"""How a failure looks in gRPC: its code, and the google.rpc.Status with typed details behind it.

The codes are read from the options of the enum in errors.proto, the one table of them. A status travels in
HTTP/2 trailers, which peers cut off at 8 KiB and proxies earlier: everything together stays under 2 kB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud.v1 import error_face_pb2, errors_pb2
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error

DOMAIN = "thinkaloud.dev"
DETAILS_KEY = "grpc-status-details-bin"
# The message goes out percent-encoded (three bytes for one, at worst) and the details in base64 (four for
# three): 3 * 220 + 4 / 3 * 850 is under 2 kB with all that frames them.
MESSAGE_BYTES_MAX = 220
DETAILS_BYTES_MAX = 850
_DETAIL_BYTES_MAX = 200
# The type URLs of four details, and their tags and lengths.
_FRAMES_BYTES = 4 * 56
# Refusals that RetryInfo must accompany get this one when nobody knows better.
_RETRY_AFTER_S = 1.0

CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Face:
    """How one reason looks: the option on its enum value."""

    code: grpc.StatusCode
    http: int
    retryable: bool


def _faces() -> Iterator[tuple[str, Face]]:
    for value in errors_pb2.ErrorReason.DESCRIPTOR.values:
        options = value.GetOptions()
        face: error_face_pb2.ErrorFace = options.Extensions[error_face_pb2.face]  # type: ignore[index]  # untyped pyi
        name = value.name.removeprefix("ERROR_REASON_")
        yield name, Face(CODES[face.grpc], face.http, face.retryable)


FACES: Mapping[str, Face] = dict(_faces())


def face_of(error: ChatError) -> Face:
    """The gRPC code and the rest of how this error looks."""
    return FACES[error.reason.value]


def status_of(error: ChatError, request_id: str) -> status_pb2.Status:
    """The whole status. What does not fit is left out from the end: violations, then further details."""
    code: int = face_of(error).code.value[0]
    status = status_pb2.Status(code=code, message=clip(error.message, MESSAGE_BYTES_MAX))
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN)
    request = error_details_pb2.RequestInfo(request_id=request_id)
    retry = error_details_pb2.RetryInfo()
    bad_request = error_details_pb2.BadRequest()
    retry_after_s = retry_after(error)
    if retry_after_s is not None:
        retry.retry_delay.FromMilliseconds(round(retry_after_s * 1000))
    room = DETAILS_BYTES_MAX - _FRAMES_BYTES - status.ByteSize() - info.ByteSize() - request.ByteSize()
    for field, problem in error.violations:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=clip(field, _DETAIL_BYTES_MAX), description=clip(problem, _DETAIL_BYTES_MAX)
        )
        room -= violation.ByteSize() + 4
        if room < 0:
            break
        bad_request.field_violations.append(violation)
    for key, value in error.details.items():
        said = clip(value if isinstance(value, str) else json.dumps(value, default=str), _DETAIL_BYTES_MAX)
        room -= len(key.encode()) + len(said.encode()) + 8
        if room < 0:
            break
        info.metadata[key] = said
    for detail in (info, request, retry, bad_request):
        if detail.ByteSize() or detail is info:
            status.details.add().Pack(detail)
    return status


def retry_after(error: ChatError) -> float | None:
    """The seconds that RetryInfo carries; None for errors that have none."""
    if error.retry_after_s is not None:
        return max(error.retry_after_s, 0.0)
    face = face_of(error)
    limited = face.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED) and face.retryable
    return _RETRY_AFTER_S if limited or error.reason is ErrorReason.UPSTREAM_RATE_LIMITED else None


def trailers(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries the details."""
    return ((DETAILS_KEY, status.SerializeToString()),)


def to_event(error: ChatError, request_id: str) -> Error:
    """The `error` event of this error, for answers that carry one failure among others."""
    details: dict[str, Any] = dict(error.details)
    retry_after_s = retry_after(error)
    if retry_after_s is not None:
        details["retry_after_s"] = retry_after_s
    if error.violations:
        details["field_violations"] = [{"field": field, "description": problem} for field, problem in error.violations]
    return Error(error.reason.value, error.message, request_id, False, details)


def from_event(event: Error) -> ChatError:
    """The error of a run that ended with this event: its stream and its unary callers get the status too."""
    details = dict(event.details)
    retry_after_s = details.pop("retry_after_s", None)
    return ChatError(
        ErrorReason.__members__.get(event.code, ErrorReason.INTERNAL),
        event.message,
        retry_after_s=float(retry_after_s) if isinstance(retry_after_s, int | float) else None,
        details=details,
    )


def clip(text: str, bytes_max: int) -> str:
    """The text itself, or its beginning with an ellipsis where it is longer than this in UTF-8."""
    raw = text.encode(errors="replace")
    if len(raw) <= bytes_max:
        return raw.decode()
    return raw[: bytes_max - 3].decode(errors="ignore") + "…"
