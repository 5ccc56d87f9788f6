"""Thoughts that are given back: as they came, where they stood, and only to whom they belong."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cuts import decode
from provider_vectors import WEATHER, Vector, read_vectors
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.message import Message, ReasoningState, TextPart, ToolResult
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.anthropic_messages.block import Block
from thinkaloud_server.providers.anthropic_messages.replay import payload_of, stored_blocks, with_thoughts

SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
OTHER = {"type": "thinking", "thinking": "So.", "signature": "c2lnMg=="}
HIDDEN = {"type": "thinking", "thinking": "", "signature": "c2ln"}
UNSIGNED = {"type": "thinking", "thinking": "Hm."}
CUT = {"type": "thinking", "thinking": "Hm", "signature": ""}
SECRET = {"type": "redacted_thinking", "data": "ZW5j"}
CALL = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
HERE = {"type": "tool_use", "id": "t"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def room(characters: int) -> dict[str, Any]:
    return {"type": "text", "characters": characters}


def state(*blocks: Any, provider: str = "it", model: str = "m") -> ReasoningState:
    return ReasoningState(provider, model, json.dumps({"blocks": blocks}))


def test_without_a_thought_there_is_no_state() -> None:
    silent = Block("thinking", 0)
    silent.signature = ""
    assert payload_of([]) == payload_of([Block("text", 0), Block("tool_use", 1, 0), silent]) == ""


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (("signature",), [SIGNED, HIDDEN, SECRET]),
        (("thinking",), [SIGNED, HIDDEN, UNSIGNED, CUT, SECRET]),
        ((), []),
    ],
)
def test_a_vendor_gets_what_it_wants_back(wanted: tuple[str, ...], kept: list[object]) -> None:
    assert stored_blocks(state(SIGNED, HIDDEN, UNSIGNED, CUT, SECRET), wanted, "it", "m") == kept


@pytest.mark.parametrize(
    ("it", "kept"),
    [
        (state(SIGNED), True),
        (state(SIGNED, model="it/m"), True),
        (state(SIGNED, provider="other"), False),
        (state(SIGNED, model="m-2"), False),
        (state(SIGNED, model="other/m"), False),
        (ReasoningState("it", "m", '{"reasoning_details":[]}'), False),
        (ReasoningState("it", "m", '{"blocks":7}'), False),
        (ReasoningState("it", "m", '{"blocks":[7]}'), False),
        (ReasoningState("it", "m", "[]"), False),
        (ReasoningState("it", "m", "{"), False),
        (None, False),
    ],
)
def test_thoughts_belong_to_a_provider_and_a_model(it: ReasoningState | None, kept: bool) -> None:
    assert stored_blocks(it, ("signature",), "it", "m") == ([SIGNED] if kept else [])


@pytest.mark.parametrize(
    ("blocks", "words", "calls", "content"),
    [
        ([], "See:", True, [text("See:"), CALL]),
        ([SIGNED, room(4), HERE], "See:", True, [SIGNED, text("See:"), CALL]),
        ([SIGNED, room(2), OTHER, room(2), HERE], "See:", True, [SIGNED, text("Se"), OTHER, text("e:"), CALL]),
        ([SIGNED, SECRET, HERE], "", True, [SIGNED, SECRET, CALL]),
        ([HIDDEN, room(4)], "See:", False, [HIDDEN, text("See:")]),
        # White space alone is refused, and was needed for nothing.
        ([SIGNED, room(4), OTHER, room(2), HERE], "See:\n\n", True, [SIGNED, text("See:"), OTHER, CALL]),
        # Edited.
        ([SIGNED, room(4), OTHER, room(2), HERE], "Look:", True, [SIGNED, text("Look:"), OTHER, CALL]),
        ([SIGNED, HERE], "Added.", True, [SIGNED, text("Added."), CALL]),
        ([SIGNED, room(4), HERE], "", True, [SIGNED, CALL]),
        ([SIGNED, room(4), {"type": "tool_use", "id": "gone"}], "See:", True, [SIGNED, text("See:"), CALL]),
        # Nothing follows the thought.
        ([SIGNED], "", False, []),
        ([SIGNED, room(4), OTHER], "See:", False, [SIGNED, text("See:")]),
    ],
)
def test_thoughts_stand_where_they_stood(blocks: Any, words: str, calls: bool, content: list[object]) -> None:
    assert with_thoughts(blocks, words, [("t", CALL)] if calls else []) == content


def test_calls_of_one_id_are_all_kept() -> None:
    second = {**CALL, "name": "second"}
    assert with_thoughts([SIGNED, HERE, HERE], "", [("t", CALL), ("t", second)]) == [SIGNED, CALL, second]


def content_of(response: bytes) -> list[dict[str, Any]]:
    """What the provider wants back of its own answer, read without our decoder."""
    blocks: dict[int, dict[str, Any]] = {}
    for line in response.decode().split("\n"):
        event = json.loads(line[6:]) if line.startswith("data: ") else {}
        if event.get("type") == "content_block_start":
            blocks[event["index"]] = event["content_block"]
        elif event.get("type") == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            for name in {"text", "thinking", "signature"} & set(delta):
                block[name] = block.get(name, "") + delta[name]
            block["json"] = block.get("json", "") + delta.get("partial_json", "")
    for block in blocks.values():
        words = block.pop("json", "")
        if block["type"] == "tool_use":
            block["input"] = json.loads(words)
    return [block for block in blocks.values() if block["type"] != "text" or block["text"].strip()]


REPLAYED = [
    vector
    for vector in read_vectors("anthropic-messages")
    if vector.name
    in ("reasoning-interleaved", "reasoning-readable-and-redacted", "tool-call-forced-by-name-with-thinking")
]


@pytest.mark.parametrize("vector", REPLAYED, ids=lambda vector: vector.name)
def test_the_second_request_holds_the_first_answer_as_it_was(vector: Vector) -> None:
    assembler = Assembler()
    for delta in decode(ANTHROPIC_MESSAGES.decoder(vector.endpoint, vector.request), [vector.response]):
        assembler.feed(delta)
    assembler.end()
    answer = assembler.answer
    parts = (*((TextPart(answer.text),) if answer.text else ()), *answer.tool_calls)
    kept = ReasoningState("it", vector.request.model, answer.state_payload)
    results = tuple(ToolResult(call.id, "sunny") for call in answer.tool_calls)
    messages = (
        *vector.request.messages,
        Message("assistant", parts, answer.reasoning, kept),
        Message("tool", results) if results else Message("user", (TextPart("And?"),)),
    )
    second = ModelRequest(vector.request.model, messages, reasoning=ReasoningControl("high"), tools=(WEATHER,))
    request = ANTHROPIC_MESSAGES.request(vector.endpoint, second)
    body = msgspec.json.decode(request.body)
    assert body["messages"][1] == {"role": "assistant", "content": content_of(vector.response)}
    assert body["thinking"]["type"] == "enabled"
    assert request.adjusted == ()
