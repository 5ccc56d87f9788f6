"""The one exception for what we mean to tell a caller, and every reason for it.

The names are those of `ErrorReason` in errors.proto without their prefix; what a reason looks like on a face
(gRPC code, HTTP status, retryable) is an option there and known to the faces alone. A test holds the two
lists together.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ErrorReason(StrEnum):
    """Why thinkaloud says no."""

    AUTH_REQUIRED = "AUTH_REQUIRED"
    AUTH_INVALID = "AUTH_INVALID"
    AUTH_EXPIRED = "AUTH_EXPIRED"
    AUTH_NOT_YET_VALID = "AUTH_NOT_YET_VALID"
    AUTH_REVOKED = "AUTH_REVOKED"
    WS_TOKEN_INVALID = "WS_TOKEN_INVALID"
    WS_TOKEN_USED = "WS_TOKEN_USED"
    SCOPE_DENIED = "SCOPE_DENIED"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED"
    ACTION_DENIED = "ACTION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    INVALID_ID = "INVALID_ID"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    IDEMPOTENCY_KEY_INVALID = "IDEMPOTENCY_KEY_INVALID"
    SEQUENCE_INVALID = "SEQUENCE_INVALID"
    PATH_NOT_ALLOWED = "PATH_NOT_ALLOWED"
    URL_NOT_ALLOWED = "URL_NOT_ALLOWED"
    URL_SCHEME_NOT_ALLOWED = "URL_SCHEME_NOT_ALLOWED"
    URL_FETCH_FAILED = "URL_FETCH_FAILED"
    INVALID_IMAGE = "INVALID_IMAGE"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    HOST_NOT_ALLOWED = "HOST_NOT_ALLOWED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    IDLE_TIMEOUT = "IDLE_TIMEOUT"
    SLOW_CONSUMER = "SLOW_CONSUMER"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    CONVERSATION_BUSY = "CONVERSATION_BUSY"
    SEQUENCE_AHEAD = "SEQUENCE_AHEAD"
    EVENTS_EXPIRED = "EVENTS_EXPIRED"
    RATE_LIMITED = "RATE_LIMITED"
    AUTH_RATE_LIMITED = "AUTH_RATE_LIMITED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    TOO_MANY_RUNS = "TOO_MANY_RUNS"
    TOO_MANY_CONNECTIONS = "TOO_MANY_CONNECTIONS"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    OVERLOADED = "OVERLOADED"
    DRAINING = "DRAINING"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_PROTOCOL_ERROR = "UPSTREAM_PROTOCOL_ERROR"
    UPSTREAM_TRUNCATED = "UPSTREAM_TRUNCATED"
    EMPTY_RESPONSE = "EMPTY_RESPONSE"
    REASONING_STATE_INVALID = "REASONING_STATE_INVALID"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_RATE_LIMITED = "UPSTREAM_RATE_LIMITED"
    UPSTREAM_AUTH = "UPSTREAM_AUTH"
    RUN_INTERRUPTED = "RUN_INTERRUPTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"


class ChatError(Exception):
    """What was wrong and what would be right, for the caller to read.

    `details` is JSON-like and reaches the caller: never put a secret or user text in it. `violations` names
    fields: pairs of a field path in the proto's names and what is wrong with it.
    """

    def __init__(
        self,
        reason: ErrorReason,
        message: str,
        *,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
        violations: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        self.details: Mapping[str, Any] = details or {}
        self.violations = violations


def invalid(field: str, problem: str) -> ChatError:
    """The error for one field of a request that holds what it may not."""
    return ChatError(ErrorReason.VALIDATION_FAILED, f"{field}: {problem}", violations=((field, problem),))
