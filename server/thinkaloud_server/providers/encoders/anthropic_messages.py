"""anthropic-messages: a message of content blocks that start, are filled and stop, with pings between them."""

from __future__ import annotations

from collections.abc import Iterable

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import Encoding, Frames, Json, Name, arguments_of, sse, was_cut, word
from thinkaloud_server.providers.encoders.step import Block, Closed, Done, Event, Failed, Opened, Said, Signed


def _stream(events: Iterable[Event], name: Name) -> Frames:
    yield _told("message_start", message=_message(name, Usage()))
    yield _told("ping")
    for event in events:
        match event:
            case Pause():
                yield event
            case Opened(block):
                yield _told("content_block_start", index=block.index, content_block=_begun(block))
            case Said(block, text):
                yield _told("content_block_delta", index=block.index, delta=_delta(block, text))
            case Signed(block, text):
                signature = {"type": "signature_delta", "signature": text}
                yield _told("content_block_delta", index=block.index, delta=signature)
            case Closed(block):
                yield _told("content_block_stop", index=block.index)
            case Failed(failure):
                if not was_cut(failure):
                    yield _told("error", error=_error(failure))
                return
            case Done(_, usage, _):
                delta: Json = {"stop_reason": _stop(event), "stop_sequence": None}
                yield _told("message_delta", delta=delta, usage=_usage(usage))
                yield _told("message_stop")


def _told(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _begun(block: Block) -> Json:
    match block.kind:
        case "reasoning":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "text":
            return {"type": "text", "text": ""}
        case "call":
            return {"type": "tool_use", "id": block.call_id, "name": block.name, "input": {}}


def _delta(block: Block, text: str) -> Json:
    match block.kind:
        case "reasoning":
            return {"type": "thinking_delta", "thinking": text}
        case "text":
            return {"type": "text_delta", "text": text}
        case "call":
            return {"type": "input_json_delta", "partial_json": text}


def _message(name: Name, usage: Usage) -> Json:
    return {
        "id": f"msg_{name.id}",
        "type": "message",
        "role": "assistant",
        "model": name.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(usage),
    }


def _stop(done: Done) -> str:
    return word(done.finish.reason, "end_turn", "max_tokens", "tool_use", "refusal")


def _whole(done: Done, name: Name) -> Json:
    return {
        **_message(name, done.usage),
        "content": [_content(each) for each in done.blocks],
        "stop_reason": _stop(done),
    }


def _content(block: Block) -> Json:
    match block.kind:
        case "reasoning":
            return {"type": "thinking", "thinking": block.text, "signature": block.signature}
        case "text":
            return {"type": "text", "text": block.text}
        case "call":
            return {**_begun(block), "input": arguments_of(block.text)}


def _usage(usage: Usage) -> Json:
    """Here input is what was not cached."""
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def _error(failure: Failure) -> Json:
    return {"type": _TYPES.get(failure.status, "api_error"), "message": failure.message}


def _refusal(failure: Failure) -> Json:
    return {"type": "error", "error": _error(failure)}


ANTHROPIC_MESSAGES = Encoding("anthropic-messages", "text/event-stream; charset=utf-8", _stream, _whole, _refusal)
