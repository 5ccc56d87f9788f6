"""The thoughts that Ollama gets back: its own, as it sent them."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.message import ReasoningState
from thinkaloud_server.providers.ollama.replay import replayed_fields, state_of


def test_what_was_kept_is_given_back() -> None:
    payload = state_of('I "need" it\n🦜')
    assert replayed_fields(ReasoningState("it", "m", payload), "it") == {"thinking": 'I "need" it\n🦜'}


def test_nothing_thought_is_nothing_kept() -> None:
    assert state_of("") == ""


@pytest.mark.parametrize(
    "state",
    [
        None,
        ReasoningState("another", "m", state_of("Hm")),
        ReasoningState("it", "m", "nonsense"),
        ReasoningState("it", "m", "[]"),
        ReasoningState("it", "m", '{"reasoning_details":[]}'),
        ReasoningState("it", "m", '{"thinking":[1]}'),
    ],
)
def test_what_is_not_this_providers_own_stays_here(state: ReasoningState | None) -> None:
    assert replayed_fields(state, "it") == {}
