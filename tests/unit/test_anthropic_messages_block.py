"""A block of an answer, and what is stored of it."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.anthropic_messages.block import Block, kind_of


def test_thoughts_are_stored_verbatim() -> None:
    block = Block("thinking", 0)
    block.pieces += ["We ", "add."]
    assert block.to_replay() == {"type": "thinking", "thinking": "We add."}
    block.signature = "c2ln"
    assert block.to_replay() == {"type": "thinking", "thinking": "We add.", "signature": "c2ln"}


def test_of_the_rest_the_place_is_stored() -> None:
    text, call, secret = Block("text", 0), Block("tool_use", 1, 0), Block("redacted_thinking", 2)
    text.characters, call.id, secret.data = 7, "toolu_1", "ZW5j"
    assert text.to_replay() == {"type": "text", "characters": 7}
    assert call.to_replay() == {"type": "tool_use", "id": "toolu_1"}
    assert secret.to_replay() == {"type": "redacted_thinking", "data": "ZW5j"}
    assert Block("other", 3).to_replay() is None


@pytest.mark.parametrize(
    ("given", "arguments"), [({"a": 1}, '{"a":1}'), ({}, ""), (None, ""), ('{"a":1}', '{"a":1}'), ([1], "[1]")]
)
def test_an_input_that_came_whole_counts_once(given: object, arguments: str) -> None:
    block = Block("tool_use", 0, 0)
    block.input = given
    assert block.late_input() == arguments
    assert block.late_input() == ""


def test_a_type_that_nobody_knows_is_another() -> None:
    words = ("text", "tool_use", "server_tool_use", "mcp_tool_use", None, 7)
    assert [kind_of(word) for word in words] == ["text", "tool_use", "other", "other", "other", "other"]
