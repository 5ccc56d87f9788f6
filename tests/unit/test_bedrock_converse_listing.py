"""Bedrock's models: asked of its control plane, named so that they can be run from the region."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

ROW = vendor_named("bedrock", "bedrock-converse")


def endpoint(base_url: str = "https://bedrock-runtime.eu-central-1.amazonaws.com") -> Endpoint:
    return Endpoint("it", base_url, ROW, api_key="k3y")


def names(*items: object, base_url: str = "https://bedrock-runtime.eu-central-1.amazonaws.com") -> list[str]:
    body = json.dumps({"modelSummaries": items}).encode()
    return [model.name for model in BEDROCK_CONVERSE.models(endpoint(base_url), body)]


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://bedrock-runtime.eu-central-1.amazonaws.com", "https://bedrock.eu-central-1.amazonaws.com"),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com/", "https://bedrock-fips.us-east-1.amazonaws.com"),
        ("https://proxy.example/bedrock", "https://proxy.example/bedrock"),
    ],
)
def test_the_request_goes_to_the_control_plane(base_url: str, host: str) -> None:
    request = BEDROCK_CONVERSE.listing(endpoint(base_url))
    assert (request.method, request.url) == ("GET", f"{host}/foundation-models?byOutputModality=TEXT")
    assert dict(request.headers) == {"accept": "application/json", "authorization": "Bearer k3y"}


def test_the_models_that_stream_text() -> None:
    items = [
        {"modelId": "amazon.nova-micro-v1:0", "inputModalities": ["TEXT"], "outputModalities": ["TEXT"]},
        {"modelId": "a.sees", "inputModalities": ["TEXT", "IMAGE"], "responseStreamingSupported": True},
        {"modelId": "a.embeds", "outputModalities": ["EMBEDDING"]},
        {"modelId": "a.waits", "responseStreamingSupported": False},
        {"modelId": "a.sees"},
        {"modelName": "nameless"},
        "text",
    ]
    assert names(*items) == ["amazon.nova-micro-v1:0", "a.sees"]
    models = BEDROCK_CONVERSE.models(endpoint(), json.dumps({"modelSummaries": items}).encode())
    assert models[1] == ModelInfo("a.sees", "it", vision=True)


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("us-east-1", "us.anthropic.claude-x"),
        ("eu-west-3", "eu.anthropic.claude-x"),
        ("ap-south-1", "apac.anthropic.claude-x"),
        ("us-gov-west-1", "us-gov.anthropic.claude-x"),
        ("sa-east-1", None),
    ],
)
def test_a_model_run_by_profile_is_named_by_its_regions(region: str, name: str | None) -> None:
    item = {"modelId": "anthropic.claude-x", "inferenceTypesSupported": ["INFERENCE_PROFILE"]}
    url = f"https://bedrock-runtime.{region}.amazonaws.com"
    assert names(item, base_url=url) == ([name] if name else [])
    both = {**item, "inferenceTypesSupported": ["INFERENCE_PROFILE", "ON_DEMAND"]}
    assert names(both, base_url=url) == ["anthropic.claude-x"]
    assert names({**item, "inferenceTypesSupported": ["PROVISIONED"]}, base_url=url) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"modelSummaries":{}}', b"<html>"])
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        BEDROCK_CONVERSE.models(endpoint(), body)


def test_the_listing_says_it_all() -> None:
    model = ModelInfo("m", "it")
    assert BEDROCK_CONVERSE.detail(endpoint(), model) is None
    assert BEDROCK_CONVERSE.detailed(endpoint(), model, b"") is model
