"""An answer of Converse that was not streamed, told as the events that a stream of it would have had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from thinkaloud_server.providers.fact import at
from thinkaloud_server.providers.lenient import read_strictly

Told = tuple[str, bytes]


def read_answer(data: bytes) -> Sequence[Told] | None:
    """Names and payloads of the events; None for JSON that is no answer. Raises ValueError for what is no JSON."""
    value = read_strictly(data)
    content = at(value, "output.message.content")
    if not isinstance(content, list):
        return None
    events = [_event("messageStart", {})]
    for index, block in enumerate(content):
        events += [_event(name, {"contentBlockIndex": index, **fields}) for name, fields in _told(block)]
    events.append(_event("messageStop", {"stopReason": at(value, "stopReason")}))
    events.append(_event("metadata", {"usage": at(value, "usage")}))
    return events


def _event(name: str, fields: dict[str, Any]) -> Told:
    return name, msgspec.json.encode(fields)


def _told(block: object) -> Iterator[tuple[str, dict[str, Any]]]:
    cited = at(block, "citationsContent.content")
    for piece in (block, *(cited if isinstance(cited, list) else ())):
        if isinstance(text := at(piece, "text"), str):
            yield "contentBlockDelta", {"delta": {"text": text}}
    if isinstance(tool := at(block, "toolUse"), dict) and tool.get("type") != "server_tool_use":
        start = {"toolUseId": tool.get("toolUseId"), "name": tool.get("name")}
        yield "contentBlockStart", {"start": {"toolUse": start}}
        arguments = msgspec.json.encode(tool.get("input", {})).decode()
        yield "contentBlockDelta", {"delta": {"toolUse": {"input": arguments}}}
    thought = at(block, "reasoningContent.reasoningText")
    for name in ("text", "signature"):
        if isinstance(text := at(thought, name), str):
            yield "contentBlockDelta", {"delta": {"reasoningContent": {name: text}}}
    if isinstance(data := at(block, "reasoningContent.redactedContent"), str):
        yield "contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": data}}}
