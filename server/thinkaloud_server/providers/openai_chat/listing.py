"""Reads a listing of models. Every vendor tells something else about them, under names of its own.

What they cost is in `price.py` beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import any_of, at, number, words
from thinkaloud_server.providers.http import endpoint_url, request_headers
from thinkaloud_server.providers.openai_chat.price import price_of
from thinkaloud_server.providers.reasoning import weakest_first

# Paths of the same fact at different vendors, the most exact first.
_CONTEXT = (
    *("context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens"),
    *("meta.n_ctx", "meta.n_ctx_train", "top_provider.context_length", "model_spec.availableContextTokens"),
    *("capabilities.limits.max_context_window_tokens", "max_context_tokens", "metadata.context_length"),
)
_OUTPUT = (
    *("top_provider.max_completion_tokens", "max_completion_tokens", "max_output_length", "max_output_tokens"),
    *("model_spec.maxCompletionTokens", "capabilities.limits.max_output_tokens", "max_tokens", "metadata.max_tokens"),
)
# Lists of words, or flags, any of which says that the model can.
_REASONS = (
    *("supported_parameters:reasoning", "supported_features:reasoning", "capabilities.reasoning"),
    *("model_spec.capabilities.supportsReasoning", "supports_reasoning", "capabilities.supports.reasoning_effort"),
    *("capabilities.supports.adaptive_thinking", "tags:reasoning"),
)
_SEES = (
    *("architecture.input_modalities:image", "input_modalities:image", "capabilities.vision"),
    *("model_spec.capabilities.supportsVision", "capabilities.supports.vision", "supports_image_in"),
    *("supports_image_input", "tags:vision"),
)
_CALLS = (
    *("supported_parameters:tools", "supported_features:tools", "capabilities.function_calling"),
    *("model_spec.capabilities.supportsFunctionCalling", "capabilities.supports.tool_calls", "supports_tools"),
    "tags:tool-use",
)
_EFFORTS = (
    *("reasoning.supported_efforts", "capabilities.supports.reasoning_effort"),
    *("model_spec.capabilities.reasoningEffortOptions", "supported_reasoning_efforts"),
)
_DEFAULT_EFFORTS = ("reasoning.default_effort", "model_spec.capabilities.defaultReasoningEffort")
# What a listing says of a model that cannot chat. Silence says nothing: most vendors are silent.
_NO_CHAT_TYPES = frozenset(
    {"embedding", "embeddings", "image", "audio", "rerank", "moderation", "tts", "asr", "video", "upscale"}
)


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing."""
    return HttpRequest(
        "GET", endpoint_url(endpoint, endpoint.vendor.models_path), request_headers(endpoint, accept="application/json")
    )


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models that can chat, each once, in the listing's order. Raises ValueError for what is no listing."""
    value = msgspec.json.decode(body)  # its DecodeError is a ValueError
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", "models") if isinstance(value.get(name), list)), None)
    if not isinstance(value, list):
        raise ValueError("no listing of models")  # noqa: TRY004 - one error for all that is no listing
    models: dict[str, ModelInfo] = {}
    for item in value:
        if isinstance(item, str):
            item = {"id": item}
        if isinstance(item, dict) and (name := _name(item)) and _can_chat(item):
            models.setdefault(name, _model(endpoint.provider, name, item))
    return tuple(models.values())


def _model(provider: str, name: str, item: dict[str, Any]) -> ModelInfo:
    default = next((word for path in _DEFAULT_EFFORTS if isinstance(word := at(item, path), str)), "")
    return ModelInfo(
        name=name,
        provider=provider,
        context_length=number(item, _CONTEXT),
        max_output_tokens=number(item, _OUTPUT),
        reasoning=_reasoning(item),
        vision=any_of(item, _SEES) is True,
        tools=any_of(item, _CALLS) is True,
        efforts=weakest_first(words(item, _EFFORTS)),
        price=price_of(item),
        default_effort=default,
    )


def _name(item: dict[str, Any]) -> str:
    names = (item.get(key) for key in ("id", "name", "model"))
    return next((name for name in names if isinstance(name, str) and name), "")


def _can_chat(item: dict[str, Any]) -> bool:
    if any(at(item, path) is False for path in ("capabilities.completion_chat", "active", "supports_chat")):
        return False
    outputs = at(item, "architecture.output_modalities")
    if isinstance(outputs, list) and outputs and "text" not in outputs:
        return False
    kinds = (item.get("type"), at(item, "capabilities.type"))
    return not any(isinstance(kind, str) and kind in _NO_CHAT_TYPES for kind in kinds)


def _reasoning(item: dict[str, Any]) -> Literal["none", "optional", "mandatory", ""]:
    if at(item, "reasoning.mandatory") is True:
        return "mandatory"
    if words(item, _EFFORTS):
        return "optional"
    can = any_of(item, _REASONS)
    if can is None:
        return ""
    return "optional" if can else "none"
