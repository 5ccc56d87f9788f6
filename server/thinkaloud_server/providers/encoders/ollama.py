"""ollama: one JSON object a line, thinking beside content, calls whole, the counts in the line that is done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import (
    Encoding,
    Frames,
    Json,
    Name,
    arguments_of,
    dumps,
    was_cut,
    word,
)
from thinkaloud_server.providers.encoders.step import Block, Closed, Done, Event, Failed, Said


def _stream(events: Iterable[Event], name: Name) -> Frames:
    for event in events:
        match event:
            case Pause():
                yield event
            case Said(block, text) if block.kind == "reasoning":
                yield _line(_head(name, content="", thinking=text))
            case Said(block, text) if block.kind == "text":
                yield _line(_head(name, content=text))
            case Closed(block) if block.kind == "call":
                yield _line(_head(name, content="", tool_calls=[_call(block)]))
            case Failed(failure):
                if not was_cut(failure):
                    yield _line(_refusal(failure))
                return
            case Done():
                yield _line({**_head(name, content=""), **_end(event)})
            case _:
                pass


def _line(value: Json) -> bytes:
    return dumps(value) + b"\n"


def _head(name: Name, **message: object) -> Json:
    at = datetime.fromtimestamp(name.created, UTC).isoformat().replace("+00:00", "Z")
    return {"model": name.model, "created_at": at, "message": {"role": "assistant", **message}, "done": False}


def _call(block: Block) -> Json:
    function = {"index": block.number, "name": block.name, "arguments": arguments_of(block.text)}
    return {"id": block.call_id, "function": function}


def _end(done: Done) -> Json:
    return {
        "done": True,
        "done_reason": word(done.finish.reason, "stop", "length", "stop", "stop"),
        "total_duration": 1_000_000,
        "load_duration": 0,
        "prompt_eval_count": done.usage.input_tokens,
        "prompt_eval_duration": 0,
        "eval_count": done.usage.output_tokens,
        "eval_duration": 1_000_000,
    }


def _whole(done: Done, name: Name) -> Json:
    message: Json = {"content": done.text("text")}
    if reasoning := done.text("reasoning"):
        message["thinking"] = reasoning
    if calls := done.calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return {**_head(name, **message), **_end(done)}


def _refusal(failure: Failure) -> Json:
    return {"error": failure.message}


OLLAMA = Encoding("ollama", "application/x-ndjson", _stream, _whole, _refusal)
