"""Reads a listing of models (GET /v1/models)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.cohere_v2.request import unversioned
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import any_of, number
from thinkaloud_server.providers.http import endpoint_url, request_headers
from thinkaloud_server.providers.lenient import read_strictly

_REASONS = ("features:reasoning", "features:thinking", "supports_reasoning")
_SEES = ("supports_vision", "features:vision")
_CALLS = ("features:tools", "features:strict_tools")


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing: the models that can chat, all on one page."""
    url = endpoint_url(
        unversioned(endpoint), endpoint.vendor.models_path, query={"endpoint": "chat", "page_size": "1000"}
    )
    return HttpRequest("GET", url, request_headers(endpoint, accept="application/json"))


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models that can chat, each once, in the listing's order. Raises ValueError for what is no listing."""
    value = read_strictly(body)
    items = value.get("models") if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise ValueError("no listing of models")  # noqa: TRY004 - one error for all that is no listing
    models: dict[str, ModelInfo] = {}
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and name and _can_chat(item):
            models.setdefault(name, _model(endpoint, name, item))
    return tuple(models.values())


def _can_chat(item: dict[str, Any]) -> bool:
    endpoints = item.get("endpoints")
    return not isinstance(endpoints, list) or "chat" in endpoints


def _model(endpoint: Endpoint, name: str, item: dict[str, Any]) -> ModelInfo:
    return ModelInfo(
        name=name,
        provider=endpoint.provider,
        context_length=number(item, ("context_length",)),
        max_output_tokens=number(item, ("max_output_tokens",)),
        reasoning=_reasoning(endpoint, name, item),
        vision=any_of(item, _SEES) is True,
        tools=any_of(item, _CALLS) is True,
    )


def _reasoning(endpoint: Endpoint, name: str, item: dict[str, Any]) -> Literal["none", "optional", ""]:
    """Features name it; of those that do not, the names of models tell which think and which do not."""
    row = endpoint.vendor.reasoning_of(name)
    if any_of(item, _REASONS) or (row.on and row is not endpoint.vendor.reasoning):
        return "optional"
    return "" if row.on else "none"
