"""Builds the request: messages, tools, sampling, under Cohere's names.

How much to think is said by providers/reasoning.py. Source: https://docs.cohere.com/reference/chat-stream, August 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, ToolCall
from thinkaloud_server.core.request import ModelRequest, ResponseFormat, Sampling, Tool
from thinkaloud_server.providers.cohere_v2.replay import replayed
from thinkaloud_server.providers.content import content_of, function_call, parted
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.reasoning import merge, reasoning_fields

# The chat is of version 2 and the listing of version 1, so a version in the base URL is not of it.
_VERSION = re.compile(r"/v[12](?:/chat)?/?$")


def chat_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    told = reasoning_fields(endpoint.vendor, request)
    body = merge(merge(_body(endpoint, request), endpoint.vendor.body), told.fields)
    return HttpRequest(
        "POST",
        endpoint_url(unversioned(endpoint), endpoint.vendor.chat_path),
        request_headers(endpoint, accept="text/event-stream"),
        msgspec.json.encode(body),
        reasoning_sent=bool(told.fields),
        adjusted=told.notes,
    )


def unversioned(endpoint: Endpoint) -> Endpoint:
    """The endpoint with a base URL that ends before the API's version."""
    return replace(endpoint, base_url=_VERSION.sub("", endpoint.base_url))


def _body(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            item
            for number, message in enumerate(request.messages)
            for item in _messages(endpoint, request.model, number, message)
        ],
        "stream": True,
    }
    body.update(_sampling(request.sampling))
    body.update(_tools(request.tools, request.tool_choice))
    if request.response_format is not None and request.response_format.type != "text":
        body["response_format"] = _format(request.response_format)
    return body


def _sampling(sampling: Sampling) -> dict[str, Any]:
    fields = {
        "temperature": sampling.temperature,
        "p": sampling.top_p,
        "max_tokens": sampling.max_output_tokens,
        "stop_sequences": list(sampling.stop) or None,
        "seed": sampling.seed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _tools(tools: tuple[Tool, ...], choice: str) -> dict[str, Any]:
    """The choices are "some" and "none". One certain tool is some of those that are offered: that one."""
    if not tools:
        return {}
    if choice not in ("", "auto", "none", "required"):
        tools = tuple(tool for tool in tools if tool.name == choice)
        if not tools:
            raise invalid("tool_choice", f"names a tool that is not among the tools: {choice}")
        choice = "required"
    fields: dict[str, Any] = {"tools": [_tool(number, tool) for number, tool in enumerate(tools)]}
    if choice in ("none", "required"):
        fields["tool_choice"] = choice.upper()
    if all(tool.strict for tool in tools):
        fields["strict_tools"] = True
    return fields


def _tool(number: int, tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    function["parameters"] = json_object(f"tools[{number}].parameters", tool.parameters or '{"type":"object"}')
    return {"type": "function", "function": function}


def _format(wanted: ResponseFormat) -> dict[str, Any]:
    form: dict[str, Any] = {"type": "json_object"}
    if wanted.type == "json_schema":
        form["json_schema"] = json_object("response_format.schema", wanted.schema)
    return form


def _messages(endpoint: Endpoint, model: str, number: int, message: Message) -> Iterator[dict[str, Any]]:
    """One message of ours is one of the wire's, but each result of a tool is one of its own."""
    results, others = parted(number, message)
    for result in results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result.result}
    if results and not others:
        return
    if message.role == "assistant":
        yield _assistant(endpoint, model, number, message)
        return
    yield {"role": message.role, "content": content_of(number, message.role, others, text_type="text", image=_image)}


def _assistant(endpoint: Endpoint, model: str, number: int, message: Message) -> dict[str, Any]:
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise invalid(f"messages[{number}]", "a message of role assistant cannot hold an image")
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    text = message.text
    if not calls:
        return {"role": "assistant", "content": text}
    kept = replayed(message.state, endpoint.provider, model)
    content: list[Any] = list(kept.content)
    wire: dict[str, Any] = {"role": "assistant"}
    # What a model says before it calls is its plan here; another model's text becomes one.
    plan = kept.tool_plan or text
    if kept.tool_plan and text:
        content.append({"type": "text", "text": text})
    if content:
        wire["content"] = content
    if plan:
        wire["tool_plan"] = plan
    wire["tool_calls"] = [function_call(call) for call in calls]
    return wire


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}
