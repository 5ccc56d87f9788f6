"""cohere-v2: named events of content that starts and ends; a tool call is an object where others have a list."""

from __future__ import annotations

from collections.abc import Iterable

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import Encoding, Frames, Json, Name, sse, was_cut, word
from thinkaloud_server.providers.encoders.step import Block, Closed, Done, Event, Failed, Opened, Said


def _stream(events: Iterable[Event], name: Name) -> Frames:
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield _told("message-start", id=name.id, delta={"message": message})
    for event in events:
        match event:
            case Pause():
                yield event
            case Opened(block):
                yield _of(block, "start", _begun(block))
            case Said(block, text):
                yield _of(block, "delta", _delta(block, text))
            case Closed(block):
                yield _of(block, "end")
            case Failed(failure):
                if not was_cut(failure):
                    delta = {"finish_reason": "ERROR", "error": failure.message}
                    yield _told("message-end", delta=delta)
                return
            case Done(_, usage, _):
                yield _told("message-end", delta={"finish_reason": _stop(event), "usage": _usage(usage)})
                yield b"data: [DONE]\n\n"
            case _:  # it signs nothing
                pass


def _told(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _of(block: Block, what: str, message: Json | None = None) -> bytes:
    kind = "tool-call" if block.kind == "call" else "content"
    delta = {"delta": {"message": message}} if message is not None else {}
    return _told(f"{kind}-{what}", index=block.number, **delta)


def _begun(block: Block) -> Json:
    match block.kind:
        case "reasoning":
            return {"content": {"type": "thinking", "thinking": ""}}
        case "text":
            return {"content": {"type": "text", "text": ""}}
        case "call":
            return {"tool_calls": {**_call(block), "function": {"name": block.name, "arguments": ""}}}


def _delta(block: Block, text: str) -> Json:
    match block.kind:
        case "reasoning":
            return {"content": {"thinking": text}}
        case "text":
            return {"content": {"text": text}}
        case "call":
            return {"tool_calls": {"function": {"arguments": text}}}


def _call(block: Block) -> Json:
    function = {"name": block.name, "arguments": block.text or "{}"}
    return {"id": block.call_id, "type": "function", "function": function}


def _stop(done: Done) -> str:
    return word(done.finish.reason, "COMPLETE", "MAX_TOKENS", "TOOL_CALL", "ERROR")


def _whole(done: Done, name: Name) -> Json:
    content = [
        {"type": "thinking", "thinking": block.text}
        if block.kind == "reasoning"
        else {"type": "text", "text": block.text}
        for block in done.blocks
        if block.kind != "call"
    ]
    message: Json = {"role": "assistant", "content": content}
    if calls := done.calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return {"id": name.id, "message": message, "finish_reason": _stop(done), "usage": _usage(done.usage)}


def _usage(usage: Usage) -> Json:
    tokens = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    billed = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {"billed_units": billed, "tokens": tokens, "cached_tokens": usage.cached_tokens}


def _refusal(failure: Failure) -> Json:
    return {"id": "fake", "message": failure.message}


COHERE_V2 = Encoding("cohere-v2", "text/event-stream", _stream, _whole, _refusal)
