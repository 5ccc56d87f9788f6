"""Reads a listing of models: AI Studio's, which says much, or Vertex's, which says names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import number
from thinkaloud_server.providers.http import endpoint_url, request_headers
from thinkaloud_server.providers.lenient import read_strictly
from thinkaloud_server.providers.vendors import Reasoning

# Vertex lists a publisher's models outside of projects, and in v1beta1 only (publishers.models.list).
_PROJECT = re.compile(r"/v1(?:beta1)?(?:/projects/[^/]+/locations/[^/]+)?/publishers/")
# Models that generate content, but no text.
_NO_CHAT = re.compile(r"-tts|-live|native-audio|embedding")


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing, all of it on one page."""
    url = endpoint_url(endpoint, endpoint.vendor.models_path, query={"pageSize": "1000"})
    return HttpRequest(
        "GET", _PROJECT.sub("/v1beta1/publishers/", url), request_headers(endpoint, accept="application/json")
    )


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models that can chat, each once, in the listing's order. Raises ValueError for what is no listing."""
    value = read_strictly(body)
    items = None
    if isinstance(value, dict):
        items = next((value[name] for name in ("models", "publisherModels") if isinstance(value.get(name), list)), None)
    if items is None:
        raise ValueError("no listing of models")
    models: dict[str, ModelInfo] = {}
    for item in items:
        if isinstance(item, dict) and (name := _name(item)) and _can_chat(name, item):
            models.setdefault(name, _model(endpoint, name, item))
    return tuple(models.values())


def _name(item: dict[str, Any]) -> str:
    name = item.get("name")
    return name.rpartition("models/")[2] if isinstance(name, str) else ""


def _can_chat(name: str, item: dict[str, Any]) -> bool:
    if _NO_CHAT.search(name):
        return False
    methods = item.get("supportedGenerationMethods")
    # Vertex does not say; Google's own models there that are not Gemini draw, sing or embed.
    return "generateContent" in methods if isinstance(methods, list) else name.startswith("gemini-")


def _model(endpoint: Endpoint, name: str, item: dict[str, Any]) -> ModelInfo:
    row = endpoint.vendor.reasoning_of(name)
    # AI Studio says `thinking: true` and leaves false out; Vertex says nothing.
    listed = isinstance(item.get("supportedGenerationMethods"), list)
    thinks = item.get("thinking") is True if listed else bool(row.effort or row.shown)
    gemini = name.startswith("gemini-")
    return ModelInfo(
        name=name,
        provider=endpoint.provider,
        context_length=number(item, ("inputTokenLimit",)),
        max_output_tokens=number(item, ("outputTokenLimit",)),
        reasoning=("mandatory" if _mandatory(row) else "optional") if thinks else ("none" if listed else ""),
        # No listing says it; every Gemini since 1.5 sees, and all that do not draw call tools.
        vision=gemini,
        tools=gemini and "-image" not in name,
        efforts=_efforts(row) if thinks else (),
        forms=_forms(row) if thinks else (),
    )


def _mandatory(row: Reasoning) -> bool:
    """A model whose row has no "off" always thinks; of one without any control nothing is known."""
    return bool(row.effort) and row.off is None


def _efforts(row: Reasoning) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in row.words.values() if isinstance(word, str)))


def _forms(row: Reasoning) -> tuple[str, ...]:
    return ("level",) if row.effort.endswith("thinkingLevel") else ("budget",) if row.budget else ()
