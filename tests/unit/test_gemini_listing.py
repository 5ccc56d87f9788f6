"""Listings of models, AI Studio's and Vertex's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.gemini import GEMINI
from thinkaloud_server.providers.table import vendor_for

STUDIO = "https://generativelanguage.googleapis.com/v1beta"
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/google"
RECORDED = Path(os.environ.get("TRANSCRIPTS_DIR") or Path(__file__).parents[3] / "shared" / "transcripts") / "_models"


def endpoint(base_url: str = STUDIO) -> Endpoint:
    return Endpoint("it", base_url, vendor_for(base_url), api_key="k3y")


def models(value: object, base_url: str = STUDIO) -> list[ModelInfo]:
    return list(GEMINI.models(endpoint(base_url), json.dumps(value).encode()))


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"name": f"models/{name}", "supportedGenerationMethods": ["generateContent", "countTokens"], **more}


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (STUDIO, f"{STUDIO}/models?pageSize=1000"),
        (
            "https://aiplatform.googleapis.com/v1/publishers/google",
            "https://aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=1000",
        ),
        (VERTEX, "https://us-east5-aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=1000"),
    ],
)
def test_the_request_for_it(base_url: str, url: str) -> None:
    request = GEMINI.listing(endpoint(base_url))
    assert (request.method, request.url, request.body) == ("GET", url, b"")
    assert "content-type" not in dict(request.headers)


@pytest.mark.parametrize(
    ("listed", "info"),
    [
        (
            item("gemini-2.5-flash", inputTokenLimit=1048576, outputTokenLimit=65536, thinking=True),
            {"context_length": 1048576, "max_output_tokens": 65536, "reasoning": "optional", "forms": ("budget",)},
        ),
        (item("gemini-2.5-pro", thinking=True), {"reasoning": "mandatory", "forms": ("budget",)}),
        (
            item("gemini-3-flash-preview", thinking=True),
            {"reasoning": "mandatory", "forms": ("level",), "efforts": ("minimal", "low", "medium", "high")},
        ),
        (
            item("gemini-3-pro-preview", thinking=True),
            {"reasoning": "mandatory", "forms": ("level",), "efforts": ("low", "high")},
        ),
        (item("gemini-2.0-flash"), {"reasoning": "none"}),
        (item("gemini-3-pro-image-preview", thinking=True), {"reasoning": "optional", "tools": False}),
        (item("gemma-3-27b-it", inputTokenLimit="x"), {"reasoning": "none", "vision": False, "tools": False}),
        (item("gemma-9", thinking=True), {"reasoning": "optional", "vision": False, "tools": False}),
    ],
)
def test_what_a_listing_says_of_a_model(listed: dict[str, Any], info: dict[str, Any]) -> None:
    name = listed["name"].removeprefix("models/")
    assert models({"models": [listed]}) == [ModelInfo(name, "it", **{"vision": True, "tools": True, **info})]


def test_models_that_cannot_chat_are_left_out() -> None:
    listing = {
        "models": [
            item("gemini-2.5-flash-preview-tts"),
            {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
            {"name": "models/imagen-4", "supportedGenerationMethods": ["predict"]},
            item("gemini-a"),
            item("gemini-a"),
            {"displayName": "no name"},
            7,
        ]
    }
    assert [model.name for model in models(listing)] == ["gemini-a"]


def test_vertex_says_names() -> None:
    names = (
        "gemini-2.5-pro",
        "gemini-2.5-flash-lite",
        "imagen-4.0",
        "gemini-embedding-001",
        "gemini-live-2.5-flash",
        "gemini-2.0-flash",
    )
    listing = {"publisherModels": [{"name": f"publishers/google/models/{name}", "versionId": "1"} for name in names]}
    assert models(listing, VERTEX) == [
        ModelInfo("gemini-2.5-pro", "it", reasoning="mandatory", vision=True, tools=True, forms=("budget",)),
        ModelInfo("gemini-2.5-flash-lite", "it", reasoning="optional", vision=True, tools=True, forms=("budget",)),
        ModelInfo("gemini-2.0-flash", "it", vision=True, tools=True),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"models": 7}', b"<html>"])
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        GEMINI.models(endpoint(), body)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not there")
@pytest.mark.parametrize("name", ["gemini", "generativelanguage.googleapis.com"])
def test_recorded_listings(name: str) -> None:
    longest = json.loads((RECORDED / f"{name}.models.json").read_text())["longest_item"]
    (model,) = models({"models": [longest]})
    assert longest["name"] == f"models/{model.name}"
    assert model.context_length == longest["inputTokenLimit"]
    assert model.reasoning in ("optional", "mandatory")
