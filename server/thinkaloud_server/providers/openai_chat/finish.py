"""Why the model stopped: the vendors' words for the four reasons that we know, and the words that mean a failure."""

from __future__ import annotations

from thinkaloud_server.core.delta import Failure, Finish, FinishReason
from thinkaloud_server.core.errors import ErrorReason

_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence", "end", "complete"), "stop"),
    **dict.fromkeys(
        (
            *("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length"),
            *("token_limit", "model_context_window_exceeded", "context_length_exceeded"),
        ),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(
        (
            *("content_filter", "content_filtered", "safety", "sensitive", "refusal", "recitation"),
            *("blocklist", "prohibited_content", "spii", "image_safety", "guardrail_intervened"),
        ),
        "content_filter",
    ),
}

_FAILURES: dict[str, tuple[ErrorReason, str]] = {
    "error": (ErrorReason.UPSTREAM_ERROR, "the provider reported an error and said no more"),
    # DeepSeek broke the answer off for want of machines; z.ai for its own network.
    "insufficient_system_resource": (ErrorReason.UPSTREAM_ERROR, "the provider ran out of resources"),
    "network_error": (ErrorReason.UPSTREAM_ERROR, "the provider reported a network error of its own"),
    "malformed_function_call": (ErrorReason.UPSTREAM_ERROR, "the model made a malformed tool call"),
    # vLLM: the request was aborted on the server.
    "abort": (ErrorReason.UPSTREAM_TRUNCATED, "the provider broke the answer off"),
    "aborted": (ErrorReason.UPSTREAM_TRUNCATED, "the provider broke the answer off"),
    "cancelled": (ErrorReason.UPSTREAM_TRUNCATED, "the provider broke the answer off"),
}


def finish_of(word: str, native: str = "") -> Finish:
    """The reason behind a vendor's word; a word that nobody knows is a plain stop."""
    return Finish(_REASONS.get(word.lower(), "stop"), native or word)


def failed_finish(word: str) -> Failure | None:
    """The failure that a finish reason can be."""
    known = _FAILURES.get(word.lower())
    return None if known is None else Failure(*known)
