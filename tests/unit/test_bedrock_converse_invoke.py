"""Events of InvokeModel: Anthropic's, in base64, and which are left to the forms of other models."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.bedrock_converse.invoke import InvokeCounts, read_chunk
from thinkaloud_server.providers.bedrock_converse.invoke_models import Said


def said(event: object) -> list[Said]:
    return list(read_chunk(b64encode(json.dumps(event).encode()).decode()))


CASES: list[tuple[dict[str, Any], list[tuple[str, str, int]]]] = [
    ({"type": "message_start", "message": {"model": "c", "id": "1"}}, [("begin", "c", 0), ("usage", "", 0)]),
    ({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "a"}}, [("text", "a", 1)]),
    (
        {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": ""}},
        [("reasoning", "", 1)],
    ),
    (
        {"type": "content_block_start", "index": 2, "content_block": {"type": "redacted_thinking", "data": "x"}},
        [("redacted", "x", 2)],
    ),
    (
        {"type": "content_block_start", "index": 3, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        [("call", "t", 3)],
    ),
    ({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}}, [("text", "a", 1)]),
    ({"type": "content_block_delta", "index": 1, "delta": {"thinking": "a"}}, [("reasoning", "a", 1)]),
    ({"type": "content_block_delta", "index": 1, "delta": {"signature": "a"}}, [("signature", "a", 1)]),
    ({"type": "content_block_delta", "index": 1, "delta": {"partial_json": "{"}}, [("input", "{", 1)]),
    ({"type": "content_block_delta", "index": "1", "delta": {"text": 5}}, []),
    ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, [("usage", "", 0), ("stop", "end_turn", 0)]),
    ({"type": "message_stop"}, [("usage", "", 0), ("end", "", 0)]),
    ({"type": "error", "error": {"message": "x"}}, [("error", "", 0)]),
    ({"type": "ping"}, []),
    (
        {"type": "completion", "completion": "a"},
        [("begin", "", 0), ("text", "a", 0), ("stop", "", 0), ("usage", "", 0)],
    ),
    ({"somethingNew": "Hi"}, []),
]


@pytest.mark.parametrize(("event", "expected"), CASES)
def test_what_an_event_says(event: dict[str, Any], expected: list[tuple[str, str, int]]) -> None:
    assert [(each.what, each.text, each.index) for each in said(event)] == expected


def test_what_is_json_to_python_alone_is_read_all_the_same() -> None:
    data = b64encode(b'{"outputText": "a\\ud83d", "score": NaN}').decode()
    assert [each.text for each in read_chunk(data) if each.what == "text"] == ["a\ufffd"]


@pytest.mark.parametrize("event", [[], None, "x", 3])
def test_what_is_no_object_is_refused(event: object) -> None:
    with pytest.raises(ValueError):
        said(event)


@pytest.mark.parametrize("data", ["?", "e", "bm90IGpzb24="])
def test_what_is_no_json_in_base64_is_refused(data: str) -> None:
    with pytest.raises(ValueError):
        list(read_chunk(data))


def test_counts_come_in_parts() -> None:
    counts = InvokeCounts()
    assert counts.add(None) is None
    assert counts.add({"input_tokens": 9, "output_tokens": 1}) == Usage(9, 1)
    assert counts.add({"output_tokens": 7, "cache_read_input_tokens": 3}) == Usage(12, 7, 0, 3)
    assert counts.add({"cache_creation_input_tokens": 2}) == Usage(14, 7, 0, 3)
    assert counts.add({"input_tokens": 0, "output_tokens": 0}) == Usage(14, 7, 0, 3)
