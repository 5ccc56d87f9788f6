"""What is kept of a message that calls tools, and what of it is sent back to whom."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.core.message import ReasoningState
from thinkaloud_server.providers.cohere_v2.replay import Replayed, payload_of, replayed

PAYLOAD = payload_of("I will look.", "Look it up.")


def test_the_payload_is_fields_of_the_message() -> None:
    assert json.loads(PAYLOAD) == {
        "content": [{"type": "thinking", "thinking": "Look it up."}],
        "tool_plan": "I will look.",
    }
    assert json.loads(payload_of("", "Hm.")) == {"content": [{"type": "thinking", "thinking": "Hm."}]}
    assert json.loads(payload_of("Hm.", "")) == {"tool_plan": "Hm."}
    assert payload_of("", "") == ""


@pytest.mark.parametrize("model", ["m", "it/m"])
def test_the_same_model_gets_all_of_it(model: str) -> None:
    kept = replayed(ReasoningState("it", model, PAYLOAD), "it", "m")
    assert kept.tool_plan == "I will look."
    assert [json.loads(bytes(item)) for item in kept.content] == [{"type": "thinking", "thinking": "Look it up."}]


def test_another_model_gets_the_plan() -> None:
    assert replayed(ReasoningState("it", "other", PAYLOAD), "it", "m") == Replayed(tool_plan="I will look.")


@pytest.mark.parametrize(
    "state",
    [
        None,
        ReasoningState("other", "m", PAYLOAD),
        ReasoningState("it", "m", "not json"),
        ReasoningState("it", "m", '{"content": 7}'),
        ReasoningState("it", "m", '{"parts": []}'),
    ],
)
def test_what_is_not_its_own_is_not_sent(state: ReasoningState | None) -> None:
    assert replayed(state, "it", "m") == Replayed()
