"""Builds the request: the body, its headers and its place. What thinking asks of it is in thinking.py."""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.core.request import ModelRequest, ResponseFormat, Tool
from thinkaloud_server.providers.anthropic_messages.history import system_text, turns
from thinkaloud_server.providers.anthropic_messages.thinking import Plan, plan
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.reasoning import merge

_BETA = "anthropic-beta"


def messages_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    vendor = endpoint.vendor
    messages = turns(endpoint, request.model, request.messages)
    planned = plan(vendor, request, messages)
    notes = list(planned.notes)
    body: dict[str, Any] = {"max_tokens": planned.max_tokens, "messages": messages, "stream": True}
    if "{model}" not in vendor.chat_path:
        body = {"model": request.model, **body}
    if system := system_text(request.messages):
        body["system"] = system
    body.update(_knobs(request, planned, notes))
    if request.tools:
        body["tools"] = [_tool(number, tool) for number, tool in enumerate(request.tools)]
    if planned.tool_choice:
        body["tool_choice"] = _tool_choice(planned.tool_choice)
    if request.response_format is not None:
        merge(body, _response_format(request.response_format, notes))
    return HttpRequest(
        "POST",
        endpoint_url(endpoint, vendor.chat_path, model=request.model),
        _headers(endpoint, planned),
        msgspec.json.encode(merge(merge(body, vendor.body), planned.fields)),
        reasoning_sent=bool(planned.fields),
        adjusted=tuple(notes),
    )


def _headers(endpoint: Endpoint, planned: Plan) -> tuple[tuple[str, str], ...]:
    """The usual ones; betas that somebody configured stay beside those that are needed."""
    headers = dict(request_headers(endpoint, accept="text/event-stream"))
    for name, value in planned.headers:
        known = headers.get(name, "")
        if name != _BETA or not known:
            headers[name] = value
        elif value not in known:
            headers[name] = f"{known},{value}"
    return tuple(headers.items())


def _knobs(request: ModelRequest, planned: Plan, notes: list[str]) -> dict[str, Any]:
    sampling = request.sampling
    if sampling.seed is not None:
        notes.append("the provider takes no seed: it was left out")
    stops = [stop for stop in sampling.stop if stop.strip()]
    if len(stops) < len(sampling.stop):
        notes.append("the provider takes no stop sequence of white space: it was left out")
    fields = {"temperature": planned.temperature, "top_p": planned.top_p, "stop_sequences": stops or None}
    return {name: value for name, value in fields.items() if value is not None}


def _tool(number: int, tool: Tool) -> dict[str, Any]:
    wire: dict[str, Any] = {"name": tool.name}
    if tool.description:
        wire["description"] = tool.description
    wire["input_schema"] = json_object(f"tools[{number}].parameters", tool.parameters or '{"type":"object"}')
    if tool.strict:
        wire["strict"] = True
    return wire


def _tool_choice(choice: str) -> dict[str, str]:
    match choice:
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case _:
            return {"type": "tool", "name": choice}


def _response_format(wanted: ResponseFormat, notes: list[str]) -> dict[str, Any]:
    """A schema has its place; JSON without one has none, and a schema that fits any object is refused."""
    if wanted.type == "json_schema":
        schema = json_object("response_format.schema", wanted.schema)
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    if wanted.type == "json_object":
        notes.append("the provider knows no JSON without a schema: the response format was left out")
    return {}
