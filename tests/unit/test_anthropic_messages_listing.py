"""The listing: what it says of a model, and what it need not say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recorded import RECORDED
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named


def endpoint(vendor: str = "anthropic", base_url: str = "https://api.anthropic.com") -> Endpoint:
    return Endpoint("it", base_url, vendor_named(vendor, "anthropic-messages"), api_key="k3y")


def models(value: object, vendor: str = "anthropic") -> list[ModelInfo]:
    return list(ANTHROPIC_MESSAGES.models(endpoint(vendor), json.dumps(value).encode()))


def model(name: str, *, types: dict[str, bool] | None = None, efforts: str = "") -> dict[str, Any]:
    def flag(on: bool) -> dict[str, bool]:
        return {"supported": on}

    thinking = {"supported": bool(types), "types": {word: flag(on) for word, on in (types or {}).items()}}
    levels = {word: flag(word in efforts.split()) for word in ("low", "medium", "high", "xhigh", "max")}
    capabilities = {"thinking": thinking, "effort": {"supported": bool(efforts), **levels}, "image_input": flag(True)}
    return {"type": "model", "id": name, "max_input_tokens": 9, "max_tokens": 5, "capabilities": capabilities}


def test_the_request() -> None:
    request = ANTHROPIC_MESSAGES.listing(endpoint())
    assert (request.method, request.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1000")
    assert dict(request.headers) == {
        "accept": "application/json",
        "x-api-key": "k3y",
        "anthropic-version": "2023-06-01",
    }


@pytest.mark.parametrize(
    ("item", "reasoning", "forms", "efforts"),
    [
        (model("claude-sonnet-4-5", types={"enabled": True, "adaptive": False}), "optional", ("budget",), ()),
        (
            model("claude-opus-4-6", types={"enabled": True, "adaptive": True}, efforts="low medium high max"),
            "optional",
            ("adaptive", "budget"),
            ("low", "medium", "high", "max"),
        ),
        (
            model("claude-sonnet-5", types={"enabled": False, "adaptive": True}, efforts="low high xhigh"),
            "optional",
            ("adaptive",),
            ("low", "high", "xhigh"),
        ),
        (model("claude-fable-5", types={"adaptive": True}, efforts="low"), "mandatory", ("adaptive",), ("low",)),
        (model("claude-3-5-haiku"), "none", (), ()),
        ({"id": "glm-5"}, "", (), ()),
    ],
)
def test_how_a_model_thinks(item: object, reasoning: str, forms: tuple[str, ...], efforts: tuple[str, ...]) -> None:
    [info] = models({"data": [item]})
    assert (info.reasoning, info.forms, info.efforts) == (reasoning, forms, efforts)


def test_what_else_is_known() -> None:
    [info] = models({"data": [model("m", types={"enabled": True})], "has_more": False})
    assert (info.context_length, info.max_output_tokens, info.vision, info.tools) == (9, 5, True, True)
    assert info.id == "it/m"


def test_others_listings_are_read_for_what_they_tell() -> None:
    item = {
        "id": "anthropic/claude-opus-4.6",
        "context_length": 9,
        "top_provider": {"max_completion_tokens": 5},
        "supported_parameters": ["tools", "reasoning"],
        "architecture": {"input_modalities": ["text", "image"]},
    }
    expected = ModelInfo(
        "anthropic/claude-opus-4.6", "it", 9, 5, reasoning="optional", vision=True, tools=True, efforts=(), forms=()
    )
    assert models({"data": [item, {"id": "m"}, {"id": "m"}, {"id": 7}, "x", {}]}, "openrouter") == [
        expected,
        ModelInfo("m", "it"),
    ]
    vertex = {"publisherModels": [{"name": "publishers/anthropic/models/claude-opus-4-6"}]}
    assert [info.name for info in models(vertex, "vertex-anthropic")] == ["claude-opus-4-6"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"data":7}', b"<html>", b'"x"'])
def test_what_is_no_listing_raises(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ANTHROPIC_MESSAGES.models(endpoint(), body)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
@pytest.mark.parametrize("name", ["anthropic", "api.anthropic.com"])
def test_the_recorded_answers_are_read(name: str) -> None:
    """Each file keeps the longest item of one answer."""
    answer = json.loads((RECORDED / "_models" / f"{name}.models.json").read_text())
    [info] = models({"data": [answer["longest_item"]]})
    assert info == ModelInfo(
        "claude-sonnet-4-5-20250929",
        "it",
        context_length=1_000_000,
        max_output_tokens=64_000,
        reasoning="optional",
        vision=True,
        tools=True,
        forms=("budget",),
    )


def test_a_listing_says_it_all() -> None:
    info = ModelInfo("m", "it")
    assert ANTHROPIC_MESSAGES.detail(endpoint(), info) is None
    assert ANTHROPIC_MESSAGES.detailed(endpoint(), info, b"") is info
