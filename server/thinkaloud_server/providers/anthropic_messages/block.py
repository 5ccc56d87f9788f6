"""One content block of an answer: what it is, and what must be remembered of it until it can be given back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from thinkaloud_server.providers.anthropic_messages.event import text_of

Kind = Literal["text", "thinking", "redacted_thinking", "tool_use", "other"]
_KINDS: dict[str, Kind] = {
    "text": "text",
    "thinking": "thinking",
    "redacted_thinking": "redacted_thinking",
    "tool_use": "tool_use",
}


class Block:
    """`part` is its number among the blocks, `call` that among the tool calls. `input` is what a call began with,
    which counts when no fragments follow."""

    __slots__ = ("call", "characters", "data", "id", "input", "kind", "part", "pieces", "signature")

    def __init__(self, kind: Kind, part: int, call: int = -1) -> None:
        self.kind = kind
        self.part = part
        self.call = call
        self.id = ""
        self.input: object = None
        self.data = ""
        self.signature: str | None = None
        self.characters = 0
        self.pieces: list[str] = []

    def to_replay(self) -> dict[str, Any] | None:
        """A thought verbatim; of text its length and of a call its id, which mark their places."""
        if self.kind == "thinking":
            block = {"type": "thinking", "thinking": "".join(self.pieces)}
            if self.signature is not None:
                block["signature"] = self.signature
            return block
        if self.kind == "redacted_thinking":
            return {"type": "redacted_thinking", "data": self.data}
        if self.kind == "text":
            return {"type": "text", "characters": self.characters}
        return {"type": "tool_use", "id": self.id} if self.kind == "tool_use" else None

    def late_input(self) -> str:
        """The arguments of a call that came whole with its beginning, as JSON text; "" when there are none."""
        value, self.input = self.input, None
        if isinstance(value, str):
            return value
        return msgspec.json.encode(value).decode() if value else ""


def kind_of(word: object) -> Kind:
    """What a block of this type is to us; tools that the provider runs itself, and what is new, are "other"."""
    return _KINDS.get(text_of(word), "other")
