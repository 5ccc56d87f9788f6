"""OpenAI's Responses as a `Loop`: encrypted reasoning items, each to be followed by the item that it led to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fakes.chat_wire import error_reply
from fakes.provider import Reply
from fakes.tool_loops import ANSWER, ROUNDS, Loop, sign, thought


def _round(body: Any) -> int:
    items = body["input"]
    asked = max(place for place, item in enumerate(items) if item.get("role") == "user")
    calls = {item["call_id"] for item in items[asked:] if item.get("type") == "function_call"}
    return sum(bool(calls & set(ids)) for ids in ROUNDS)


def _encrypted(number: int) -> str:
    return f"gAAA{number}.{sign(thought(number))}"


def _is_ours(content: str) -> bool:
    number, _, _ = content.removeprefix("gAAA").partition(".")
    return number.isdecimal() and int(number) < len(ROUNDS) and content == _encrypted(int(number))


def _items(number: int) -> Iterator[dict[str, Any]]:
    """The output of a round, whole."""
    summary = [{"type": "summary_text", "text": thought(number)}]
    yield {"type": "reasoning", "id": f"rs_{number}", "summary": summary, "encrypted_content": _encrypted(number)}
    for call_id in ROUNDS[number]:
        yield {
            "type": "function_call",
            "id": f"fc_{call_id}",
            "call_id": call_id,
            "name": "look",
            "arguments": '{"n":17}',
            "status": "completed",
        }
    if not ROUNDS[number]:
        content = [{"type": "output_text", "text": ANSWER, "annotations": []}]
        yield {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content, "status": "completed"}


def _events(number: int) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress"}}
    for place, item in enumerate(_items(number)):
        at = {"output_index": place, "item_id": item["id"]}
        begun = {"summary": [], "arguments": "", "content": []}
        added = {**item, **{name: value for name, value in begun.items() if name in item}}
        yield {"type": "response.output_item.added", "output_index": place, "item": added}
        if item["type"] == "reasoning":
            yield {"type": "response.reasoning_summary_text.delta", **at, "summary_index": 0, "delta": thought(number)}
        elif item["type"] == "function_call":
            yield {"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]}
        else:
            yield {"type": "response.output_text.delta", **at, "content_index": 0, "delta": ANSWER}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    usage = {"input_tokens": 9, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}}
    output = list(_items(number))
    yield {
        "type": "response.completed",
        "response": {"id": "resp_1", "model": "m", "status": "completed", "output": output, "usage": usage},
    }


def _reply(number: int) -> Reply:
    return Reply(tuple(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in _events(number)))


def _refusal(body: Any) -> Reply | None:
    items = body["input"]
    calls = {item["call_id"] for item in items if item.get("type") == "function_call"}
    outputs = {item["call_id"] for item in items if item.get("type") == "function_call_output"}
    if missing := calls - outputs:
        return error_reply(400, f"No tool output found for function call {min(missing)}.", param="input")
    for place, item in enumerate(items):
        before = items[place - 1] if place else {}
        after = items[place + 1] if place + 1 < len(items) else {}
        if item.get("type") == "reasoning":
            if not _is_ours(item.get("encrypted_content", "")):
                return error_reply(
                    400, "The encrypted content could not be verified.", code="invalid_encrypted_content"
                )
            if after.get("type") not in ("function_call", "message"):
                problem = f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
                return error_reply(400, problem, param="input")
        elif item.get("type") == "function_call" and before.get("type") not in ("reasoning", "function_call"):
            problem = f"Item of type 'function_call' was provided without its required 'reasoning' item: 'rs_{place}'."
            return error_reply(400, problem, param="input")
    return None


def _first(body: Any) -> dict[str, Any]:
    item: dict[str, Any] = next(item for item in body["input"] if item.get("type") == "reasoning")
    return item


RESPONSES = Loop(
    "openai",
    "openai-responses",
    _round,
    _refusal,
    _reply,
    {
        "missing": lambda body: body["input"].remove(_first(body)),
        "another content": lambda body: _first(body).update(encrypted_content=_encrypted(0) + "x"),
        "no content": lambda body: _first(body).pop("encrypted_content"),
        "its item left out": lambda body: body["input"].__delitem__(
            slice(body["input"].index(_first(body)) + 1, body["input"].index(_first(body)) + 3)
        ),
        "a result left out": lambda body: body["input"].pop(),
    },
    tuple(_encrypted(number) for number in range(len(ROUNDS))),
)
