"""What Gemini wants back of its own answer: its parts, with the signatures of its thoughts at their places.

https://ai.google.dev/gemini-api/docs/thought-signatures: a signature stands on the part that it came with, parts with
one are never joined with others, and it may come on an empty text at the end. So the state is the answer's `parts` as
they came, thoughts without a signature left out and neighbouring unsigned text joined. An answer without a signature
has no state: nothing in it is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from thinkaloud_server.core.message import ReasoningState, ToolCall

# What stands for the signature of a call that another model made (the same page).
FOREIGN_SIGNATURE = "skip_thought_signature_validator"


class ReplayParts:
    """Gathers the parts of one answer. Unsigned text is put into `texts` by whoever reads it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._parts: list[dict[str, Any]] = []
        self._signed = False

    def add_call(self, raw: bytes, signature: str) -> None:
        """A `functionCall`, as JSON text."""
        self._add({"functionCall": msgspec.Raw(bytes(raw))}, signature)

    def add_signed_text(self, text: str, signature: str, *, thought: bool) -> None:
        """A text, or a thought, with its signature."""
        self._add({"text": text, "thought": True} if thought else {"text": text}, signature)

    def payload(self) -> str:
        """The state as JSON text; "" when nothing is signed."""
        if not self._signed:
            return ""
        self._close_text()
        return msgspec.json.encode({"parts": self._parts}).decode()

    def _add(self, part: dict[str, Any], signature: str) -> None:
        self._close_text()
        if signature:
            self._signed = True
            part["thoughtSignature"] = signature
        self._parts.append(part)

    def _close_text(self) -> None:
        if self.texts:
            self._parts.append({"text": "".join(self.texts)})
            self.texts.clear()


class _Call(msgspec.Struct):
    name: str = ""
    id: str = ""


class _Part(msgspec.Struct, rename="camel"):
    function_call: _Call | None = None


class _Payload(msgspec.Struct):
    parts: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Replayed:
    """The parts to send back, and the provider's own ids of the calls in them, by ours."""

    parts: tuple[msgspec.Raw, ...]
    ids: dict[str, str] = field(default_factory=dict)


def replayed_parts(state: ReasoningState | None, provider: str, model: str, calls: list[ToolCall]) -> Replayed | None:
    """This model's own parts of the message with these calls; None where there are none, or they are not its."""
    if state is None or state.provider != provider or state.model not in (model, f"{provider}/{model}"):
        return None
    try:
        parts = msgspec.json.decode(state.payload, type=_Payload).parts
        made = [call for part in parts if (call := msgspec.json.decode(part, type=_Part).function_call)]
    except msgspec.DecodeError:
        return None
    if [call.name for call in made] != [call.name for call in calls]:
        return None
    ids = {ours.id: theirs.id for ours, theirs in zip(calls, made, strict=True) if theirs.id}
    return Replayed(tuple(parts), ids)
