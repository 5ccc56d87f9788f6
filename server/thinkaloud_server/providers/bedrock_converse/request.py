"""Builds the request of ConverseStream.

How much to think is said in `additionalModelRequestFields`, in each model's own words (rows/bedrock_converse.py).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.request import ModelRequest, ResponseFormat
from thinkaloud_server.providers.bedrock_converse.content import wire_messages
from thinkaloud_server.providers.bedrock_converse.tools import tool_config
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import at
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.reasoning import merge, put, reasoning_fields
from thinkaloud_server.providers.sampling import sampling_taken

_THINKING = "additionalModelRequestFields.thinking"
# Nova's.
_EFFORT = "additionalModelRequestFields.reasoningConfig.maxReasoningEffort"
_BUDGET_MIN = 1024


def chat_request(endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
    """The streaming request. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    told = reasoning_fields(endpoint.vendor, request)
    notes = _fit_effort(told.fields, request.sampling.max_output_tokens)
    notes += _fit_budget(told.fields, request.sampling.max_output_tokens)
    body, more = _body(endpoint, request, told.fields)
    notes += more
    # A model's name may be an ARN, whose slash is no step of the path. Colons stay as they are: the HTTP client would
    # write "%3A" so too, and a signature is of the path as it is sent.
    path = endpoint.vendor.chat_path.replace("{model}", quote(request.model, safe=":"))
    return HttpRequest(
        "POST",
        endpoint_url(endpoint, path),
        request_headers(endpoint, accept="application/vnd.amazon.eventstream"),
        msgspec.json.encode(merge(body, told.fields)),
        reasoning_sent=bool(told.fields),
        adjusted=(*told.notes, *notes),
    )


def _body(
    endpoint: Endpoint, request: ModelRequest, thinking: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    messages, system = wire_messages(endpoint.provider, request.model, request.messages)
    if not messages:
        raise invalid("messages", "Bedrock takes no conversation without a text, a picture or a tool's result")
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    sampling, notes = _sampling(endpoint, request, thinking)
    if sampling:
        body["inferenceConfig"] = sampling
    if request.sampling.seed is not None:
        notes += ("the provider takes no seed: it was left out",)
    tools, tool_notes = tool_config(request)
    if tools:
        body["toolConfig"] = tools
    if request.response_format is not None and request.response_format.type != "text":
        body["outputConfig"] = {"textFormat": _text_format(request.response_format)}
    return merge(body, endpoint.vendor.body), notes + tool_notes


def _sampling(
    endpoint: Endpoint, request: ModelRequest, thinking: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    sampling, notes = request.sampling, list[str]()
    row = endpoint.vendor.reasoning_of(request.model, request.info)
    thinks = at(thinking, f"{_THINKING}.type") in ("enabled", "adaptive")
    temperature, top_p = sampling_taken(row, sampling, notes, thinks=thinks)
    if at(thinking, _EFFORT) == "high" and (temperature is not None or top_p is not None):
        notes.append("a model that thinks much takes no temperature and no top_p: they were left out")
        temperature = top_p = None
    fields = {
        "maxTokens": sampling.max_output_tokens,
        "temperature": temperature,
        "topP": top_p,
        "stopSequences": list(sampling.stop) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}, tuple(notes)


def _text_format(wanted: ResponseFormat) -> dict[str, Any]:
    """The schema goes as text within the JSON."""
    if wanted.type == "json_object":
        raise invalid("response_format", "Bedrock holds an answer to a JSON schema, not to JSON of any form")
    json_object("response_format.schema", wanted.schema)
    schema = {"name": wanted.name or "answer", "schema": wanted.schema}
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _fit_effort(fields: dict[str, Any], max_tokens: int | None) -> tuple[str, ...]:
    """Nova refuses its strongest effort beside a limit of the output, which costs money to leave out."""
    if at(fields, _EFFORT) != "high" or max_tokens is None:
        return ()
    put(fields, _EFFORT, "medium")
    return ('the model takes no limit of its output with the effort "high": "medium" was sent',)


def _fit_budget(fields: dict[str, Any], max_tokens: int | None) -> tuple[str, ...]:
    """Claude's thoughts are part of its output, so a budget must be below the limit of that, or is refused."""
    budget = at(fields, f"{_THINKING}.budget_tokens")
    if not isinstance(budget, int) or max_tokens is None or budget < max_tokens:
        return ()
    if max_tokens <= _BUDGET_MIN:
        del fields["additionalModelRequestFields"]
        return (f"the model cannot think within {max_tokens} tokens of output: the reasoning control was left out",)
    put(fields, f"{_THINKING}.budget_tokens", max(_BUDGET_MIN, max_tokens - 1))
    return (f"the thinking budget must be below the limit of the output: {max_tokens - 1} tokens were sent",)
