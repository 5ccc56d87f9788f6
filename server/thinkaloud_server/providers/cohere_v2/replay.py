"""What Cohere wants back of a message that calls tools: its plan, and the thoughts that led to the calls.

https://docs.cohere.com/docs/tool-use-overview appends the message to the history as it came. The payload of the state
is a JSON object of fields of the assistant's message, as they are to be sent. Of a message without calls nothing is
wanted: its thoughts are over.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.core.message import ReasoningState


def payload_of(plan: str, thinking: str) -> str:
    """The state as JSON text; "" when there is none."""
    fields: dict[str, Any] = {}
    if thinking:
        fields["content"] = [{"type": "thinking", "thinking": thinking}]
    if plan:
        fields["tool_plan"] = plan
    return msgspec.json.encode(fields).decode() if fields else ""


class Replayed(msgspec.Struct, frozen=True):
    """Fields of the assistant's message."""

    content: tuple[msgspec.Raw, ...] = ()
    tool_plan: str = ""


def replayed(state: ReasoningState | None, provider: str, model: str) -> Replayed:
    """This provider's own fields. Thoughts go back to the model that had them: another may not take any."""
    if state is None or state.provider != provider:
        return Replayed()
    try:
        stored = msgspec.json.decode(state.payload, type=Replayed)
    except msgspec.DecodeError:
        return Replayed()
    same_model = state.model in (model, f"{provider}/{model}")
    return stored if same_model else Replayed(tool_plan=stored.tool_plan)
