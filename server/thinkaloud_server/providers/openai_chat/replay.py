"""What a vendor wants back of its own answer: gathered while it streams, put into the next request verbatim.

The payload of the state is a JSON object: fields of the assistant's message, as they are to be sent. It is
`reasoning_details` for gateways (signed or encrypted thoughts), `reasoning_content` for those that want the thoughts
themselves. `extra_content` is Gemini's on its OpenAI-compatible face: a list of what came with each call of a tool, put
back there, without which it answers 400 ("Function call is missing a thought_signature").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from thinkaloud_server.core.message import Message, ReasoningState

_DETAILS = "reasoning_details"
_CONTENT = "reasoning_content"
_EXTRA = "extra_content"
# What is signed or encrypted is bound to its model.
_BOUND = (_DETAILS, _EXTRA)
# The text of a detail, by its type; the text of neighbouring chunks of one detail is joined.
_TEXT_FIELDS = ("text", "summary")


class ReplayState:
    """Gathers the fields that the vendor's row names."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self._keeps_details = _DETAILS in fields
        self.keeps_content = _CONTENT in fields
        self._keeps_extras = _EXTRA in fields
        self._details: list[tuple[dict[str, Any], dict[str, list[str]]]] = []
        self._content: list[str] = []

    def add_reasoning(self, text: str) -> None:
        """Readable reasoning; to be called when `keeps_content`."""
        self._content.append(text)

    def add_details(self, details: object) -> None:
        """A chunk's `reasoning_details`."""
        if self._keeps_details and isinstance(details, list):
            for detail in details:
                if isinstance(detail, dict):
                    self._add_detail(detail)

    def payload(self, extras: Mapping[int, dict[str, Any]] = MappingProxyType({})) -> str:
        """The state as JSON text; "" when there is none. `extras` came with the calls of these numbers."""
        fields: dict[str, Any] = {}
        if extras and self._keeps_extras:
            fields[_EXTRA] = [extras.get(number) for number in range(max(extras) + 1)]
        if self._details:
            fields[_DETAILS] = [
                {**detail, **{name: "".join(parts) for name, parts in texts.items()}} for detail, texts in self._details
            ]
        if self._content:
            fields[_CONTENT] = "".join(self._content)
        return msgspec.json.encode(fields).decode() if fields else ""

    def _add_detail(self, detail: dict[str, Any]) -> None:
        texts = {name: [text] for name in _TEXT_FIELDS if isinstance(text := detail.get(name), str)}
        if self._details and _goes_on(self._details[-1][0], detail):
            last, last_texts = self._details[-1]
            # A signature comes in a chunk of its own; null in a later chunk takes nothing back.
            last.update({name: value for name, value in detail.items() if value is not None})
            for name, parts in texts.items():
                last_texts.setdefault(name, []).extend(parts)
        else:
            self._details.append((dict(detail), texts))


def _goes_on(last: dict[str, Any], detail: dict[str, Any]) -> bool:
    """True when the chunk is more of the last detail: the same kind and number, not two whole ones."""
    return (
        last.get("type") == detail.get("type")
        and last.get("index") == detail.get("index")
        and "data" not in detail
        and "data" not in last
        and (last.get("id") is None or detail.get("id") is None or last["id"] == detail["id"])
        # What is signed is whole.
        and not last.get("signature")
    )


def replayed_fields(
    message: Message, fields: tuple[str, ...], provider: str, model: str, *, with_tools: bool
) -> dict[str, Any]:
    """The fields to send back with an assistant's message: this provider's own state, or nothing.

    A message without a state is a caller's own. What it says that the model thought goes back only where the vendor
    insists on that: in a history with calls of tools (DeepSeek's "must be passed back to the API").
    """
    if message.state is not None:
        return dict(_stored_fields(message.state, fields, provider, model))
    return {_CONTENT: message.reasoning} if with_tools and message.reasoning and _CONTENT in fields else {}


def _stored_fields(state: ReasoningState, fields: tuple[str, ...], provider: str, model: str) -> dict[str, msgspec.Raw]:
    """Signed and encrypted thoughts are bound to the model too; plain text is not."""
    if state.provider != provider:
        return {}
    try:
        stored = msgspec.json.decode(state.payload, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {}
    same_model = state.model in (model, f"{provider}/{model}")
    return {name: raw for name, raw in stored.items() if name in fields and (same_model or name not in _BOUND)}


def put_back_extras(wire: dict[str, Any], calls: Sequence[dict[str, Any]]) -> None:
    """Take the extras out of the message, and put each to its call: the first to the first, as they came."""
    raw = wire.pop(_EXTRA, None)
    extras = msgspec.json.decode(raw) if raw is not None else None
    if isinstance(extras, list):
        for call, extra in zip(calls, extras, strict=False):
            if isinstance(extra, dict):
                call[_EXTRA] = extra
