"""The tools of a request. Converse wants them described while the history holds calls, and cannot forbid one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thinkaloud_server.core.message import Message, ToolCall
from thinkaloud_server.core.request import ModelRequest, Tool
from thinkaloud_server.providers.http import json_object

_ANYTHING = '{"type":"object","properties":{}}'


def tool_config(request: ModelRequest) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`toolConfig`, empty for none, and what the caller should know of it."""
    called = _called(request.messages)
    choice = request.tool_choice
    if choice == "none" and not called:
        return {}, ()
    specs = [_spec(number, tool) for number, tool in enumerate(request.tools)]
    if not specs:
        # Refused otherwise: "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        specs = [_spec(0, Tool(name, "", _ANYTHING)) for name in called]
    if not specs:
        return {}, ()
    config: dict[str, Any] = {"tools": specs}
    if choice == "none":
        return config, ("the provider cannot be told to call no tool while the history holds calls",)
    # "auto" is what a model does unasked, and many that call tools refuse any choice (ToolChoice, in botocore).
    if request.tools and choice not in ("", "auto"):
        config["toolChoice"] = {"any": {}} if choice == "required" else {"tool": {"name": choice}}
    return config, ()


def _called(messages: Sequence[Message]) -> list[str]:
    names = (part.name for message in messages for part in message.parts if isinstance(part, ToolCall))
    return list(dict.fromkeys(names))


def _spec(number: int, tool: Tool) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": tool.name}
    if tool.description.strip():
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": json_object(f"tools[{number}].parameters", tool.parameters or _ANYTHING)}
    if tool.strict:
        spec["strict"] = True
    return {"toolSpec": spec}
