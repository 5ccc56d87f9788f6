"""Parts of items, and the kinds of their texts."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud_server.providers.openai_responses.parts import read_part, texts_of


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "output_text", "text": "a"}, ("text", "a")),
        ({"type": "text", "text": "a"}, ("text", "a")),
        ({"type": "refusal", "refusal": "a"}, ("refusal", "a")),
        ({"type": "reasoning_text", "text": "a"}, ("raw", "a")),
        ({"type": "summary_text", "text": "a"}, ("summary", "a")),
        ({"type": "output_audio", "text": "a"}, (None, "a")),
        ({"type": 3}, (None, "")),
        ("a", (None, "a")),
        (None, (None, "")),
    ],
)
def test_a_part(part: object, expected: tuple[str | None, str]) -> None:
    assert read_part(part) == expected


ITEMS: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "message": (
        {
            "type": "message",
            "content": [
                {"type": "output_text", "text": "a"},
                {"type": "refusal", "refusal": "b"},
                {"type": "output_text", "text": "c"},
            ],
        },
        {"text": ["a", "c"], "refusal": ["b"]},
    ),
    "message whose content is text": ({"type": "message", "content": "a"}, {"text": ["a"]}),
    "reasoning": (
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "content": [{"type": "reasoning_text", "text": "c"}],
        },
        {"summary": ["a", "b"], "raw": ["c"]},
    ),
    "reasoning in parts of text": (
        {"type": "reasoning", "summary": [], "content": [{"type": "text", "text": "a"}]},
        {"raw": ["a"]},
    ),
    "reasoning that is hidden": ({"type": "reasoning", "summary": [], "encrypted_content": "E"}, {}),
    "a call": ({"type": "function_call", "arguments": "{}"}, {}),
    "another tool": ({"type": "mcp_call", "content": "secret"}, {}),
    "nothing": ({}, {}),
}


@pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS)
def test_the_texts_of_an_item(item: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert {
        kind: kept for kind, texts in texts_of(item).items() if (kept := [text for text in texts if text])
    } == expected
