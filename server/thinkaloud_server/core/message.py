"""What a conversation is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture as the provider is to get it: by URL, or as bytes (base64 text) with a content type."""

    url: str = ""
    data_base64: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asked for; `arguments` is JSON text, verbatim."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call with this id."""

    id: str
    result: str
    is_error: bool = False


Part = TextPart | ImagePart | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class ReasoningState:
    """The provider's opaque reasoning state: replayed verbatim to the same provider, never shown or logged.

    `payload` is JSON text whose form only the dialect knows.
    """

    provider: str
    model: str
    payload: str

    def __repr__(self) -> str:
        return f"ReasoningState({self.provider}/{self.model}, {len(self.payload)} characters)"


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a history. `reasoning` stands beside the parts and is never part of the text."""

    role: Role
    parts: tuple[Part, ...]
    reasoning: str = ""
    state: ReasoningState | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def as_role(name: str) -> Role | None:
    """The role of this name, or None when there is none."""
    return name if name in ROLES else None
