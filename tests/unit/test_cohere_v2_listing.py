"""Cohere's listing of models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.cohere_v2 import COHERE_V2
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

ENDPOINT = Endpoint("it", "https://api.cohere.com/v2", vendor_named("cohere"), api_key="k3y")


def models(value: object) -> list[ModelInfo]:
    return list(COHERE_V2.models(ENDPOINT, json.dumps(value).encode()))


def test_the_request_for_it() -> None:
    request = COHERE_V2.listing(ENDPOINT)
    assert (request.method, request.body) == ("GET", b"")
    assert request.url == "https://api.cohere.com/v1/models?endpoint=chat&page_size=1000"
    assert dict(request.headers) == {"accept": "application/json", "authorization": "Bearer k3y"}


@pytest.mark.parametrize(
    ("item", "info"),
    [
        (
            {
                "name": "command-a-03-2025",
                "is_deprecated": False,
                "endpoints": ["generate", "chat"],
                "finetuned": False,
                "context_length": 288000,
                "features": ["json_mode", "json_schema", "safety_modes", "strict_tools", "tools"],
                "supports_vision": False,
            },
            {"context_length": 288000, "tools": True, "reasoning": "none"},
        ),
        (
            {
                "name": "command-a-reasoning-08-2025",
                "endpoints": ["chat"],
                "context_length": 288768,
                "features": ["tools"],
            },
            {"context_length": 288768, "tools": True, "reasoning": "optional"},
        ),
        ({"name": "command-a-vision-07-2025", "supports_vision": True}, {"vision": True, "reasoning": "none"}),
        ({"name": "command-z", "features": ["vision", "reasoning"]}, {"vision": True, "reasoning": "optional"}),
        ({"name": "command-z", "features": None, "context_length": "x"}, {}),
    ],
)
def test_what_a_listing_says_of_a_model(item: dict[str, Any], info: dict[str, Any]) -> None:
    assert models({"models": [item]}) == [ModelInfo(item["name"], "it", **info)]


def test_models_that_cannot_chat_are_left_out() -> None:
    listing = [
        {"name": "embed-v4.0", "endpoints": ["embed"]},
        {"name": "command-a", "endpoints": ["chat"]},
        {"name": "command-a", "endpoints": ["chat"]},
        {"name": ""},
        {"endpoints": ["chat"]},
        7,
    ]
    assert [model.name for model in models({"models": listing, "next_page_token": ""})] == ["command-a"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"models": 7}', b"<html>"])
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        COHERE_V2.models(ENDPOINT, body)
