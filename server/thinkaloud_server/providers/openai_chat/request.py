"""Builds the request: messages, tools, sampling, and the vendor's own way of saying how much to think.

Without reasoning controls in the request, no field about reasoning is sent at all: leaving them out is what a retry
after a refused control means, and what models do then is their vendors' choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import EFFORTS, Effort, ModelRequest, ReasoningControl, ResponseFormat, Tool
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.openai_chat.replay import replayed_fields
from thinkaloud_server.providers.openai_chat.url import chat_url
from thinkaloud_server.providers.vendors import Reasoning, Vendor

_TOOL_CHOICES = frozenset({"auto", "none", "required"})
# The effort that a budget comes nearest to, for vendors without budgets.
_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (1024, "low"), (8192, "medium"), (32768, "high"))


def chat_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    body = msgspec.json.encode(_body(endpoint, request))
    return HttpRequest("POST", chat_url(endpoint), request_headers(endpoint, accept="text/event-stream"), body)


def request_headers(endpoint: Endpoint, *, accept: str) -> tuple[tuple[str, str], ...]:
    """The headers of any request to this endpoint; configured ones take the place of ours."""
    headers = {"accept": accept}
    if accept == "text/event-stream":
        headers["content-type"] = "application/json"
    if endpoint.api_key:
        name = endpoint.vendor.key_header
        headers[name] = f"Bearer {endpoint.api_key}" if name == "authorization" else endpoint.api_key
    headers.update((name.lower(), value) for name, value in endpoint.headers)
    return tuple(headers.items())


def _body(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    vendor = endpoint.vendor
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            item
            for number, message in enumerate(request.messages)
            for item in _messages(endpoint, request.model, number, message)
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
    if request.reasoning is not None:
        _merge(body, reasoning_fields(vendor.reasoning_of(request.model), request.reasoning))
    return body


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


def reasoning_fields(row: Reasoning, control: ReasoningControl) -> dict[str, Any]:
    """The fields by which this vendor is told how much to think."""
    fields: dict[str, Any] = {}
    budget = control.max_tokens
    effort = control.effort
    if effort is None and budget is not None and (not row.budget or budget == 0):
        effort, budget = _nearest_effort(budget), None
    if effort == "none" and row.off is not None:
        return _merge(fields, row.off)
    _merge(fields, row.on)
    if budget is not None and effort is None:
        _put(fields, row.budget, budget)
    elif effort is not None:
        if row.effort and effort in row.words:
            _put(fields, row.effort, row.words[effort])
    else:
        _merge(fields, row.bare)
    if row.summary and control.summary is not None:
        _put(fields, row.summary, control.summary)
    return fields


def _nearest_effort(budget: int) -> Effort:
    return next((effort for tokens, effort in _BUDGETS if budget <= tokens), EFFORTS[-1])


def _put(fields: dict[str, Any], path: str, value: object) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
    fields[name] = value


def _merge(fields: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Put `more` into `fields`, object by object; the rows of the table are never changed."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(fields.setdefault(name, {}), value)
        else:
            fields[name] = value
    return fields


def _messages(endpoint: Endpoint, model: str, number: int, message: Message) -> Iterator[dict[str, Any]]:
    """One message of ours is one of the wire's, but each result of a tool is one of its own."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    others = [part for part in message.parts if not isinstance(part, ToolResult)]
    if results and message.role not in ("tool", "user"):
        raise invalid(f"messages[{number}]", f"a message of role {message.role} cannot hold a tool result")
    for result in results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result.result}
    if results and not others:
        return
    if message.role == "tool":
        raise invalid(f"messages[{number}]", "a message of role tool holds tool results and nothing else")
    if message.role == "assistant":
        yield _assistant(endpoint, model, number, message)
        return
    yield {"role": message.role, "content": _content(number, message.role, others)}


def _assistant(endpoint: Endpoint, model: str, number: int, message: Message) -> dict[str, Any]:
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise invalid(f"messages[{number}]", "a message of role assistant cannot hold an image")
    wire: dict[str, Any] = {"role": "assistant", "content": message.text or (None if calls else "")}
    wire.update(replayed_fields(message.state, endpoint.vendor.replay, endpoint.provider, model))
    if calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in calls
        ]
    return wire


def _content(number: int, role: str, parts: list[TextPart | ImagePart | ToolCall]) -> str | list[dict[str, Any]]:
    """Plain text as a string, which every server understands; a list only where there is a picture."""
    content: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case TextPart():
                content.append({"type": "text", "text": part.text})
            case ImagePart() if role == "user":
                content.append({"type": "image_url", "image_url": {"url": _image_url(number, part)}})
            case _:
                kind = "an image" if isinstance(part, ImagePart) else "a tool call"
                raise invalid(f"messages[{number}]", f"a message of role {role} cannot hold {kind}")
    if all(item["type"] == "text" for item in content):
        return "".join(item["text"] for item in content)
    return content


def _image_url(number: int, image: ImagePart) -> str:
    if image.url:
        return image.url
    if not image.data_base64:
        raise invalid(f"messages[{number}]", "an image needs a URL or data")
    return f"data:{image.content_type or 'image/png'};base64,{image.data_base64}"


def _tool(number: int, tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    function["parameters"] = _json_object(f"tools[{number}].parameters", tool.parameters or '{"type":"object"}')
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
    schema["schema"] = _json_object("response_format.schema", wanted.schema)
    if wanted.strict:
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}


def _json_object(field: str, text: str) -> msgspec.Raw:
    """JSON text, to be sent verbatim: parsed only to know that it is an object."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        raise invalid(field, "must be a JSON object") from None
    return msgspec.Raw(text.encode())
