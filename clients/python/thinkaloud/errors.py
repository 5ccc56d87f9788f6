"""What can go wrong, typed; and how it is read from a gRPC status or from an `error` event.

The one table of reasons is the contract's: the options on the values of `ErrorReason`. A status without a reason was
not made by thinkaloud but by gRPC itself or by a proxy on the way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud.events import Error
from thinkaloud.fold import Result
from thinkaloud.v1 import error_face_pb2, errors_pb2

_DETAILS_KEY = "grpc-status-details-bin"
_REQUEST_ID_KEY = "x-request-id"


class ThinkaloudError(Exception):
    """Every failure that this client reports.

    `code` is a name of `ErrorReason` without its prefix, or the name of the gRPC status when no reason came with it.
    `retryable` says that the same request may succeed later, `retry_after_s` when. `request_id` is what the
    server's log has the request under. `violations` are pairs of a field and what is wrong with it.
    `run_id` and `last_sequence` say where a stream stood, for `watch`. `result` holds what a failed run had said.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "INTERNAL",
        status: str = "",
        retryable: bool = False,
        request_id: str = "",
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
        violations: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.retryable = retryable
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.details: Mapping[str, Any] = details or {}
        self.violations = violations
        self.run_id = ""
        self.last_sequence = 0
        self.result: Result | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AuthError(ThinkaloudError):
    """The key is missing, unknown, expired or revoked."""


class PermissionDeniedError(ThinkaloudError):
    """The key may not do this."""


class NotFoundError(ThinkaloudError):
    """There is no such model, run or conversation, or it is not yours."""


class InvalidRequestError(ThinkaloudError):
    """The request can never succeed as it is; `violations` names the fields."""


class BusyError(ThinkaloudError):
    """The conversation has a live run; see `on_busy`."""


class RateLimitedError(ThinkaloudError):
    """Too much; `retry_after_s` says until when."""


class UpstreamError(ThinkaloudError):
    """The provider failed, and so did what the fallback policy allows."""


class RunInterruptedError(ThinkaloudError):
    """The server died during the run; what was said until then is kept."""


class DeadlineExceededError(ThinkaloudError):
    """`timeout_s`, or the client's limit for unary calls, has passed."""


class UnavailableError(ThinkaloudError):
    """This server cannot now: it is overloaded, draining, or without its store."""


class ConnectionLostError(UnavailableError):
    """The connection broke or never stood."""


class TlsError(ThinkaloudError):
    """No connection, and trying again would not help: one side does not trust the other, or only one speaks TLS."""


_OTHER_NAME = "the server's certificate is for another name than that of the address"
# In what gRPC says of a handshake (BoringSSL's names), and what it means.
_HANDSHAKES: Mapping[str, str] = {
    "WRONG_VERSION_NUMBER": "no TLS is spoken at this address; without TLS it is http:// or HOST:PORT",
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is not trusted; ca_file names who signed it",
    "not in peer certificate": _OTHER_NAME,
    "Hostname Verification Check failed": _OTHER_NAME,  # as later versions of gRPC say it
}
# A server that wants TLS, or a client certificate, tells nothing to one that comes without.
_CLOSED = ("failed to connect", "Socket closed")
_CLOSED_HINT = " (it closed the connection at once: does it want TLS, https://, or a client certificate?)"

# By the HTTP status that the contract gives a reason, where the code alone does not decide.
_CLASS_BY_HTTP: Mapping[int, type[ThinkaloudError]] = {
    401: AuthError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ConnectionLostError,
    429: RateLimitedError,
}
_CLASS_BY_CODE: Mapping[str, type[ThinkaloudError]] = {
    "CONVERSATION_BUSY": BusyError,
    "RUN_INTERRUPTED": RunInterruptedError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "EMPTY_RESPONSE": UpstreamError,
    "REASONING_STATE_INVALID": UpstreamError,
}
# For a status that came without a reason. Cut connections show as the four of ConnectionLostError: UNAVAILABLE (socket
# closed, refused, GOAWAY, keepalive), and, where a proxy stands between, what RST_STREAM is mapped to.
_CLASS_BY_STATUS: Mapping[str, type[ThinkaloudError]] = {
    "UNAVAILABLE": ConnectionLostError,
    "UNKNOWN": ConnectionLostError,
    "INTERNAL": ConnectionLostError,
    "CANCELLED": ConnectionLostError,
    "UNAUTHENTICATED": AuthError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "INVALID_ARGUMENT": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "RESOURCE_EXHAUSTED": RateLimitedError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
}


