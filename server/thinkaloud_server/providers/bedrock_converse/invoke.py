"""Events of InvokeModelWithResponseStream: the model's own, each in a `chunk`. Read so far as chats need it.

Anthropic's (`type` says what) are read here, those of other models in invoke_models.py; what nobody knows is passed
over.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import msgspec

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.bedrock_converse.invoke_models import Said, counts, read_other
from thinkaloud_server.providers.fact import at, count
from thinkaloud_server.providers.lenient import read_leniently


def read_chunk(data: str) -> Iterator[Said]:
    """What the event in this base64 says. Raises ValueError for what is no JSON object in base64."""
    text = b64decode(data)
    try:
        event = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = read_leniently(text)
    if not isinstance(event, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no event
    kind = event.get("type")
    yield from _anthropic(event) if isinstance(kind, str) and kind != "completion" else read_other(event)


def _anthropic(event: dict[str, Any]) -> Iterator[Said]:
    index = event["index"] if type(event.get("index")) is int else 0
    match event.get("type"):
        case "message_start":
            yield Said("begin", _text(at(event, "message.model")), more=_text(at(event, "message.id")))
            yield Said("usage", more=at(event, "message.usage"))
        case "content_block_start":
            yield from _begun(index, event.get("content_block"))
        case "content_block_delta":
            delta = event.get("delta")
            for name, what in _DELTAS:
                if text := _text(at(delta, name)):
                    yield Said(what, text, index)
        case "message_delta":
            yield Said("usage", more=event.get("usage"))
            if word := _text(at(event, "delta.stop_reason")):
                yield Said("stop", word)
        case "message_stop":
            metrics = event.get("amazon-bedrock-invocationMetrics")
            yield Said("usage", more=counts(metrics, "inputTokenCount", "outputTokenCount"))
            yield Said("end")
        case "error":
            yield Said("error", more=event)


_DELTAS = (("text", "text"), ("thinking", "reasoning"), ("signature", "signature"), ("partial_json", "input"))


def _begun(index: int, block: object) -> Iterator[Said]:
    match at(block, "type"):
        case "tool_use":
            yield Said("call", _text(at(block, "id")), index, _text(at(block, "name")))
        case "redacted_thinking":
            yield Said("redacted", _text(at(block, "data")), index)
        case "thinking":
            yield Said("reasoning", _text(at(block, "thinking")), index)
        case _:
            yield Said("text", _text(at(block, "text")), index)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class InvokeCounts:
    """Token counts that come in parts: those of the prompt first, those of the answer last, some of them twice."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def add(self, value: object) -> Usage | None:
        """What is known with these counts; None as long as it is nothing."""
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            if found := count(value, name):
                self._seen[name] = found
        seen = self._seen.get
        read = seen("cache_read_input_tokens", 0)
        inputs = seen("input_tokens", 0) + read + seen("cache_creation_input_tokens", 0)
        return Usage(inputs, seen("output_tokens", 0), cached_tokens=read) if self._seen else None
