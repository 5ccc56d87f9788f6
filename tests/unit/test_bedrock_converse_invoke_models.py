"""The forms of InvokeModel's events by model: what each key means, and that wrong types say nothing."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud_server.providers.bedrock_converse.invoke_models import counts, read_other

METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}}
CALL = {"index": 1, "id": "t", "function": {"name": "f", "arguments": "{}"}}

CASES: list[tuple[dict[str, Any], list[tuple[str, str, int]]]] = [
    ({"outputText": "a", "completionReason": "FINISH"}, [("text", "a", 0), ("stop", "FINISH", 0)]),
    (
        {"outputText": "a", "completionReason": "FINISH", "amazon-bedrock-guardrailAction": "INTERVENED"},
        [("text", "a", 0), ("stop", "INTERVENED", 0)],
    ),
    ({"outputText": "a", "amazon-bedrock-guardrailAction": "NONE"}, [("text", "a", 0)]),
    ({"generation": "a", "stop_reason": "length"}, [("text", "a", 0), ("stop", "length", 0)]),
    ({"outputs": [{"text": "a", "stop_reason": "stop"}]}, [("text", "a", 0), ("stop", "stop", 0)]),
    ({"completion": "a", "stop_reason": "max_tokens"}, [("text", "a", 0), ("stop", "max_tokens", 0)]),
    ({"is_finished": False, "text": "a"}, [("text", "a", 0)]),
    ({"is_finished": True, "finish_reason": "COMPLETE"}, [("stop", "COMPLETE", 0)]),
    ({"event_type": "text-generation", "text": "a"}, [("text", "a", 0)]),
    ({"event_type": "stream-end", "text": "a", "finish_reason": "COMPLETE"}, [("stop", "COMPLETE", 0)]),
    ({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}, [("text", "a", 0), ("stop", "stop", 0)]),
    ({"choices": [{"message": {"content": "a"}, "stop_reason": "stop"}]}, [("text", "a", 0), ("stop", "stop", 0)]),
    ({"choices": [{"delta": {"reasoning_content": "a", "reasoning": "a"}}]}, [("reasoning", "a", 0)]),
    ({"choices": [{"delta": {"tool_calls": [CALL]}}]}, [("call", "t", 2), ("input", "{}", 2)]),
    ({"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "}"}}]}}]}, [("input", "}", 1)]),
    ({"choices": []}, []),
    *(({key: 5}, []) for key in ("outputText", "generation", "outputs", "completion", "choices", "is_finished")),
    ({"choices": [{"delta": {"content": {}, "tool_calls": [7, {}]}}], "usage": []}, []),
    ({"contentBlockStop": 5}, []),
    ({"contentBlockStop": {"contentBlockIndex": 1}}, [("converse", "contentBlockStop", 0)]),
    ({"chunk": {}}, []),
    ({}, []),
]


@pytest.mark.parametrize(("event", "expected"), CASES)
def test_what_an_event_says(event: dict[str, Any], expected: list[tuple[str, str, int]]) -> None:
    """Beside the beginning and the counts, which every form has."""
    said = [(each.what, each.text, each.index) for each in read_other(event) if each.what not in ("begin", "usage")]
    assert [each for each in said if each[1]] == expected


@pytest.mark.parametrize(
    "event",
    [
        {"generation": "", "prompt_token_count": 3, "generation_token_count": 4},
        {"outputText": "", "inputTextTokenCount": 3, "totalOutputTextTokenCount": 4},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        {"outputs": [], **METRICS},
    ],
)
def test_tokens_are_counted_in_the_model_s_words_or_in_bedrocks(event: dict[str, Any]) -> None:
    assert {"input_tokens": 3, "output_tokens": 4} in [each.more for each in read_other(event)]


@pytest.mark.parametrize("value", [None, [], 5, {"in": "3", "out": -1}])
def test_what_is_no_count_is_none(value: object) -> None:
    assert counts(value, "in", "out") == {"input_tokens": 0, "output_tokens": 0}
