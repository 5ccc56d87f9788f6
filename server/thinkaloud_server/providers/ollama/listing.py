"""Reads what the server has: /api/tags names its models, /api/show says of each what it can.

Sources: api/types.go (ShowResponse) and docs/capabilities/thinking.mdx of ollama/ollama: `thinking.values` are the
values that `think` takes, booleans or names of levels, and `thinking.default` is that of a request without one;
without it the capabilities are all that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import msgspec

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import at
from thinkaloud_server.providers.http import request_headers
from thinkaloud_server.providers.lenient import read_strictly
from thinkaloud_server.providers.ollama.request import api_url

# The forms of ModelInfo.forms (rows/ollama.py): `think` takes names of levels, or is a switch.
LEVELS, SWITCH = "levels", "switch"
_SHOW_PATH = "/api/show"


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing."""
    url = api_url(endpoint, endpoint.vendor.models_path)
    return HttpRequest("GET", url, request_headers(endpoint, accept="application/json"))


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models that can chat, each once, in the listing's order. Raises ValueError for what is no listing."""
    value = read_strictly(body)
    items = at(value, "models")
    if not isinstance(items, list):
        raise ValueError("no listing of models")  # noqa: TRY004 - one error for all that is no listing
    models: dict[str, ModelInfo] = {}
    for item in items:
        if isinstance(item, dict) and (name := _name(item)) and not _embeds(name, item):
            models.setdefault(name, _known(ModelInfo(name, endpoint.provider), item))
    return tuple(models.values())


def detail_request(endpoint: Endpoint, model: ModelInfo) -> HttpRequest:
    """The request for what this model can."""
    headers = request_headers(endpoint, accept="application/json")
    body = msgspec.json.encode({"model": model.name})
    return HttpRequest("POST", api_url(endpoint, _SHOW_PATH), (*headers, ("content-type", "application/json")), body)


def read_detail(model: ModelInfo, body: bytes) -> ModelInfo | None:
    """The model with what is said of it; None for one that cannot chat. Raises ValueError for what says nothing."""
    value = read_strictly(body)
    if not isinstance(value, dict) or not ("capabilities" in value or "model_info" in value or "details" in value):
        raise ValueError("no description of a model")
    capabilities = value.get("capabilities")
    if isinstance(capabilities, list) and capabilities and "completion" not in capabilities:
        return None
    return _known(model, value)


def _known(model: ModelInfo, item: dict[str, Any]) -> ModelInfo:
    capabilities = item.get("capabilities")
    if isinstance(capabilities, list) and capabilities:
        model = replace(
            model,
            reasoning="optional" if "thinking" in capabilities else "none",
            vision="vision" in capabilities,
            tools="tools" in capabilities,
        )
    values = at(item, "thinking.values")
    if isinstance(values, list) and values:
        levels = tuple(value for value in values if isinstance(value, str))
        form = LEVELS if levels else SWITCH
        unasked = at(item, "thinking.default")
        default = unasked if isinstance(unasked, str) and unasked in levels else ""
        model = replace(model, reasoning=_reasoning(values), efforts=levels, forms=(form,), default_effort=default)
    return replace(model, context_length=_context_length(item.get("model_info")) or model.context_length)


def _reasoning(values: list[object]) -> Literal["none", "optional", "mandatory"]:
    if not any(values):
        return "none"
    return "optional" if False in values else "mandatory"


def _context_length(info: object) -> int:
    """The key begins with the architecture: "llama.context_length". Parts of a model have lengths of their own."""
    if not isinstance(info, dict):
        return 0
    architecture = info.get("general.architecture")
    lengths = {
        name: value
        for name, value in info.items()
        if name.endswith(".context_length") and type(value) is int and 0 < value < 2**31
    }
    return lengths.get(f"{architecture}.context_length", 0) or next(iter(lengths.values()), 0)


def _name(item: dict[str, Any]) -> str:
    names = (item.get("model"), item.get("name"))
    return next((name for name in names if isinstance(name, str) and name), "")


def _embeds(name: str, item: dict[str, Any]) -> bool:
    """Whether a listing that knows no capabilities still gives an embedding model away: by its family or name."""
    capabilities = item.get("capabilities")
    if isinstance(capabilities, list) and capabilities:
        return "completion" not in capabilities
    family = at(item, "details.family")
    return "embed" in name.lower() or (isinstance(family, str) and "bert" in family.lower())
