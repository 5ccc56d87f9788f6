"""Why the model stopped: the words of `finish_reason` (https://docs.cohere.com/reference/chat-stream, August 2026)."""

from __future__ import annotations

from thinkaloud_server.core.delta import Failure, Finish, FinishReason
from thinkaloud_server.core.errors import ErrorReason

_REASONS: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    # Of the first version of the API, which others still speak.
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "TOOL_CALL": "tool_calls",
}

_FAILURES: dict[str, tuple[ErrorReason, str]] = {
    "ERROR": (ErrorReason.UPSTREAM_ERROR, "the provider reported an error and said no more"),
    "TIMEOUT": (ErrorReason.UPSTREAM_TIMEOUT, "the provider ran out of time"),
    "USER_CANCEL": (ErrorReason.UPSTREAM_TRUNCATED, "the provider broke the answer off"),
}


def finish_of(word: object) -> Finish | Failure | None:
    """The end that this word means; None for none. A word that nobody knows is a plain stop."""
    if not isinstance(word, str) or not word:
        return None
    if word in _FAILURES:
        return Failure(*_FAILURES[word])
    return Finish(_REASONS.get(word, "stop"), word)
