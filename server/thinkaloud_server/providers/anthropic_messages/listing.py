"""Reads a listing of models: of Anthropic, which says how a model is told to think, and of others, which do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import any_of, at, number
from thinkaloud_server.providers.http import endpoint_url, request_headers
from thinkaloud_server.providers.lenient import read_strictly
from thinkaloud_server.providers.vendors import Vendor

_CONTEXT = ("max_input_tokens", "context_length", "context_window")
_OUTPUT = ("max_tokens", "max_output_tokens", "top_provider.max_completion_tokens")
_SEES = ("capabilities.image_input.supported", "architecture.input_modalities:image")
_CALLS = ("capabilities.tool_use.supported", "supported_parameters:tools")
_THINKS = ("capabilities.thinking.supported", "supported_parameters:reasoning")
# Our words for the types of thinking.
_FORMS = (("adaptive", "adaptive"), ("enabled", "budget"))
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing; a page of it is 20 models unless more are asked for."""
    url = endpoint_url(endpoint, endpoint.vendor.models_path, query={"limit": "1000"})
    return HttpRequest("GET", url, request_headers(endpoint, accept="application/json"))


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models, each once, in the listing's order. Raises ValueError for what is no listing."""
    value = read_strictly(body)
    names = ("data", "models", "publisherModels")
    items = next((value[name] for name in names if isinstance(value.get(name), list)), None) if _is(value) else None
    if items is None:
        raise ValueError("no listing of models")
    models: dict[str, ModelInfo] = {}
    for item in items:
        if _is(item) and (name := _name(item)):
            models.setdefault(name, _model(endpoint, name, item))
    return tuple(models.values())


def _is(value: object) -> bool:
    return isinstance(value, dict)


def _name(item: dict[str, Any]) -> str:
    """Its id; Vertex has "publishers/anthropic/models/…" for a name."""
    if isinstance(item.get("id"), str):
        return str(item["id"])
    name = item.get("name")
    return name.rpartition("publishers/anthropic/models/")[2] if isinstance(name, str) else ""


def _model(endpoint: Endpoint, name: str, item: dict[str, Any]) -> ModelInfo:
    types = at(item, "capabilities.thinking.types")
    efforts = at(item, "capabilities.effort")
    thinks = any_of(item, _THINKS)
    calls = any_of(item, _CALLS)
    info = ModelInfo(
        name=name,
        provider=endpoint.provider,
        context_length=number(item, _CONTEXT),
        max_output_tokens=number(item, _OUTPUT),
        reasoning="" if thinks is None else "optional" if thinks else "none",
        vision=any_of(item, _SEES) is True,
        # Where Anthropic tells capabilities at all, it does not mention tools: every model of its takes them.
        tools=_is(item.get("capabilities")) if calls is None else calls,
        efforts=tuple(word for word in _EFFORTS if at(efforts, f"{word}.supported") is True),
        forms=tuple(form for type_, form in _FORMS if at(types, f"{type_}.supported") is True),
    )
    return replace(info, reasoning="mandatory") if thinks and _always_thinks(endpoint.vendor, info) else info


def _always_thinks(vendor: Vendor, info: ModelInfo) -> bool:
    """As the row knows it: no listing tells that a model cannot be switched off."""
    row = vendor.reasoning_of(info.name, info)
    return bool(row.shown) and row.off is None
