"""The words for why a model stopped, or why a prompt was blocked."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Failure, Finish
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.failure import stream_failure
from thinkaloud_server.providers.gemini.finish import block_of, blocked, finish_of
from thinkaloud_server.providers.table import vendor_named

FILTERS = ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY", "MODEL_ARMOR"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("OTHER", "stop"), ("NEWER_THAN_WE", "stop")]
    + [(word, "content_filter") for word in FILTERS],
)
def test_a_word_is_a_reason(word: str, reason: str) -> None:
    finish = finish_of(word)
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.native) == (reason, word)


@pytest.mark.parametrize("word", [None, "", 7, [], "FINISH_REASON_UNSPECIFIED"])
def test_no_word_is_no_end(word: object) -> None:
    assert finish_of(word) is None


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("MALFORMED_FUNCTION_CALL", ErrorReason.UPSTREAM_ERROR),
        ("UNEXPECTED_TOOL_CALL", ErrorReason.UPSTREAM_ERROR),
        ("TOO_MANY_TOOL_CALLS", ErrorReason.UPSTREAM_ERROR),
        ("MALFORMED_RESPONSE", ErrorReason.UPSTREAM_ERROR),
        ("MISSING_THOUGHT_SIGNATURE", ErrorReason.REASONING_STATE_INVALID),
    ],
)
def test_some_words_are_failures(word: str, reason: ErrorReason) -> None:
    failure = finish_of(word)
    assert isinstance(failure, Failure)
    assert failure.reason is reason


@pytest.mark.parametrize(
    ("feedback", "word"),
    [
        ({"blockReason": "SAFETY"}, "SAFETY"),
        ({"blockReason": "BLOCK_REASON_UNSPECIFIED"}, ""),
        ({"safetyRatings": []}, ""),
        ({"blockReason": 3}, ""),
        (None, ""),
        ("SAFETY", ""),
    ],
)
def test_a_block_has_its_word(feedback: object, word: str) -> None:
    assert block_of(feedback) == word


def test_a_blocked_prompt_is_classified_as_other_vendors_filters_are() -> None:
    endpoint = Endpoint("it", "http://provider.example/v1", vendor_named("gemini"))
    failure = stream_failure(endpoint, ModelRequest("m", ()), blocked("SAFETY"))
    assert failure.reason is ErrorReason.VALIDATION_FAILED
    assert not failure.reasoning_refused
    assert "SAFETY" in failure.message
