"""Bedrock's words for why a model stopped."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Failure, Finish
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.bedrock_converse.finish import finish_of

# Every word of botocore's StopReason, then those of models behind InvokeModel.
WORDS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
    "pause_turn": "stop",
    "FINISH": "stop",
    "LENGTH": "length",
    "CONTENT_FILTERED": "content_filter",
    "INTERVENED": "content_filter",
    "something_new": "stop",
}


@pytest.mark.parametrize(("word", "reason"), WORDS.items())
def test_a_word_has_its_reason_and_stays_known(word: str, reason: str) -> None:
    assert finish_of(word) == Finish(reason, word)  # type: ignore[arg-type]  # a reason's own name


@pytest.mark.parametrize("word", ["malformed_model_output", "malformed_tool_use"])
def test_some_words_are_failures(word: str) -> None:
    it = finish_of(word)
    assert isinstance(it, Failure)
    assert it.reason is ErrorReason.UPSTREAM_ERROR
