"""tests/observed.py: a judge that lets everything pass would prove nothing."""

from __future__ import annotations

from typing import Any

import pytest

from observed import FINISHES, differences, digest, expected, one_after_another, same_calls, usage_of
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.table import DIALECTS

CUT = Failure(ErrorReason.UPSTREAM_TRUNCATED, "cut")
GOOD: list[Delta] = [
    ReasoningDelta("th"),
    ReasoningDelta("ink"),
    TextDelta("hi"),
    ToolCallDelta(0, "id", "f", '{"a": 1'),
    ToolCallDelta(0, arguments="}"),
    Finish("stop"),
    UsageReport(Usage(3, 4)),
    EndOfStream(),
]


def observed(**changed: Any) -> dict[str, Any]:
    return {
        "reasoning_sha256": digest("think"),
        "reasoning_chars": 5,
        "text_sha256": digest("hi"),
        "text_chars": 2,
        "tool_calls": [["f", '{"a":1}']],
        "finish": ["STOP"],
        "usage": {"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 3},
        "errors": [],
        "reasoning_fields": [],
        **changed,
    }


def test_what_is_as_observed_does_not_differ() -> None:
    assert differences("gemini", observed(), GOOD) == {}


@pytest.mark.parametrize(
    ("kind", "deltas"),
    [
        ("reasoning", [ReasoningDelta("!"), *GOOD]),
        ("reasoning", GOOD[1:]),
        ("text", [TextDelta("!"), *GOOD]),
        ("tool calls", [ToolCallDelta(1, "x", "g", "{}"), *GOOD]),
        ("tool calls", [*GOOD[:4], *GOOD[5:]]),
        ("finish", [*GOOD[:5], Finish("length"), *GOOD[6:]]),
        ("finish", [*GOOD[:5], *GOOD[6:]]),
        ("usage", [*GOOD[:6], UsageReport(Usage(3, 1)), GOOD[7]]),
        ("usage", [*GOOD[:6], GOOD[7]]),
        ("end", [*GOOD[:7], CUT]),
        ("end", GOOD[:7]),
    ],
)
def test_each_difference_is_found_and_nothing_else(kind: str, deltas: list[Delta]) -> None:
    assert set(differences("gemini", observed(), deltas)) == {kind}


def test_a_stream_with_an_error_must_fail() -> None:
    seen = observed(errors=[{"message": "died"}])
    assert set(differences("gemini", seen, GOOD)) == {"end"}
    assert differences("gemini", seen, [*GOOD[:7], CUT]) == {}


def test_a_stream_without_a_finish_must_fail_but_at_a_vendor_that_gives_none() -> None:
    seen = observed(finish=[])
    assert set(differences("gemini", seen, GOOD)) == {"end"}
    assert differences("gemini", seen, [*GOOD[:7], CUT]) == {}
    assert differences("gemini", seen, GOOD, finish_optional=True) == {}


def test_a_refusal_may_count_as_text() -> None:
    assert differences("gemini", observed(), [RefusalDelta("hi") if d == TextDelta("hi") else d for d in GOOD]) == {}


def test_every_dialect_can_be_judged() -> None:
    assert set(FINISHES) >= set(DIALECTS)
    for dialect in FINISHES:
        assert usage_of(dialect, None) is None


@pytest.mark.parametrize(
    ("dialect", "usage", "counted"),
    [
        ("openai-chat", {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, (1, 2)),
        (
            "openai-chat",
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 8,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            (1, 7),
        ),
        (
            "openai-chat",
            {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 5}},
            (1, 5),
        ),
        ("anthropic-messages", {"input_tokens": 1, "cache_read_input_tokens": 10, "output_tokens": 2}, (11, 2)),
        ("gemini", {"promptTokenCount": 1, "thoughtsTokenCount": 4}, (1, 4)),
        ("cohere-v2", {"tokens": {"input_tokens": 1, "output_tokens": 2}, "billed_units": {"input_tokens": 9}}, (1, 2)),
        ("bedrock-converse", {"inputTokens": 1, "cacheReadInputTokens": 2, "outputTokens": 3}, (3, 3)),
    ],
)
def test_usage_is_counted_as_the_contract_does(dialect: str, usage: dict[str, Any], counted: tuple[int, int]) -> None:
    assert usage_of(dialect, usage) == counted


def test_tools_are_a_finish_of_their_own_where_the_format_does_not_tell() -> None:
    assert expected("gemini", observed()).finish == "tool_calls"
    assert expected("anthropic-messages", observed(finish=["end_turn"], usage=None)).finish == "stop"


def test_arguments_are_the_same_as_text_or_as_values() -> None:
    assert same_calls([["f", '{"a":1}']], [["f", '{ "a": 1 }']])
    assert same_calls([["f", ""]], [["f", "{}"]])
    assert same_calls([["f", '{"a']], [["f", '{"a']])
    assert not same_calls([["f", '{"a']], [["f", '{"b']])
    assert not same_calls([["f", "{}"]], [["g", "{}"]])


def test_what_was_not_observed_of_the_usage_is_not_compared() -> None:
    seen = observed(finish=["end_turn"], usage={"output_tokens": 4})
    assert usage_of("anthropic-messages", seen["usage"]) == (None, 4)
    assert differences("anthropic-messages", seen, GOOD) == {}
    assert set(differences("anthropic-messages", seen, [*GOOD[:6], UsageReport(Usage(3, 5)), GOOD[7]])) == {"usage"}


def test_a_tool_of_the_provider_is_no_call_of_the_callers() -> None:
    seen = observed(finish=["end_turn"], usage=None, tool_calls=[["f", '{"a":1}'], ["advisor", ""]])
    body = b'{"type":"server_tool_use","id":"s","name":"advisor","input":{}}'
    assert set(differences("anthropic-messages", seen, GOOD)) == {"tool calls"}
    assert differences("anthropic-messages", seen, GOOD, body=body) == {}


def test_answers_one_after_another_keep_their_calls_apart_and_have_one_end() -> None:
    both = one_after_another([GOOD, GOOD])
    assert [delta.index for delta in both if isinstance(delta, ToolCallDelta)] == [0, 0, 1, 1]
    assert sum(isinstance(delta, Finish | EndOfStream) for delta in both) == 2
    assert isinstance(both[-1], EndOfStream)


def test_what_the_second_opinion_did_not_read_is_not_compared() -> None:
    seen = observed(reasoning_fields=["invoke-chunk"], finish=[])
    assert differences("gemini", seen, [TextDelta("other"), EndOfStream()]) == {}
    assert set(differences("gemini", seen, [TextDelta("other")])) == {"end"}
