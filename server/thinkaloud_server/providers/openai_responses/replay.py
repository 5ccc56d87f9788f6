"""The reasoning items of an answer, kept with what they stood before, and put back there in the next request.

We never let a provider store an answer (`store: false`), so its reasoning must come back with the history, verbatim, in
order, and followed by the very item that followed it, or OpenAI answers 400 ("… was provided without its required
following item").

The payload of the state is `{"output": [...]}`: the items of the answer in order, reasoning verbatim, messages and
calls without their text and arguments, which are in the history anyway; `chars` says how much text is a message's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from thinkaloud_server.core.message import Message, ToolCall
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_chat.chunk import text_of
from thinkaloud_server.providers.openai_responses.event import read_item
from thinkaloud_server.providers.openai_responses.told import Place

# The word for it in a vendor's row (Vendor.replay).
REASONING = "reasoning"


class Output:
    """Gathers the items of an answer as they are done."""

    def __init__(self) -> None:
        self._items: dict[tuple[Place, str], tuple[msgspec.Raw, dict[str, Any]]] = {}

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, place: Place, raw: msgspec.Raw, item: dict[str, Any]) -> None:
        """An item that is done; its encrypted content is whole only now. What is no object is none."""
        if not item:
            return
        # A copy: the raw item is a view of the bytes that it came in.
        self._items[place, text_of(item.get("id"))] = (msgspec.Raw(bytes(raw)), item)

    def payload(self) -> str:
        """The state as JSON text; "" when there is no reasoning to be put back."""
        entries: list[tuple[bool, Any]] = []
        # What follows reasoning that cannot be put back must not name itself by an id that would ask for it.
        whole = True
        for raw, item in self._items.values():
            kind = item.get("type")
            if kind == "reasoning":
                whole = is_replayable(item)
                if whole:
                    entries.append((True, raw))
            elif kind in ("message", "function_call"):
                entries.append((False, _head(item, keeps_id=whole)))
            elif whole:
                entries.append((False, raw))
        while entries and entries[-1][0]:
            entries.pop()
        if not any(reasoning for reasoning, _ in entries):
            return ""
        return msgspec.json.encode({"output": [entry for _, entry in entries]}).decode()


def is_replayable(item: dict[str, Any]) -> bool:
    """Whether a reasoning item holds the reasoning itself. One that holds only an id or a summary is no use to anyone
    who did not store it: "Items are not persisted when `store` is set to false"."""
    return bool(item.get("encrypted_content")) or bool(text_of(item.get("content")))


def _head(item: dict[str, Any], *, keeps_id: bool) -> dict[str, Any]:
    head = {name: value for name, value in item.items() if name not in ("content", "arguments", "name")}
    if not keeps_id:
        head.pop("id", None)
    if item.get("type") == "message":
        head["chars"] = len(message_text(item))
    return head


def message_text(item: dict[str, Any]) -> str:
    """The text of a message's item, a refusal included."""
    content = item.get("content")
    return "".join(_part_text(part) for part in content) if isinstance(content, list) else text_of(content)


def _part_text(part: object) -> str:
    return text_of(part.get("refusal") or part.get("text")) if isinstance(part, dict) else text_of(part)


def replayed_items(endpoint: Endpoint, model: str, message: Message) -> list[Any] | None:
    """The items of this answer of the model, its reasoning among them; None where the plain history must do.

    That is so for another provider's state, for encrypted reasoning of another model, and when the message is not what
    the state belongs to, because its text or its calls were changed.
    """
    state = message.state
    if state is None or state.provider != endpoint.provider or REASONING not in endpoint.vendor.replay:
        return None
    try:
        raws = msgspec.json.decode(state.payload, type=dict[str, list[msgspec.Raw]])["output"]
    except (msgspec.DecodeError, KeyError):
        return None
    entries = [read_item(raw) for raw in raws]
    same_model = state.model in (model, f"{endpoint.provider}/{model}")
    if not same_model and any(entry.get("encrypted_content") for entry in entries):
        return None
    texts = _texts(entries, message.text)
    calls = {part.id: part for part in message.parts if isinstance(part, ToolCall)}
    if texts is None or {entry.get("call_id") for entry in entries if _is_call(entry)} != set(calls):
        return None
    return list(_items(raws, entries, texts, calls))


def _items(
    raws: Sequence[msgspec.Raw], entries: Sequence[dict[str, Any]], texts: Iterator[str], calls: dict[str, ToolCall]
) -> Iterator[Any]:
    for raw, entry in zip(raws, entries, strict=True):
        if _is_call(entry):
            call = calls[entry["call_id"]]
            yield {**entry, "name": call.name, "arguments": call.arguments or "{}"}
        elif entry.get("type") == "message":
            head = {name: value for name, value in entry.items() if name != "chars"}
            yield {**head, "content": [{"type": "output_text", "text": next(texts), "annotations": []}]}
        else:
            yield raw


def _texts(entries: Sequence[dict[str, Any]], text: str) -> Iterator[str] | None:
    """The text of each message of the answer; None where the text is not theirs.

    Think tags and the white space around them may be gone from it: one message still has all that is left.
    """
    sizes = [entry.get("chars", 0) for entry in entries if entry.get("type") == "message"]
    if len(sizes) == 1 and text:
        return iter([text])
    if sum(sizes) != len(text):
        return None
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return iter([text[end - size : end] for size, end in zip(sizes, ends, strict=True)])


def _is_call(entry: dict[str, Any]) -> bool:
    return entry.get("type") == "function_call"
