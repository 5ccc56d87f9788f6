"""What is gathered for the next request, and what of it is sent back to whom."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.core.message import ReasoningState, ToolCall
from thinkaloud_server.providers.gemini.replay import ReplayParts, replayed_parts

PARTS = [
    {"text": "So."},
    {"functionCall": {"name": "add", "args": {"a": 2}, "id": "fc-1"}, "thoughtSignature": "s1"},
    {"functionCall": {"name": "mul", "args": {}}},
    {"text": "", "thoughtSignature": "s2"},
]
CALLS = [ToolCall("call_a", "add", '{"a": 2}'), ToolCall("call_b", "mul", "{}")]


def state(payload: object = None, provider: str = "it", model: str = "m") -> ReasoningState:
    return ReasoningState(provider, model, payload if isinstance(payload, str) else json.dumps({"parts": PARTS}))


def test_parts_are_kept_in_their_order_and_signatures_at_their_places() -> None:
    replay = ReplayParts()
    replay.texts += ["S", "o."]
    replay.add_call(b'{"name":"add","args":{"a": 2},"id":"fc-1"}', "s1")
    replay.add_call(b'{"name":"mul","args":{}}', "")
    replay.add_signed_text("", "s2", thought=False)
    assert json.loads(replay.payload()) == {"parts": PARTS}


def test_signed_texts_are_joined_with_nothing() -> None:
    replay = ReplayParts()
    replay.texts.append("a")
    replay.add_signed_text("b", "s1", thought=False)
    replay.add_signed_text("c", "s2", thought=True)
    replay.texts += ["d", "e"]
    assert json.loads(replay.payload())["parts"] == [
        {"text": "a"},
        {"text": "b", "thoughtSignature": "s1"},
        {"text": "c", "thought": True, "thoughtSignature": "s2"},
        {"text": "de"},
    ]


def test_without_a_signature_there_is_no_state() -> None:
    replay = ReplayParts()
    replay.texts.append("a")
    replay.add_call(b'{"name":"add"}', "")
    assert replay.payload() == ""


def test_its_own_parts_are_sent_back_verbatim() -> None:
    replayed = replayed_parts(state(), "it", "m", CALLS)
    assert replayed is not None
    assert [json.loads(bytes(part)) for part in replayed.parts] == PARTS
    assert replayed.ids == {"call_a": "fc-1"}
    assert replayed_parts(state(model="it/m"), "it", "m", CALLS) is not None


@pytest.mark.parametrize(
    ("it", "calls"),
    [
        (None, CALLS),
        (state(provider="other"), CALLS),
        (state(model="another"), CALLS),
        (state(), CALLS[:1]),
        (state(), [*CALLS, CALLS[0]]),
        (state(), CALLS[::-1]),
        (state("not json"), []),
        (state('{"parts": 7}'), []),
        (state('{"parts": [7]}'), []),
        (state('{"reasoning_details": []}'), []),
    ],
)
def test_what_is_not_its_own_is_not(it: ReasoningState | None, calls: list[ToolCall]) -> None:
    assert replayed_parts(it, "it", "m", calls) is None
