"""Providers that think, call tools twice, and answer; and refuse a history that does not hold what they want back.

One `Loop` a wire format that wants something of its own back, for `fakes.provider.FakeProvider(script=loop)`. What it
wants it checks as the real one does: a signature against the text that it signs, not against a list of what it once
said. A new dialect is a new `Loop`.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.chat_wire import error_reply
from fakes.provider import Reply, Request, json_reply

# Of each round: the ids of the calls that it makes. The last one answers.
ROUNDS: tuple[tuple[str, ...], ...] = (("call_a", "call_b"), ("call_c",), ())
ANSWER = "it is 391"
_KEY = b"nobody but the provider has this"


def thought(number: int) -> str:
    """What the model thinks in this round; with signs that a careless store would change."""
    return f"Round {number}: I look it up \u2028 \u201cfirst\u201d, \t then <think> again."


def sign(text: str) -> str:
    return base64.b64encode(hmac.digest(_KEY, text.encode(), hashlib.sha256)).decode()


@dataclass(frozen=True)
class Loop:
    """A provider. `refusal` says what is wrong with a body; `reply` is the answer of a round.

    `spoilt` are ways to break a good body, each of which must be refused: they show that the fake looks.
    """

    vendor: str
    dialect: str
    round_of: Callable[[Any], int]
    refusal: Callable[[Any], Reply | None]
    reply: Callable[[int], Reply]
    spoilt: Mapping[str, Callable[[Any], object]]
    # What of the state must be seen nowhere but between server and provider.
    secrets: tuple[str, ...] = ()
    refused: list[bytes] = field(default_factory=list)
    model: str = "m"

    def __call__(self, request: Request) -> Reply:
        if request.method == "GET":  # a listing, which says nothing
            return json_reply({"data": []})
        refusal = self.refusal(request.json)
        if refusal is not None:
            self.refused.append(request.body)
        return refusal or self.reply(self.round_of(request.json))

    def spoil(self, how: str, body: Any) -> Any:
        """The body, broken in this way."""
        broken = copy.deepcopy(body)
        self.spoilt[how](broken)
        assert broken != body
        return broken


# openai-chat


def _assistants(body: Any) -> list[dict[str, Any]]:
    return [message for message in body["messages"] if message["role"] == "assistant"]


def _chat_round(body: Any) -> int:
    """How often the model has called since the last question."""
    messages = body["messages"]
    asked = max(place for place, message in enumerate(messages) if message["role"] == "user")
    return sum("tool_calls" in message for message in messages[asked:])


def _unanswered(body: Any) -> bool:
    """As every vendor checks it: each call has its result, right behind it."""
    open_calls: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return True
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            return True
        open_calls |= {call["id"] for call in message.get("tool_calls", ())}
    return bool(open_calls)


def _chat_frames(thinking: Iterator[dict[str, Any]], number: int) -> Reply:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *thinking]
    for index, call_id in enumerate(ROUNDS[number]):
        function = {"name": "look", "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in ('{"n"', ":17}")]
    deltas += [] if ROUNDS[number] else [{"content": ANSWER}]
    finish = "tool_calls" if ROUNDS[number] else "stop"
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    frames = [
        b"data: " + json.dumps({"id": "c", "model": "m", "choices": [each]}).encode() + b"\n\n" for each in choices
    ]
    return Reply((*frames, b"data: [DONE]\n\n"))


def _each_sign(text: str) -> Iterator[str]:
    """In pieces of three signs."""
    yield from (text[start : start + 3] for start in range(0, len(text), 3))


# OpenRouter, with a model of Anthropic behind it: signed thoughts and an encrypted one.

_FORMAT = {"format": "anthropic-claude-v1", "index": 0}
_REDACTED = sign("what nobody reads")


def _openrouter_reply(number: int) -> Reply:
    def thinking() -> Iterator[dict[str, Any]]:
        for piece in _each_sign(thought(number)):
            yield {"reasoning": piece, "reasoning_details": [{"type": "reasoning.text", "text": piece, **_FORMAT}]}
        signature = sign(thought(number))
        yield {"reasoning_details": [{"type": "reasoning.text", "signature": signature, **_FORMAT}]}
        yield {"reasoning_details": [{"type": "reasoning.encrypted", "data": _REDACTED, **_FORMAT, "index": 1}]}

    return _chat_frames(thinking(), number)


def _openrouter_refusal(body: Any) -> Reply | None:
    if _unanswered(body):
        return _upstream_refusal("`tool_use` ids were found without `tool_result` blocks immediately after")
    for place, message in enumerate(body["messages"]):
        details = message.get("reasoning_details", [])
        kinds = [each["type"] for each in details]
        if "tool_calls" in message and kinds[:1] != ["reasoning.text"]:
            return _upstream_refusal(f"messages.{place}.content.0.type: Expected `thinking`, but found `tool_use`")
        for number, each in enumerate(details):
            signed = each["type"] == "reasoning.text" and each.get("signature") == sign(each["text"])
            if not signed and each.get("data") != _REDACTED:
                return _upstream_refusal(f"messages.{place}.content.{number}: Invalid `signature` in `thinking` block")
        if kinds not in ([], ["reasoning.text", "reasoning.encrypted"]):
            return _upstream_refusal("`thinking` blocks in the latest assistant message cannot be modified")
    return None


def _upstream_refusal(message: str) -> Reply:
    raw = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}})
    metadata = {"raw": raw, "provider_name": "Anthropic"}
    return json_reply({"error": {"code": 400, "message": "Provider returned error", "metadata": metadata}}, status=400)


def _first_details(body: Any) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = _assistants(body)[0]["reasoning_details"]
    return details


OPENROUTER = Loop(
    "openrouter",
    "openai-chat",
    _chat_round,
    _openrouter_refusal,
    _openrouter_reply,
    {
        "missing": lambda body: _assistants(body)[0].pop("reasoning_details"),
        "no signature": lambda body: _first_details(body)[0].pop("signature"),
        "another signature": lambda body: _first_details(body)[0].update(signature=sign("x")),
        "another text": lambda body: _first_details(body)[0].update(text="x"),
        "another order": lambda body: _first_details(body).reverse(),
        "one left out": lambda body: _first_details(body).pop(),
        "a result left out": lambda body: body["messages"].pop(),
    },
    (_REDACTED, *(sign(thought(number)) for number in range(len(ROUNDS)))),
)


# DeepSeek: the thoughts themselves, of every answer since tools came into it.


def _deepseek_reply(number: int) -> Reply:
    return _chat_frames(({"reasoning_content": piece} for piece in _each_sign(thought(number))), number)


def _deepseek_refusal(body: Any) -> Reply | None:
    if _unanswered(body):
        problem = "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
        return error_reply(400, problem, type="invalid_request_error")
    answers = _assistants(body)
    if body.get("thinking", {}).get("type") == "disabled" or not any("tool_calls" in each for each in answers):
        return None
    thoughts = {thought(number) for number in range(len(ROUNDS))}
    if all(each.get("reasoning_content") in thoughts for each in answers):
        return None
    problem = "The `reasoning_content` in the thinking mode must be passed back to the API."
    return error_reply(400, problem, type="invalid_request_error", param=None, code="invalid_request_error")


DEEPSEEK = Loop(
    "deepseek",
    "openai-chat",
    _chat_round,
    _deepseek_refusal,
    _deepseek_reply,
    {
        "missing": lambda body: _assistants(body)[0].pop("reasoning_content"),
        "empty": lambda body: _assistants(body)[0].update(reasoning_content=""),
        "another text": lambda body: _assistants(body)[0].update(reasoning_content="x"),
        "a result left out": lambda body: body["messages"].pop(),
    },
)

# Anthropic: signed thoughts at the head of each answer that calls.


def _anthropic_round(body: Any) -> int:
    """Results of tools are the user's here; a question is a message of the user without any."""
    asked = max(place for place, each in enumerate(body["messages"]) if each["role"] == "user" and not _results(each))
    return sum(any(block["type"] == "tool_use" for block in _blocks(each)) for each in body["messages"][asked:])


