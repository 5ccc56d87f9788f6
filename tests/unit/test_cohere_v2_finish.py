"""The words for why a model stopped."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Failure, Finish
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.cohere_v2.finish import finish_of


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("ERROR_LIMIT", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("NEWER_THAN_WE", "stop"),
    ],
)
def test_a_word_is_a_reason(word: str, reason: str) -> None:
    finish = finish_of(word)
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.native) == (reason, word)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("ERROR", ErrorReason.UPSTREAM_ERROR),
        ("TIMEOUT", ErrorReason.UPSTREAM_TIMEOUT),
        ("USER_CANCEL", ErrorReason.UPSTREAM_TRUNCATED),
    ],
)
def test_some_words_are_failures(word: str, reason: ErrorReason) -> None:
    failure = finish_of(word)
    assert isinstance(failure, Failure)
    assert failure.reason is reason


@pytest.mark.parametrize("word", [None, "", 7, []])
def test_no_word_is_no_end(word: object) -> None:
    assert finish_of(word) is None
