"""Listings of models, in each dialect's form. One path serves several dialects: its body holds the fields of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thinkaloud_server.providers.encoders.asked import Route
from thinkaloud_server.providers.encoders.encoding import Json

CONTEXT_TOKENS = 131_072
_CREATED = "2026-01-01T00:00:00Z"


def listing(route: Route, models: Sequence[str]) -> Any:
    """The body that answers this route; `models` are the names there are."""
    if route.action == "model":
        return _gemini(route.model) if route.dialect == "gemini" else _detail(route, route.model)
    match route.dialect:
        case "ollama" if route.action == "version":
            return {"version": "0.0.0-fake"}
        case "ollama":
            return {"models": [_tag(name) for name in models]}
        case "gemini":
            return {"models": [_gemini(name) for name in models]}
        case "bedrock-converse":
            return {"modelSummaries": [_summary(name) for name in models]}
        case _:
            return {
                "object": "list",
                "data": [_model(name) for name in models],
                "has_more": False,
                "first_id": next(iter(models), None),
                "last_id": next(reversed(models), None),
                # Cohere's part, and that of Gemini below a base URL that says v1.
                "models": [{**_gemini(name), **_cohere(name)} for name in models],
            }


def _model(name: str) -> Json:
    return {
        "id": name,
        "object": "model",
        "type": "model",
        "created": 1_767_225_600,
        "created_at": _CREATED,
        "owned_by": "thinkaloud",
        "display_name": name,
        "context_length": CONTEXT_TOKENS,
        "max_input_tokens": CONTEXT_TOKENS,
    }


def _detail(route: Route, name: str) -> Json:
    if route.dialect != "ollama":
        return _model(name)
    details = {"family": "fake", "parameter_size": "0B", "quantization_level": "none"}
    capabilities = ["completion", "tools", "thinking"]
    return {"capabilities": capabilities, "details": details, "model_info": {"fake.context_length": CONTEXT_TOKENS}}


def _tag(name: str) -> Json:
    details = {"family": "fake", "parameter_size": "0B", "quantization_level": "none"}
    return {"name": name, "model": name, "modified_at": _CREATED, "size": 0, "digest": "", "details": details}


def _gemini(name: str) -> Json:
    return {
        "name": f"models/{name.removeprefix('models/')}",
        "displayName": name,
        "inputTokenLimit": CONTEXT_TOKENS,
        "outputTokenLimit": CONTEXT_TOKENS,
        "supportedGenerationMethods": ["generateContent"],
        "thinking": True,
    }


def _cohere(name: str) -> Json:
    return {"name": name, "endpoints": ["chat"], "context_length": CONTEXT_TOKENS}


def _summary(name: str) -> Json:
    return {
        "modelId": name,
        "modelName": name,
        "providerName": "thinkaloud",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }
