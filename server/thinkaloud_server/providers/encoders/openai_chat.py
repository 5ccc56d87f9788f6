"""openai-chat: `data:` events of one delta each, the usage in a chunk without choices, `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import (
    Encoding,
    Frames,
    Json,
    Name,
    dumps,
    openai_error,
    sse,
    was_cut,
)
from thinkaloud_server.providers.encoders.step import Done, Event, Failed, Opened, Said, Signed


def _stream(events: Iterable[Event], name: Name) -> Frames:
    yield _chunk(name, {"role": "assistant", "content": ""})
    for event in events:
        match event:
            case Pause():
                yield event
            case Opened(block) if block.kind == "call":
                function = {"name": block.name, "arguments": ""}
                call = {"index": block.number, "id": block.call_id, "type": "function", "function": function}
                yield _chunk(name, {"tool_calls": [call]})
            case Said(block, text) if block.kind == "call":
                yield _chunk(name, {"tool_calls": [{"index": block.number, "function": {"arguments": text}}]})
            case Said(block, text):
                yield _chunk(name, {"reasoning_content" if block.kind == "reasoning" else "content": text})
            case Signed(block, text):
                # OpenRouter's form: the signature is a detail of its own, without text.
                detail = {"type": "reasoning.text", "format": "unknown", "index": 0, "signature": text}
                yield _chunk(name, {"reasoning_details": [detail]})
            case Failed(failure):
                if not was_cut(failure):
                    yield sse(openai_error(failure))
                return
            case Done(finish, usage, _):
                yield _chunk(name, {}, finish.reason)
                yield sse({**_head(name), "choices": [], "usage": _usage(usage)})
                yield b"data: [DONE]\n\n"


def _whole(done: Done, name: Name) -> Json:
    message: Json = {"role": "assistant", "content": done.text("text") or None}
    if reasoning := done.text("reasoning"):
        message["reasoning_content"] = reasoning
    if calls := done.calls:
        message["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.text or "{}"}}
            for call in calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": done.finish.reason}
    return {**_head(name, "chat.completion"), "choices": [choice], "usage": _usage(done.usage)}


def _head(name: Name, kind: str = "chat.completion.chunk") -> Json:
    return {"id": f"chatcmpl-{name.id}", "object": kind, "created": name.created, "model": name.model}


def _chunk(name: Name, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + dumps({**_head(name), "choices": [choice]}) + b"\n\n"


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


OPENAI_CHAT = Encoding("openai-chat", "text/event-stream; charset=utf-8", _stream, _whole, openai_error)
