"""An answer of Converse that was not streamed, as the events of a stream."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.providers.bedrock_converse.whole import read_answer


def test_an_answer_is_its_events() -> None:
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c"}}},
        {"reasoningContent": {"redactedContent": "eA=="}},
        {"text": "Hi"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
        {"somethingNew": {}},
        5,
    ]
    answer = {"output": {"message": {"content": content}}, "stopReason": "tool_use", "usage": {"inputTokens": 1}}
    events = read_answer(json.dumps(answer).encode())
    assert events is not None
    assert [(name, json.loads(data)) for name, data in events] == [
        ("messageStart", {}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "eA=="}}}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "Hi"}}),
        ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"toolUse": {"input": '{"a":1}'}}}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 1}}),
    ]


@pytest.mark.parametrize("data", [b"{}", b"[]", b"null", b'{"message":"x"}', b'{"output":{"message":{"content":"x"}}}'])
def test_json_that_is_no_answer_is_none(data: bytes) -> None:
    assert read_answer(data) is None


@pytest.mark.parametrize("data", [b"", b"{", b"x"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(data)
