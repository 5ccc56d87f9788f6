"""The tools of `bedrock-converse`, also those that the history alone knows."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.message import Message, TextPart, ToolCall
from thinkaloud_server.core.request import ModelRequest, Tool
from thinkaloud_server.providers.bedrock_converse.tools import tool_config

F = Tool("f", "Does", '{"type":"object","properties":{"b":{},"a":{}}}')
ASKED = Message("user", (TextPart("Hello"),))
CALLED = Message("assistant", (ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}"), ToolCall("3", "f", "{}")))
ANYTHING = {"json": {"type": "object", "properties": {}}}
SPEC = {"toolSpec": {"name": "f", "description": "Does", "inputSchema": {"json": json.loads(F.parameters)}}}


def config(*messages: Message, tools: tuple[Tool, ...] = (), choice: str = "") -> tuple[Any, tuple[str, ...]]:
    wire, notes = tool_config(ModelRequest("m", messages or (ASKED,), tools=tools, tool_choice=choice))
    return json.loads(msgspec.json.encode(wire)), notes


@pytest.mark.parametrize(
    ("choice", "wire"),
    [("", None), ("auto", None), ("required", {"any": {}}), ("f", {"tool": {"name": "f"}})],
)
def test_how_a_tool_is_chosen(choice: str, wire: object) -> None:
    expected = {"tools": [SPEC]} | ({"toolChoice": wire} if wire else {})
    assert config(tools=(F,), choice=choice) == (expected, ())


def test_no_tools_and_tools_that_may_not_be_called_are_not_told() -> None:
    assert config() == ({}, ())
    assert config(tools=(F,), choice="none") == ({}, ())


def test_a_tool_may_lack_a_description_and_parameters_and_be_strict() -> None:
    wire, _ = config(tools=(Tool("g", " ", "", strict=True),))
    assert wire == {"tools": [{"toolSpec": {"name": "g", "inputSchema": ANYTHING, "strict": True}}]}


def test_parameters_must_be_an_object() -> None:
    with pytest.raises(ChatError, match="must be a JSON object"):
        config(tools=(Tool("g", "", "[]"),))


def test_tools_that_the_history_called_are_described_when_nobody_else_does() -> None:
    specs = [{"toolSpec": {"name": name, "inputSchema": ANYTHING}} for name in ("f", "g")]
    assert config(ASKED, CALLED) == ({"tools": specs}, ())
    assert config(ASKED, CALLED, choice="required") == ({"tools": specs}, ())
    assert config(ASKED, CALLED, tools=(F,), choice="auto") == ({"tools": [SPEC]}, ())


def test_that_a_call_cannot_be_forbidden_is_said() -> None:
    wire, notes = config(ASKED, CALLED, tools=(F,), choice="none")
    assert wire == {"tools": [SPEC]}
    assert len(notes) == 1
