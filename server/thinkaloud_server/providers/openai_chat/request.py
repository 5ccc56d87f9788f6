"""Builds the request: messages, tools, sampling, each under the vendor's own names.

How much to think is said by providers/reasoning.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, ToolCall
from thinkaloud_server.core.request import ModelRequest, ResponseFormat, Tool
from thinkaloud_server.providers.content import content_of, function_call, parted
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.openai_chat.replay import put_back_extras, replayed_fields
from thinkaloud_server.providers.reasoning import merge, reasoning_fields
from thinkaloud_server.providers.vendors import Vendor

_TOOL_CHOICES = frozenset({"auto", "none", "required"})


def chat_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    told = reasoning_fields(endpoint.vendor, request)
    body = msgspec.json.encode(merge(_body(endpoint, request), told.fields))
    return HttpRequest(
        "POST",
        endpoint_url(endpoint, endpoint.vendor.chat_path, model=request.model),
        request_headers(endpoint, accept="text/event-stream"),
        body,
        reasoning_sent=bool(told.fields),
        adjusted=told.notes,
    )


def _body(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    vendor = endpoint.vendor
    with_tools = any(isinstance(part, ToolCall) for message in request.messages for part in message.parts)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            item
            for number, message in enumerate(request.messages)
            for item in _messages(endpoint, request.model, number, message, with_tools)
        ],
        "stream": True,
    }
    if vendor.usage_option:
        body["stream_options"] = {"include_usage": True}
    body.update(_sampling(vendor, request))
    if request.tools:
        body["tools"] = [_tool(number, tool) for number, tool in enumerate(request.tools)]
    if request.tool_choice:
        body["tool_choice"] = _tool_choice(vendor, request.tool_choice)
    if request.response_format is not None and request.response_format.type != "text":
        body["response_format"] = _response_format(request.response_format)
    return merge(body, vendor.body)


def _sampling(vendor: Vendor, request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        vendor.max_tokens_field: sampling.max_output_tokens,
        "stop": list(sampling.stop) or None,
        vendor.seed_field: sampling.seed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _messages(
    endpoint: Endpoint, model: str, number: int, message: Message, with_tools: bool
) -> Iterator[dict[str, Any]]:
    """One message of ours is one of the wire's, but each result of a tool is one of its own."""
    results, others = parted(number, message)
    for result in results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result.result}
    if results and not others:
        return
    if message.role == "assistant":
        yield _assistant(endpoint, model, number, message, with_tools)
        return
    yield {"role": message.role, "content": content_of(number, message.role, others, text_type="text", image=_image)}


def _assistant(endpoint: Endpoint, model: str, number: int, message: Message, with_tools: bool) -> dict[str, Any]:
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise invalid(f"messages[{number}]", "a message of role assistant cannot hold an image")
    wire: dict[str, Any] = {"role": "assistant", "content": message.text or (None if calls else "")}
    wire.update(replayed_fields(message, endpoint.vendor.replay, endpoint.provider, model, with_tools=with_tools))
    wire_calls = [function_call(call) for call in calls]
    put_back_extras(wire, wire_calls)
    if calls:
        wire["tool_calls"] = wire_calls
    return wire


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _tool(number: int, tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    function["parameters"] = json_object(f"tools[{number}].parameters", tool.parameters or '{"type":"object"}')
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(vendor: Vendor, choice: str) -> str | dict[str, Any]:
    if choice not in _TOOL_CHOICES:
        return {"type": "function", "function": {"name": choice}}
    return vendor.tool_required if choice == "required" else choice


def _response_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.type == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name or "answer"}
    schema["schema"] = json_object("response_format.schema", wanted.schema)
    if wanted.strict:
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}
