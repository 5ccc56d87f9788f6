"""Why the model stopped: Bedrock's words, those of the models behind InvokeModel, and those that mean a failure."""

from __future__ import annotations

from thinkaloud_server.core.delta import Failure, Finish, FinishReason
from thinkaloud_server.core.errors import ErrorReason

_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("tool_use", "tool_calls"), "tool_calls"),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded", "length"), "length"),
    **dict.fromkeys(("guardrail_intervened", "content_filtered", "refusal", "intervened"), "content_filter"),
    **dict.fromkeys(("content_filter", "error_toxic"), "content_filter"),
}
_FAILURES = {
    "malformed_model_output": "the model's answer was malformed",
    "malformed_tool_use": "the model made a malformed tool call",
}


def finish_of(word: str) -> Finish | Failure:
    """The reason behind a word; a word that nobody knows is a plain stop."""
    failed = _FAILURES.get(word.lower())
    if failed is not None:
        return Failure(ErrorReason.UPSTREAM_ERROR, failed)
    return Finish(_REASONS.get(word.lower(), "stop"), word)
