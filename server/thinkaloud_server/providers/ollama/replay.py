"""The thoughts of an answer, as Ollama wants them back while a tool loop lasts.

Templates of thinking models (gpt-oss, Qwen 3) render `message.thinking` of what came after the last user's message,
and leave older thoughts out themselves; so all of them are given back. The payload of the state is a JSON object:
fields of the assistant's message.
"""

from __future__ import annotations

import msgspec

from thinkaloud_server.core.message import ReasoningState


def state_of(thinking: str) -> str:
    """The state as JSON text; "" when nothing was thought."""
    return msgspec.json.encode({"thinking": thinking}).decode() if thinking else ""


def replayed_fields(state: ReasoningState | None, provider: str) -> dict[str, str]:
    """The fields to send back: this provider's own thoughts, or nothing. Plain text is bound to no model."""
    if state is None or state.provider != provider:
        return {}
    try:
        stored = msgspec.json.decode(state.payload, type=dict[str, msgspec.Raw])
        return {"thinking": msgspec.json.decode(stored["thinking"], type=str)}
    except (msgspec.DecodeError, KeyError):
        return {}