def face_of(code: str) -> error_face_pb2.ErrorFace | None:
    """The contract's row for a reason; None for a name that this version of the client does not know."""
    value = errors_pb2.ErrorReason.DESCRIPTOR.values_by_name.get(f"ERROR_REASON_{code}")
    if value is None:
        return None
    options = value.GetOptions()
    face: error_face_pb2.ErrorFace = options.Extensions[error_face_pb2.face]  # type: ignore[index]  # untyped pyi
    return face


def error_from_event(event: Error, result: Result | None = None) -> ThinkaloudError:
    """The exception for the `error` event that ended a run; `result` is what the run had said."""
    face = face_of(event.code)
    hint = event.details.get("retry_after_s")
    error = _class_of(event.code, "ABORTED")(
        event.message,
        code=event.code,
        status=code_pb2.Code.Name(face.grpc) if face is not None else "",
        retryable=event.retryable,
        request_id=event.request_id,
        retry_after_s=float(hint) if isinstance(hint, int | float) else None,
        details=event.details,
    )
    error.last_sequence = event.sequence
    error.run_id = result.run_id if result is not None else ""
    error.result = result
    return error


def error_from_status(status: str, message: str, trailing: Iterable[tuple[str, str | bytes]] = ()) -> ThinkaloudError:
    """The exception for a gRPC status: its code's name, its message and the trailing metadata."""
    metadata = dict(trailing)
    if status == "UNAVAILABLE" and _DETAILS_KEY not in metadata:
        if meant := next((_HANDSHAKES[each] for each in _HANDSHAKES if each in message), ""):
            return TlsError(f"{meant} ({message})", code=status, status=status)
        if all(each in message for each in _CLOSED):
            message += _CLOSED_HINT
    request_id = _text(metadata.get(_REQUEST_ID_KEY, ""))
    reason, retry_after_s = "", None
    details: dict[str, Any] = {}
    violations: list[tuple[str, str]] = []
    for each in _details(metadata.get(_DETAILS_KEY, b"")):
        match each:
            case error_details_pb2.ErrorInfo():
                reason = each.reason
                details |= {key: _plain(value) for key, value in each.metadata.items()}
            case error_details_pb2.RequestInfo():
                request_id = each.request_id
            case error_details_pb2.RetryInfo():
                retry_after_s = each.retry_delay.seconds + each.retry_delay.nanos / 1e9
            case error_details_pb2.BadRequest():
                violations += [(violation.field, violation.description) for violation in each.field_violations]
    face = face_of(reason)
    lost = not reason and _CLASS_BY_STATUS.get(status) is ConnectionLostError
    return _class_of(reason, status)(
        message,
        code=reason or status,
        status=status,
        retryable=face.retryable if face is not None else lost,
        request_id=request_id,
        retry_after_s=retry_after_s,
        details=details,
        violations=tuple(violations),
    )


def _class_of(code: str, status: str) -> type[ThinkaloudError]:
    face = face_of(code)
    if code.startswith("UPSTREAM_"):
        return UpstreamError
    if code in _CLASS_BY_CODE:
        return _CLASS_BY_CODE[code]
    if face is None:
        # Without a reason, or with one that a newer server knows.
        known = _CLASS_BY_STATUS.get(status, ThinkaloudError)
        return UnavailableError if code and known is ConnectionLostError else known
    if face.http in _CLASS_BY_HTTP:
        return _CLASS_BY_HTTP[face.http]
    if face.grpc == code_pb2.UNAVAILABLE:
        return UnavailableError
    return InvalidRequestError if 400 <= face.http < 500 else ThinkaloudError


def _details(packed: str | bytes) -> list[Any]:
    """The packed details of a status that this client can read; nothing where a proxy damaged them."""
    readable = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
    )
    found: list[Any] = []
    try:
        status = status_pb2.Status.FromString(packed.encode() if isinstance(packed, str) else packed)
        for each in status.details:
            for kind in readable:
                if each.Is(kind.DESCRIPTOR):
                    message = kind()
                    each.Unpack(message)
                    found.append(message)
    except DecodeError:
        return found
    return found


def _plain(value: str) -> Any:
    """A value of ErrorInfo's metadata, which holds strings alone: lists and mappings travel in it as JSON text."""
    if value[:1] in ("[", "{"):
        with suppress(json.JSONDecodeError):
            return json.loads(value)
    return value


def _text(value: str | bytes) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
