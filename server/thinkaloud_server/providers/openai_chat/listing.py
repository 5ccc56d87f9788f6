"""Reads a listing of models. Every vendor tells something else about them, under names of its own.

What they cost is in `price.py` beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import any_of, at, number, words
from thinkaloud_server.providers.http import endpoint_url, request_headers
from thinkaloud_server.providers.lenient import read_strictly
from thinkaloud_server.providers.openai_chat.price import price_of
from thinkaloud_server.providers.reasoning import weakest_first

# Paths of the same fact at different vendors, the most exact first.
_CONTEXT = (
    *("loaded_context_length", "context_length", "context_window", "max_context_length", "max_model_len"),
    *("max_input_tokens", "meta.n_ctx", "meta.n_ctx_train", "top_provider.context_length", "context_size"),
    *("model_spec.availableContextTokens", "capabilities.limits.max_context_window_tokens", "max_context_tokens"),
    *("metadata.context_length", "context_window.context_length", "limits.max_input_tokens", "maxTokensInput"),
    *("model_limits.max_sequence_length", "model_info.max_input_tokens", "max_sequence_length"),
)
_OUTPUT = (
    *("top_provider.max_completion_tokens", "max_completion_tokens", "max_output_length", "max_output_tokens"),
    *("model_spec.maxCompletionTokens", "capabilities.limits.max_output_tokens", "max_tokens", "metadata.max_tokens"),
    *("context_window.max_output_tokens", "limits.max_output_tokens", "maxTokensOutput"),
    *("model_limits.max_output_tokens", "model_info.max_output_tokens"),
)
# Lists of words, or flags, any of which says that the model can.
_REASONS = (
    *("supported_parameters:reasoning", "supported_features:reasoning", "capabilities.reasoning"),
    *("model_spec.capabilities.supportsReasoning", "supports_reasoning", "capabilities.supports.reasoning_effort"),
    *("capabilities.supports.adaptive_thinking", "tags:reasoning", "reasoning.supports_reasoning_effort"),
    *("model_info.supports_reasoning", "features:reasoning"),
)
# Lists that do not know the word when it is missing: it says something there, its absence nothing.
_MAY_REASON = ("capabilities:reasoning", "capabilities:thinking", "metadata.tags:reasoning")
_SEES = (
    *("architecture.input_modalities:image", "input_modalities:image", "capabilities.vision"),
    *("model_spec.capabilities.supportsVision", "capabilities.supports.vision", "supports_image_in"),
    *("supports_image_input", "tags:vision", "supported_input_modalities:image", "supports_vision"),
    *("model_info.supports_vision", "metadata.tags:vision", "capabilities:vision", "capabilities:multimodal"),
    "capabilities:input:image",
)
_CALLS = (
    *("supported_parameters:tools", "supported_features:tools", "capabilities.function_calling"),
    *("model_spec.capabilities.supportsFunctionCalling", "capabilities.supports.tool_calls", "supports_tools"),
    *("tags:tool-use", "features:function-calling", "capabilities:tool-calling", "capabilities:tool_use"),
    *("capabilities:function_calling", "capabilities.tool_calling", "supports_tool_calling"),
    *("supports_function_calling", "model_info.supports_function_calling", "task_ids:function_calling"),
)
_EFFORTS = (
    *("reasoning.supported_efforts", "capabilities.supports.reasoning_effort"),
    *("model_spec.capabilities.reasoningEffortOptions", "supported_reasoning_efforts"),
)
_DEFAULT_EFFORTS = ("reasoning.default_effort", "model_spec.capabilities.defaultReasoningEffort")
# What a listing says of a model that cannot chat. Silence says nothing: most vendors are silent.
_NO_CHAT_TYPES = frozenset(
    {
        *("embedding", "embeddings", "text embeddings", "image", "image_generation", "text-to-image", "audio", "video"),
        *("rerank", "reranking", "reranker", "moderation", "tts", "asr", "stt", "transcribe", "audio_transcription"),
        *("audio_speech", "video_generation", "upscale", "llm/v1/embeddings", "llm/v1/completions"),
    }
)
_TYPES = ("type", "capabilities.type", "model_type", "model_info.mode", "task", "task.name")
_OUTPUTS = ("architecture.output_modalities", "output_modalities", "supported_output_modalities")
_CHATS = ("capabilities.completion_chat", "capabilities.chat_completion", "active", "supports_chat")
# Where the list of models stands: OpenAI and nearly everybody, Cohere and xAI, watsonx, Cloudflare, Databricks.
_LISTS = ("data", "models", "resources", "result", "endpoints")


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing."""
    return HttpRequest(
        "GET", endpoint_url(endpoint, endpoint.vendor.models_path), request_headers(endpoint, accept="application/json")
    )


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models that can chat, each once, in the listing's order. Raises ValueError for what is no listing."""
    value = read_strictly(body)
    if isinstance(value, dict):
        value = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
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
        context_length=number(item, _CONTEXT) or max((number(each, _CONTEXT) for each in _hosts(item)), default=0),
        max_output_tokens=number(item, _OUTPUT),
        reasoning=_reasoning(item),
        vision=any_of(item, _SEES) is True or item.get("type") == "vlm",
        tools=any(any_of(each, _CALLS) for each in (item, *_hosts(item))),
        efforts=weakest_first(words(item, _EFFORTS)),
        price=price_of(item),
        default_effort=default,
    )


def _name(item: dict[str, Any]) -> str:
    """Its id; Cloudflare numbers its models, and names them "@cf/…"."""
    name = item.get("name")
    if isinstance(name, str) and name.startswith("@"):
        return name
    names = (item.get(key) for key in ("id", "name", "model", "model_name", "model_id"))
    return next((name for name in names if isinstance(name, str) and name), "")


def _hosts(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Who serves the model, where a router says of each what it can (Hugging Face)."""
    hosts = item.get("providers")
    return [host for host in hosts if isinstance(host, dict)] if isinstance(hosts, list) else []


def _can_chat(item: dict[str, Any]) -> bool:
    if any(at(item, path) is False for path in _CHATS):
        return False
    if any((outputs := words(item, (path,))) and "text" not in outputs for path in _OUTPUTS):
        return False
    _, turns, output = str(at(item, "architecture.modality")).partition("->")
    if turns and "text" not in output:
        return False
    functions = item.get("functions")  # watsonx
    if isinstance(functions, list) and functions and not any(at(each, "id") in _WRITES for each in functions):
        return False
    kinds = (at(item, path) for path in _TYPES)
    return not any(isinstance(kind, str) and kind.lower() in _NO_CHAT_TYPES for kind in kinds)


_WRITES = ("text_chat", "text_generation")


def _reasoning(item: dict[str, Any]) -> Literal["none", "optional", "mandatory", ""]:
    if any_of(item, ("reasoning.mandatory", "reasoning.required")):
        return "mandatory"
    if words(item, _EFFORTS):
        return "optional"
    can = any_of(item, _MAY_REASON) or any_of(item, _REASONS)
    if can is None:
        return ""
    return "optional" if can else "none"
