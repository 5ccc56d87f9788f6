"""Why the model stopped."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Finish
from thinkaloud_server.providers.anthropic_messages.finish import finish_of


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("sensitive", "content_filter"),
        ("MAX_TOKENS", "length"),
        ("a-word-of-the-future", "stop"),
    ],
)
def test_a_word_has_its_reason_and_is_kept(word: str, reason: str) -> None:
    finish = finish_of(word)
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.native) == (reason, word)
