"""Builds the request of `/api/chat`. The size of the context stays what the server was set up with.

Sources: docs/api.md and api/types.go (Message, ToolCall, Options) of ollama/ollama.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall
from thinkaloud_server.core.request import ModelRequest, ResponseFormat, Tool
from thinkaloud_server.providers.content import parted
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.ollama.replay import replayed_fields
from thinkaloud_server.providers.reasoning import merge, reasoning_fields


def chat_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    told = reasoning_fields(endpoint.vendor, request)
    body = msgspec.json.encode(merge(_body(endpoint, request), told.fields))
    return HttpRequest(
        "POST",
        api_url(endpoint, endpoint.vendor.chat_path),
        request_headers(endpoint, accept="application/x-ndjson"),
        body,
        reasoning_sent=bool(told.fields),
        adjusted=told.notes,
    )


def api_url(endpoint: Endpoint, path: str) -> str:
    """The URL of this path, which begins with /api; so may the end of a base URL, as other clients want it."""
    url = urlsplit(endpoint.base_url)
    base_path = url.path.rstrip("/").removesuffix(endpoint.vendor.chat_path).removesuffix("/api")
    base_url = urlunsplit((url.scheme, url.netloc, base_path, url.query, ""))
    return endpoint_url(replace(endpoint, base_url=base_url), path)


def _body(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    names = {part.id: part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            item
            for number, message in enumerate(request.messages)
            for item in _messages(endpoint.provider, names, number, message)
        ],
        "stream": True,
    }
    if options := _options(request):
        body["options"] = options
    if request.tool_choice not in ("", "auto", "none"):
        raise invalid("tool_choice", "Ollama leaves the choice to the model: only auto and none can be asked of it")
    if request.tools and request.tool_choice != "none":
        body["tools"] = [_tool(number, tool) for number, tool in enumerate(request.tools)]
    if request.response_format is not None and request.response_format.type != "text":
        body["format"] = _format(request.response_format)
    return merge(body, endpoint.vendor.body)


def _options(request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "num_predict": sampling.max_output_tokens,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _messages(provider: str, names: Mapping[str, str], number: int, message: Message) -> Iterator[dict[str, Any]]:
    """One message of ours is one of the wire's, but each result of a tool is one of its own.

    A result is told apart by its tool's name; newer servers take the call's id besides.
    """
    results, others = parted(number, message)
    for result in results:
        wire = {"role": "tool", "content": result.result, "tool_call_id": result.id}
        if name := names.get(result.id):
            wire["tool_name"] = name
        yield wire
    if results and not others:
        return
    if message.role == "assistant":
        yield _assistant(provider, number, message)
        return
    yield _asked(number, message, others)


def _assistant(provider: str, number: int, message: Message) -> dict[str, Any]:
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise invalid(f"messages[{number}]", "a message of role assistant cannot hold an image")
    wire: dict[str, Any] = {"role": "assistant", "content": message.text}
    wire.update(replayed_fields(message.state, provider))
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "function": {
                    "name": call.name,
                    "arguments": json_object(f"messages[{number}].{call.name}", call.arguments or "{}"),
                },
            }
            for call in calls
        ]
    return wire


def _asked(number: int, message: Message, parts: list[TextPart | ImagePart | ToolCall]) -> dict[str, Any]:
    images: list[str] = []
    for part in parts:
        match part:
            case TextPart():
                pass
            case ImagePart() if message.role == "user":
                images.append(_image(number, part))
            case _:
                kind = "an image" if isinstance(part, ImagePart) else "a tool call"
                raise invalid(f"messages[{number}]", f"a message of role {message.role} cannot hold {kind}")
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if images:
        wire["images"] = images
    return wire


def _image(number: int, image: ImagePart) -> str:
    """The bytes as base64 text: the server fetches nothing."""
    if image.data_base64:
        return image.data_base64
    head, _, data = image.url.partition(";base64,")
    if data and head.startswith("data:"):
        return data
    raise invalid(f"messages[{number}]", "Ollama takes images as data only, not by URL")


def _tool(number: int, tool: Tool) -> dict[str, Any]:
    parameters = json_object(f"tools[{number}].parameters", tool.parameters or '{"type":"object","properties":{}}')
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _format(wanted: ResponseFormat) -> str | msgspec.Raw:
    return "json" if wanted.type == "json_object" else json_object("response_format.schema", wanted.schema)
