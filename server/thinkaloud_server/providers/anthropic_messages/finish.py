"""Why the model stopped, in the format's words and in those that gateways let through."""

from __future__ import annotations

from thinkaloud_server.core.delta import Finish, FinishReason

# `pause_turn` is the provider's own tools at work, which we never ask for: an end like another.
_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("end_turn", "stop_sequence", "pause_turn", "stop"), "stop"),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded", "length"), "length"),
    **dict.fromkeys(("tool_use", "tool_calls"), "tool_calls"),
    **dict.fromkeys(("refusal", "content_filter", "content_filtered", "sensitive", "safety"), "content_filter"),
}


def finish_of(word: str) -> Finish:
    """The reason behind a word; a word that nobody knows is a plain stop."""
    return Finish(_REASONS.get(word.lower(), "stop"), word)
