"""The vendors' words for why the model stopped."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Finish
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.openai_chat.finish import failed_finish, finish_of


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *[(word, "stop") for word in ("stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE")],
        *[(word, "length") for word in ("length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens")],
        *[(word, "tool_calls") for word in ("tool_calls", "function_call", "tool_use", "TOOL_CALL")],
        *[(word, "content_filter") for word in ("content_filter", "SAFETY", "sensitive", "refusal", "RECITATION")],
        ("a word of next year", "stop"),
    ],
)
def test_a_word_has_its_reason_and_stays_known(word: str, reason: str) -> None:
    assert finish_of(word) == Finish(reason, word)  # type: ignore[arg-type]  # the table's own words
    assert failed_finish(word) is None


def test_the_native_word_is_the_upstreams_own() -> None:
    assert finish_of("stop", "end_turn") == Finish("stop", "end_turn")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("error", ErrorReason.UPSTREAM_ERROR),
        ("ERROR", ErrorReason.UPSTREAM_ERROR),
        ("insufficient_system_resource", ErrorReason.UPSTREAM_ERROR),
        ("network_error", ErrorReason.UPSTREAM_ERROR),
        ("MALFORMED_FUNCTION_CALL", ErrorReason.UPSTREAM_ERROR),
        ("abort", ErrorReason.UPSTREAM_TRUNCATED),
        ("cancelled", ErrorReason.UPSTREAM_TRUNCATED),
    ],
)
def test_some_words_are_failures(word: str, reason: ErrorReason) -> None:
    failure = failed_finish(word)
    assert failure is not None
    assert failure.reason is reason
    assert failure.message
