"""Builds the request: the URL, the contents, tools, the generation config.

How much to think is said by providers/reasoning.py; both APIs take the same body (AI Studio and Vertex, August 2026).
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.core.request import ModelRequest, ResponseFormat, Tool
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.gemini.contents import contents_of
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.reasoning import merge, reasoning_fields

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def chat_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    told = reasoning_fields(endpoint.vendor, request)
    body = merge(merge(_body(endpoint, request), endpoint.vendor.body), told.fields)
    return HttpRequest(
        "POST",
        # A listing's names are "models/x" (AI Studio) or "publishers/google/models/x" (Vertex).
        endpoint_url(
            endpoint, endpoint.vendor.chat_path, model=request.model.rpartition("models/")[2], query={"alt": "sse"}
        ),
        request_headers(endpoint, accept="text/event-stream"),
        msgspec.json.encode(body),
        reasoning_sent=bool(told.fields),
        adjusted=told.notes,
    )


def _body(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    body = contents_of(endpoint, request)
    if request.tools:
        declarations = [_declaration(number, tool) for number, tool in enumerate(request.tools)]
        body["tools"] = [{"functionDeclarations": declarations}]
        # Without declarations the API refuses a calling config.
        if request.tool_choice:
            body["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    if config := _config(request):
        body["generationConfig"] = config
    return body


def _declaration(number: int, tool: Tool) -> dict[str, Any]:
    """`parameters` is a dialect of OpenAPI's schema with types of its own; JSON Schema goes into its neighbour."""
    declaration: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters:
        declaration["parametersJsonSchema"] = json_object(f"tools[{number}].parameters", tool.parameters)
    return declaration


def _calling(choice: str) -> dict[str, Any]:
    if choice in _MODES:
        return {"mode": _MODES[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}


def _config(request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    fields = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "maxOutputTokens": sampling.max_output_tokens,
        "stopSequences": list(sampling.stop) or None,
        "seed": sampling.seed,
    }
    config = {name: value for name, value in fields.items() if value is not None}
    if request.response_format is not None:
        config.update(_format(request.response_format))
    return config


def _format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.type == "text":
        return {}
    form: dict[str, Any] = {"responseMimeType": "application/json"}
    if wanted.type == "json_schema":
        form["responseJsonSchema"] = json_object("response_format.schema", wanted.schema)
    return form