def _blocks(message: Any) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _results(message: Any) -> list[str]:
    return [block["tool_use_id"] for block in _blocks(message) if block["type"] == "tool_result"]


def _anthropic_reply(number: int) -> Reply:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 9}}}
    ]

    def block(start: dict[str, Any], *deltas: dict[str, Any]) -> None:
        index = sum(event["type"] == "content_block_start" for event in events)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events.extend({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        events.append({"type": "content_block_stop", "index": index})

    pieces = ({"type": "thinking_delta", "thinking": piece} for piece in _each_sign(thought(number)))
    signature = {"type": "signature_delta", "signature": sign(thought(number))}
    block({"type": "thinking", "thinking": "", "signature": ""}, *pieces, signature)
    block({"type": "redacted_thinking", "data": _REDACTED})
    for call_id in ROUNDS[number]:
        arguments = ({"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"n"', ":17}"))
        block({"type": "tool_use", "id": call_id, "name": "look", "input": {}}, *arguments)
    if not ROUNDS[number]:
        block({"type": "text", "text": ""}, {"type": "text_delta", "text": ANSWER})
    reason = "tool_use" if ROUNDS[number] else "end_turn"
    events.append({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}})
    events.append({"type": "message_stop"})
    return Reply(tuple(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events))


def _anthropic_refusal(body: Any) -> Reply | None:
    def refused(message: str) -> Reply:
        return json_reply({"type": "error", "error": {"type": "invalid_request_error", "message": message}}, status=400)

    for place, message in enumerate(body["messages"]):
        blocks = _blocks(message)
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        following = body["messages"][place + 1] if place + 1 < len(body["messages"]) else {"content": []}
        if calls and sorted(calls) != sorted(_results(following)):
            return refused(
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after"
            )
        kinds = [block["type"] for block in blocks if "thinking" in block["type"]]
        if calls and blocks[0]["type"] != "thinking":
            return refused(f"messages.{place}.content.0.type: Expected `thinking`, but found `{blocks[0]['type']}`")
        for number, block in enumerate(blocks):
            if block["type"] == "thinking" and block.get("signature") != sign(block["thinking"]):
                return refused(f"messages.{place}.content.{number}: Invalid `signature` in `thinking` block")
        if kinds not in ([], ["thinking", "redacted_thinking"]):
            return refused(
                "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified"
            )
    return None


def _first_blocks(body: Any) -> list[dict[str, Any]]:
    return _blocks(_assistants(body)[0])


ANTHROPIC = Loop(
    "anthropic",
    "anthropic-messages",
    _anthropic_round,
    _anthropic_refusal,
    _anthropic_reply,
    {
        "missing": lambda body: _first_blocks(body).__delitem__(slice(2)),
        "no signature": lambda body: _first_blocks(body)[0].pop("signature"),
        "another text": lambda body: _first_blocks(body)[0].update(thinking="x"),
        "another order": lambda body: _first_blocks(body).reverse(),
        "one left out": lambda body: _first_blocks(body).pop(1),
        "a result left out": lambda body: _blocks(body["messages"][-1]).pop(0),
    },
    OPENROUTER.secrets,
)

LOOPS: tuple[Loop, ...] = (OPENROUTER, DEEPSEEK, ANTHROPIC)
