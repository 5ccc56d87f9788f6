"""Why the model stopped: `finishReason`, and `blockReason` of a prompt.

Words of both APIs: https://ai.google.dev/api/generate-content#FinishReason and Vertex's Candidate.FinishReason,
August 2026.
"""

from __future__ import annotations

from thinkaloud_server.core.delta import Failure, Finish, FinishReason
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.error_body import ErrorBody

_UNSPECIFIED = frozenset({"FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"})

_REASONS: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
        ),
        "content_filter",
    ),
}

_FAILURES: dict[str, tuple[ErrorReason, str]] = {
    "MALFORMED_FUNCTION_CALL": (ErrorReason.UPSTREAM_ERROR, "the model made a malformed tool call"),
    "UNEXPECTED_TOOL_CALL": (ErrorReason.UPSTREAM_ERROR, "the model called a tool although it was given none"),
    "TOO_MANY_TOOL_CALLS": (ErrorReason.UPSTREAM_ERROR, "the model made too many tool calls in a row"),
    "MALFORMED_RESPONSE": (ErrorReason.UPSTREAM_ERROR, "the model made a malformed answer"),
    "MISSING_THOUGHT_SIGNATURE": (
        ErrorReason.REASONING_STATE_INVALID,
        "the history lacks a thought signature that the model wants back",
    ),
}


def finish_of(word: object) -> Finish | Failure | None:
    """The end that this word means; None for none. A word that nobody knows is a plain stop."""
    if not isinstance(word, str) or not word or word in _UNSPECIFIED:
        return None
    if word in _FAILURES:
        return Failure(*_FAILURES[word])
    return Finish(_REASONS.get(word, "stop"), word)


def block_of(feedback: object) -> str:
    """Why the prompt was blocked, in the vendor's word; "" when it was not."""
    word = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return word if isinstance(word, str) and word not in _UNSPECIFIED else ""


def blocked(word: str) -> ErrorBody:
    """The error that a blocked prompt is: a content filter's, as other vendors answer it with 400."""
    return ErrorBody(
        message=f"the prompt was blocked by the provider's content filter ({word})", codes=frozenset({"content_filter"})
    )
