"""openai-responses: named, numbered events; items that are added, filled and done; the whole response at the end."""

from __future__ import annotations

from collections.abc import Iterable

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import Encoding, Frames, Json, Name, openai_error, sse, was_cut
from thinkaloud_server.providers.encoders.step import Block, Closed, Done, Event, Failed, Opened, Said


def _stream(events: Iterable[Event], name: Name) -> Frames:
    number = 0

    def told(kind: str, **fields: object) -> bytes:
        nonlocal number
        number += 1
        return sse({"type": kind, "sequence_number": number - 1, **fields}, kind)

    yield told("response.created", response=_response(name))
    yield told("response.in_progress", response=_response(name))
    for event in events:
        match event:
            case Pause():
                yield event
            case Opened(block):
                yield told("response.output_item.added", output_index=block.index, item=_item(block, name, done=False))
                if block.kind != "call":
                    kind = _PARTS[block.kind]
                    yield told(f"response.{kind}.added", **_at(block, name), part=_part(block, ""))
            case Said(block, text):
                yield told(f"response.{_TEXTS[block.kind]}.delta", **_at(block, name), delta=text)
            case Closed(block):
                whole = {"arguments" if block.kind == "call" else "text": block.text}
                yield told(f"response.{_TEXTS[block.kind]}.done", **_at(block, name), **whole)
                if block.kind != "call":
                    kind = _PARTS[block.kind]
                    yield told(f"response.{kind}.done", **_at(block, name), part=_part(block, block.text))
                yield told("response.output_item.done", output_index=block.index, item=_item(block, name))
            case Failed(failure):
                if not was_cut(failure):
                    yield told("error", code="server_error", message=failure.message, param=None)
                return
            case Done():
                response = _whole(event, name)
                yield told(f"response.{response['status']}", response=response)
            case _:  # a signature goes with its item
                pass


_TEXTS = {"reasoning": "reasoning_summary_text", "text": "output_text", "call": "function_call_arguments"}
_PARTS = {"reasoning": "reasoning_summary_part", "text": "content_part"}
_PREFIXES = {"reasoning": "rs", "text": "msg", "call": "fc"}


def _item_id(block: Block, name: Name) -> str:
    return f"{_PREFIXES[block.kind]}_{name.id}_{block.index}"


def _at(block: Block, name: Name) -> Json:
    place: Json = {"item_id": _item_id(block, name), "output_index": block.index}
    if block.kind != "call":
        place["summary_index" if block.kind == "reasoning" else "content_index"] = 0
    return place


def _part(block: Block, text: str) -> Json:
    if block.kind == "reasoning":
        return {"type": "summary_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": []}


def _item(block: Block, name: Name, *, done: bool = True) -> Json:
    status = "completed" if done else "in_progress"
    parts = [_part(block, block.text)] if done else []
    item: Json = {"id": _item_id(block, name)}
    match block.kind:
        case "reasoning":
            item |= {"type": "reasoning", "summary": [part for part in parts if part["text"]]}
            if done and block.signature:
                item["encrypted_content"] = block.signature
        case "text":
            item |= {"type": "message", "status": status, "role": "assistant", "content": parts}
        case "call":
            arguments = (block.text or "{}") if done else ""
            item |= {"type": "function_call", "status": status, "call_id": block.call_id, "name": block.name}
            item["arguments"] = arguments
    return item


def _response(name: Name, status: str = "in_progress") -> Json:
    return {
        "id": f"resp_{name.id}",
        "object": "response",
        "created_at": name.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": name.model,
        "output": [],
        "usage": None,
    }


def _whole(done: Done, name: Name) -> Json:
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(done.finish.reason)
    response = _response(name, "incomplete" if cut else "completed")
    response["incomplete_details"] = {"reason": cut} if cut else None
    response["output"] = [_item(block, name) for block in done.blocks]
    response["usage"] = _usage(done.usage)
    return response


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


OPENAI_RESPONSES = Encoding("openai-responses", "text/event-stream; charset=utf-8", _stream, _whole, openai_error)
