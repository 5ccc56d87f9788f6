"""Signed and encrypted thoughts: kept in their places, and given back to the model that had them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thinkaloud_server.core.message import ReasoningState
from thinkaloud_server.providers.bedrock_converse.replay import ReplayState, with_thoughts

SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}}
SECOND = {"reasoningContent": {"redactedContent": "eA=="}}
ONE = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}
TWO = {"toolUse": {"toolUseId": "t2", "name": "f", "input": {}}}


def state(*blocks: object, provider: str = "it", model: str = "m") -> ReasoningState:
    return ReasoningState(provider, model, json.dumps(blocks))


def given(kept: ReasoningState | None, text: str = "", *calls: tuple[str, Any]) -> list[Any]:
    return with_thoughts(kept, "it", "m", text, calls)


def test_what_is_gathered_is_in_the_order_of_its_coming() -> None:
    it = ReplayState()
    it.reasoning(0, "H")
    it.reasoning(0, "m")
    it.signature(0, "c2ln")
    it.text(1, "ab")
    it.text(1, "c")
    it.call(2, "t1")
    it.redacted(3, "eA==")
    assert json.loads(it.payload()) == [SIGNED, {"text": 3}, {"toolUse": "t1"}, SECOND]


def test_thoughts_without_a_signature_are_not_kept() -> None:
    it = ReplayState()
    it.reasoning(0, "Hm")
    it.text(1, "abc")
    assert it.payload() == ""
    it.signature(2, "c2ln")
    kept = json.loads(it.payload())
    assert kept == [{"text": 3}, {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}}]


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [(["b24=", "ZQ=="], "b25l"), (["b25l"], "b25l"), (["b2", "?"], "b2?"), (["b24=", "Z"], "b24=Z")],
)
def test_pieces_of_one_encrypted_thought_are_joined(pieces: list[str], whole: str) -> None:
    it = ReplayState()
    for piece in pieces:
        it.redacted(0, piece)
    assert json.loads(it.payload()) == [{"reasoningContent": {"redactedContent": whole}}]


def test_thoughts_stand_where_they_stood() -> None:
    kept = state(SIGNED, {"text": 2}, {"toolUse": "t1"}, SECOND, {"text": 1}, {"toolUse": "t2"})
    content = given(kept, "abc", ("t1", ONE), ("t2", TWO))
    assert content == [SIGNED, {"text": "ab"}, ONE, SECOND, {"text": "c"}, TWO]


def test_blank_text_between_thoughts_is_left_out() -> None:
    assert given(state(SIGNED, {"text": 2}, SECOND, {"text": 1}), "\n\na") == [SIGNED, SECOND, {"text": "a"}]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("another text", [("t1", ONE)]),
        ("abc", []),
        ("abc", [("t2", TWO)]),
        ("abc", [("t1", ONE), ("t2", TWO)]),
    ],
)
def test_where_the_message_is_another_thoughts_come_first(text: str, calls: list[tuple[str, Any]]) -> None:
    content = given(state(SIGNED, {"text": 3}, SECOND, {"toolUse": "t1"}), text, *calls)
    assert content == [SIGNED, SECOND, {"text": text}, *(call for _, call in calls)]


@pytest.mark.parametrize(
    "kept",
    [
        None,
        state(SIGNED, provider="another"),
        state(SIGNED, model="another"),
        ReasoningState("it", "m", "nonsense"),
        ReasoningState("it", "m", '{"reasoning_details":[]}'),
        state({"type": "thinking"}),
        state(SIGNED, {"text": -1}),
        state(SIGNED, {"text": True}),
        state(SIGNED, {"toolUse": 5}),
        state({"text": 3}),
    ],
)
def test_what_is_not_this_models_own_stays_here(kept: ReasoningState | None) -> None:
    assert given(kept, "abc", ("t1", ONE)) == [{"text": "abc"}, ONE]


def test_the_model_may_be_stored_with_its_provider() -> None:
    assert given(state(SIGNED, {"text": 1}, model="it/m"), "a") == [SIGNED, {"text": "a"}]
