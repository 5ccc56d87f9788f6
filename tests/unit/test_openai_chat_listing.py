"""Listings of models, in the shapes of the vendors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.core.request import ModelInfo, Price
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.table import vendor_named

ENDPOINT = Endpoint("it", "http://provider.example/v1", vendor_named("generic", "openai-chat"), api_key="k3y")
RECORDED = Path(os.environ.get("TRANSCRIPTS_DIR") or Path(__file__).parents[3] / "shared" / "transcripts") / "_models"


def models(value: object) -> list[ModelInfo]:
    return list(OPENAI_CHAT.models(ENDPOINT, json.dumps(value).encode()))


def info(name: str, **facts: Any) -> ModelInfo:
    return ModelInfo(name, "it", **facts)


def test_the_request_for_it() -> None:
    request = OPENAI_CHAT.listing(ENDPOINT)
    assert (request.method, request.url, request.body) == ("GET", "http://provider.example/v1/models", b"")
    assert dict(request.headers) == {"accept": "application/json", "authorization": "Bearer k3y"}


ITEMS: dict[str, tuple[dict[str, Any], ModelInfo]] = {
    "openai": ({"id": "gpt-5", "object": "model", "created": 1, "owned_by": "openai"}, info("gpt-5")),
    "openrouter": (
        {
            "id": "google/gemini",
            "name": "Google: Gemini",
            "context_length": 1048576,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "top_provider": {"context_length": 1048576, "max_completion_tokens": 65536},
            "supported_parameters": ["reasoning", "tools"],
            "reasoning": {"mandatory": True, "default_enabled": True},
        },
        info(
            "google/gemini",
            context_length=1048576,
            max_output_tokens=65536,
            reasoning="mandatory",
            vision=True,
            tools=True,
        ),
    ),
    "openrouter, plain": (
        {"id": "a/b", "supported_parameters": ["temperature"], "top_provider": {"max_completion_tokens": None}},
        info("a/b", reasoning="none"),
    ),
    "mistral": (
        {
            "id": "magistral",
            "max_context_length": 131072,
            "capabilities": {"completion_chat": True, "reasoning": True, "function_calling": True, "vision": False},
        },
        info("magistral", context_length=131072, reasoning="optional", tools=True),
    ),
    "groq": (
        {
            "id": "gpt-oss",
            "context_window": 131072,
            "max_completion_tokens": 65536,
            "supported_features": ["tools", "reasoning"],
            "input_modalities": ["text"],
        },
        info("gpt-oss", context_length=131072, max_output_tokens=65536, reasoning="optional", tools=True),
    ),
    "vllm": ({"id": "qwen", "max_model_len": 4096}, info("qwen", context_length=4096)),
    "llama.cpp": ({"id": "q.gguf", "meta": {"n_ctx": 4096, "n_ctx_train": 40960}}, info("q.gguf", context_length=4096)),
    "together": (
        {"id": "r1", "type": "chat", "context_length": 8192, "supports_reasoning": False},
        info("r1", context_length=8192, reasoning="none"),
    ),
    "venice": (
        {
            "id": "qwen",
            "type": "text",
            "model_spec": {
                "availableContextTokens": 1000,
                "capabilities": {"supportsReasoning": True, "supportsVision": True, "supportsFunctionCalling": True},
            },
        },
        info("qwen", context_length=1000, reasoning="optional", vision=True, tools=True),
    ),
    "copilot": (
        {
            "id": "claude",
            "capabilities": {
                "type": "chat",
                "limits": {"max_context_window_tokens": 264000, "max_output_tokens": 64000},
                "supports": {"reasoning_effort": ["max", "low", "high"], "tool_calls": True, "vision": True},
            },
        },
        info(
            "claude",
            context_length=264000,
            max_output_tokens=64000,
            reasoning="optional",
            vision=True,
            tools=True,
            efforts=("low", "high", "max"),
        ),
    ),
    "openrouter, efforts": (
        {
            "id": "a/b",
            "reasoning": {"mandatory": False, "supported_efforts": ["xhigh", "none", "high"], "default_effort": "high"},
            "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        },
        info(
            "a/b",
            reasoning="optional",
            efforts=("none", "high", "xhigh"),
            default_effort="high",
            price=Price(1e-6, 2e-6),
        ),
    ),
    "openrouter, no efforts": (
        {"id": "a/b", "reasoning": {"mandatory": False, "supported_efforts": None}, "supported_parameters": ["tools"]},
        info("a/b", reasoning="none", tools=True),
    ),
    "vercel": (
        {"id": "a/b", "type": "language", "context_window": 9, "max_tokens": 5, "tags": ["reasoning", "vision"]},
        info("a/b", context_length=9, max_output_tokens=5, reasoning="optional", vision=True),
    ),
    "fireworks": (
        {"id": "a", "context_length": 9, "supports_chat": True, "supports_image_input": True, "supports_tools": True},
        info("a", context_length=9, vision=True, tools=True),
    ),
    "deepinfra": (
        {"id": "a", "metadata": {"context_length": 9, "max_tokens": 5}},
        info("a", context_length=9, max_output_tokens=5),
    ),
    "deepinfra, with tags": (
        {"id": "a", "metadata": {"context_length": 9, "max_tokens": 5, "tags": ["vision", "reasoning"]}},
        info("a", context_length=9, max_output_tokens=5, reasoning="optional", vision=True),
    ),
    "deepinfra, with other tags": ({"id": "a", "metadata": {"tags": ["prompt_cache"]}}, info("a")),
    "novita": (
        {
            "id": "a/b",
            "context_size": 9,
            "max_output_tokens": 5,
            "features": ["function-calling", "reasoning"],
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "model_type": "chat",
            "input_token_price_per_m": 7000,
            "output_token_price_per_m": 25000,
        },
        info(
            "a/b",
            context_length=9,
            max_output_tokens=5,
            reasoning="optional",
            vision=True,
            tools=True,
            price=Price(7e-7, 25e-7),
        ),
    ),
    "nanogpt": (
        {
            "id": "a",
            "capabilities": {"vision": True, "reasoning": True, "tool_calling": True},
            "pricing": {"prompt": 3, "completion": 15, "currency": "USD", "unit": "per_million_tokens"},
        },
        info("a", reasoning="optional", vision=True, tools=True, price=Price(3e-6, 15e-6)),
    ),
    "github models": (
        {
            "id": "a/b",
            "supported_input_modalities": ["text", "image"],
            "supported_output_modalities": ["text"],
            "tags": ["reasoning"],
            "capabilities": ["streaming", "tool-calling"],
            "limits": {"max_input_tokens": 9, "max_output_tokens": 5},
        },
        info("a/b", context_length=9, max_output_tokens=5, reasoning="optional", vision=True, tools=True),
    ),
    "lmstudio": (
        {"id": "a", "type": "vlm", "max_context_length": 9, "loaded_context_length": 4, "capabilities": ["tool_use"]},
        info("a", context_length=4, vision=True, tools=True),
    ),
    "watsonx": (
        {
            "model_id": "a/b",
            "functions": [{"id": "text_chat"}, {"id": "text_generation"}],
            "model_limits": {"max_sequence_length": 9, "max_output_tokens": 5},
            "task_ids": ["function_calling"],
        },
        info("a/b", context_length=9, max_output_tokens=5, tools=True),
    ),
    "hugging face": (
        {
            "id": "a/b",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "providers": [
                {"provider": "x", "status": "live", "context_length": 4, "supports_tools": True},
                {"provider": "y", "status": "live", "context_length": 9},
                {"provider": "z", "status": "staging"},
            ],
        },
        info("a/b", context_length=9, tools=True),
    ),
    "litellm": (
        {
            "model_name": "a",
            "model_info": {
                "mode": "chat",
                "max_input_tokens": 9,
                "max_output_tokens": 5,
                "supports_vision": True,
                "supports_function_calling": True,
                "supports_reasoning": True,
                "input_cost_per_token": 2.5e-06,
                "output_cost_per_token": 1e-05,
            },
        },
        info(
            "a",
            context_length=9,
            max_output_tokens=5,
            reasoning="optional",
            vision=True,
            tools=True,
            price=Price(2.5e-6, 1e-5),
        ),
    ),
    "requesty": (
        {"id": "a", "supports_vision": True, "supports_reasoning": True, "supports_tool_calling": True},
        info("a", reasoning="optional", vision=True, tools=True),
    ),
    "poe": (
        {
            "id": "a",
            "context_window": {"context_length": 9, "max_output_tokens": 5},
            "reasoning": {"required": True, "supports_reasoning_effort": True},
        },
        info("a", context_length=9, max_output_tokens=5, reasoning="mandatory"),
    ),
    "glama": (
        {"id": "a", "maxTokensInput": 9, "maxTokensOutput": 5, "capabilities": ["function_calling", "input:image"]},
        info("a", context_length=9, max_output_tokens=5, vision=True, tools=True),
    ),
    "llama.cpp, a model that sees": (
        {"name": "a", "capabilities": ["completion", "multimodal"], "meta": {"n_ctx": 4, "n_ctx_train": 9}},
        info("a", context_length=4, vision=True),
    ),
    "databricks": ({"name": "a", "task": "llm/v1/chat", "state": {"ready": "READY"}}, info("a")),
    "cloudflare": ({"id": "0b1c", "name": "@cf/a/b", "task": {"name": "Text Generation"}}, info("@cf/a/b")),
    "numbers as text": (
        {"id": "a", "context_length": "9", "max_output_tokens": 5.0},
        info("a", context_length=9, max_output_tokens=5),
    ),
    "wrong types": ({"id": "a", "context_length": "many", "capabilities": "x", "reasoning": True}, info("a")),
    "named otherwise": ({"name": "llama3:8b", "model": "llama3:8b"}, info("llama3:8b")),
}


@pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS)
def test_what_a_vendor_says_of_a_model(item: dict[str, Any], expected: ModelInfo) -> None:
    assert models({"object": "list", "data": [item]}) == [expected]


@pytest.mark.parametrize(
    "value",
    [
        *(
            {"data": [{"id": "a"}]},
            {"models": [{"name": "a"}]},
            [{"id": "a"}],
            ["a"],
            {"data": ["a", "a", {"id": "a"}]},
        ),
        {"total_count": 1, "resources": [{"model_id": "a"}]},
        {"success": True, "errors": [], "result": [{"name": "a"}]},
        {"endpoints": [{"name": "a"}]},
        {"object": "list", "models": [{"name": "b"}], "data": [{"id": "a"}]},
    ],
)
def test_the_shapes_of_a_listing(value: object) -> None:
    assert models(value) == [info("a")]


@pytest.mark.parametrize(
    "item",
    [
        {"id": "a", "type": "embedding"},
        {"id": "a", "type": "image"},
        {"id": "a", "capabilities": {"type": "embeddings"}},
        {"id": "a", "capabilities": {"completion_chat": False}},
        {"id": "a", "active": False},
        {"id": "a", "supports_chat": False},
        {"id": "a", "architecture": {"output_modalities": ["image"]}},
        {"id": "a", "architecture": {"modality": "text->embedding"}},
        {"id": "a", "output_modalities": ["audio"]},
        {"id": "a", "supported_output_modalities": ["embeddings"]},
        {"id": "a", "capabilities": {"chat_completion": False, "embeddings": True}},
        {"id": "a", "type": "reranking"},
        {"id": "a", "type": "transcribe"},
        {"id": "a", "model_type": "embedding"},
        {"model_name": "a", "model_info": {"mode": "image_generation"}},
        {"name": "a", "task": "llm/v1/embeddings"},
        {"name": "@cf/a", "task": {"name": "Text Embeddings"}},
        {"model_id": "a", "functions": [{"id": "embedding"}]},
        {"id": ""},
        {},
        None,
        3,
    ],
    ids=repr,
)
def test_what_cannot_chat_is_left_out(item: object) -> None:
    assert models({"data": [item, {"id": "b"}]}) == [info("b")]


def test_an_empty_listing_is_one() -> None:
    assert models({"data": []}) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"data":null}', b'{"error":"no"}', b"3", b'"a"'])
def test_what_is_no_listing_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        OPENAI_CHAT.models(ENDPOINT, body)


Facts = tuple[int, int, str, tuple[str, ...], bool, bool, tuple[float, float, float] | None]

# Of each recorded listing its longest entry: context, output, reasoning, efforts, vision, tools, and dollars a million
# tokens (read, written, cached). Anthropic, Gemini and Ollama list in formats of their own.
ALL_EFFORTS = ("minimal", "low", "medium", "high")
RECORDED_FACTS: dict[str, Facts] = {
    "api.cerebras.ai": (0, 0, "", (), False, False, None),
    "api.openai.com": (0, 0, "", (), False, False, None),
    "api.perplexity.ai": (0, 0, "", (), False, False, (3, 15, 0.3)),
    "bedrock-mantle._aws_region_.api.aws": (0, 0, "", (), False, False, None),
    "copilot": (264000, 64000, "optional", ("low", "medium", "high", "max"), True, True, None),
    "deepseek": (0, 0, "", (), False, False, None),
    "groq": (131072, 65536, "optional", (), False, True, (0.075, 0.3, 0.0375)),
    "llamacpp": (4096, 0, "", (), False, False, None),
    "mistral": (262144, 0, "optional", (), True, True, None),
    "openai": (0, 0, "", (), False, False, None),
    "openrouter": (1048576, 65536, "mandatory", ALL_EFFORTS, True, True, (0.75, 3.75, 0.075)),
    "openrouter.ai": (1000000, 64000, "optional", (), True, True, (3, 15, 0.3)),
    "venice": (1000000, 65536, "optional", (), True, True, (0.625, 3.75, 0.0625)),
}
OTHER_FORMATS = {"anthropic", "api.anthropic.com", "gemini", "generativelanguage.googleapis.com", "ollama"}


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
def test_every_recorded_listing_is_in_the_table() -> None:
    names = {path.name.removesuffix(".models.json") for path in RECORDED.glob("*.models.json")}
    assert names == RECORDED_FACTS.keys() | OTHER_FORMATS


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
@pytest.mark.parametrize(("name", "facts"), RECORDED_FACTS.items(), ids=RECORDED_FACTS)
def test_recorded_listings(name: str, facts: Facts) -> None:
    item = json.loads((RECORDED / f"{name}.models.json").read_text())["longest_item"]
    (model,) = models({"data": [item]})
    found = (
        *(model.context_length, model.max_output_tokens, model.reasoning),
        *(model.efforts, model.vision, model.tools),
    )
    assert (model.name, found) == (item["id"], facts[:-1])
    price = model.price
    dollars = None if price is None else (price.input * 1e6, price.output * 1e6, (price.cached or 0) * 1e6)
    assert dollars == (None if facts[-1] is None else pytest.approx(facts[-1]))


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
def test_a_recorded_default_effort() -> None:
    item = json.loads((RECORDED / "openrouter.models.json").read_text())["longest_item"]
    assert models({"data": [item]})[0].default_effort == "medium"
