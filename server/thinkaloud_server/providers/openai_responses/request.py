"""Builds the request: the history as items, tools, sampling, the form of the answer.

How much to think is said by providers/reasoning.py. Nothing is stored at the provider (`store: false`): the history is
ours, and what it needs of the reasoning comes back encrypted (replay.py).

The format has no stop words and no seed. They are left out, and the caller is told: a request that another vendor
would take is answered here too, and nobody is left to believe that the words were watched for.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.core.request import ModelRequest, ResponseFormat, Sampling, Tool
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.openai_responses.items import input_items
from thinkaloud_server.providers.reasoning import merge, reasoning_fields

_TOOL_CHOICES = frozenset({"auto", "none", "required"})


def responses_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    told = reasoning_fields(endpoint.vendor, request)
    body = msgspec.json.encode(merge(_body(endpoint, request), told.fields))
    return HttpRequest(
        "POST",
        endpoint_url(endpoint, endpoint.vendor.chat_path, model=request.model),
        request_headers(endpoint, accept="text/event-stream"),
        body,
        reasoning_sent=bool(told.fields),
        adjusted=(*told.notes, *_left_out(request.sampling)),
    )


def _body(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "input": [
            item
            for number, message in enumerate(request.messages)
            for item in input_items(endpoint, request.model, number, message)
        ],
        "stream": True,
        "store": False,
    }
    sampling = request.sampling
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_output_tokens,
    }
    body.update({name: value for name, value in fields.items() if value is not None})
    if request.tools:
        body["tools"] = [_tool(number, tool) for number, tool in enumerate(request.tools)]
    if request.tool_choice:
        choice = request.tool_choice
        body["tool_choice"] = choice if choice in _TOOL_CHOICES else {"type": "function", "name": choice}
    if request.response_format is not None and request.response_format.type != "text":
        body["text"] = {"format": _format(request.response_format)}
    return merge(body, endpoint.vendor.body)


def _left_out(sampling: Sampling) -> tuple[str, ...]:
    notes = []
    if sampling.stop:
        notes.append("the provider takes no stop words: they were left out")
    if sampling.seed is not None:
        notes.append("the provider takes no seed: it was left out")
    return tuple(notes)


def _tool(number: int, tool: Tool) -> dict[str, Any]:
    # Said in any case: left out, it is true here and false in `openai-chat`.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": json_object(f"tools[{number}].parameters", tool.parameters or '{"type":"object"}'),
        "strict": tool.strict,
    }


def _format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.type == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"type": "json_schema", "name": wanted.name or "answer"}
    schema["schema"] = json_object("response_format.schema", wanted.schema)
    if wanted.strict:
        schema["strict"] = True
    return schema
