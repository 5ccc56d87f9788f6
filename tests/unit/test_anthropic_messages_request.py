"""The request of `anthropic-messages`: its place, its headers and its body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provider_vectors import WEATHER, Vector, read_vectors
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import (
    EFFORTS,
    ModelInfo,
    ModelRequest,
    ReasoningControl,
    ResponseFormat,
    Sampling,
    Tool,
)
from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.rows.anthropic_messages import VENDORS
from thinkaloud_server.providers.table import vendor_named

HELLO = Message("user", (TextPart("Hello"),))
INTERLEAVED = "interleaved-thinking-2025-05-14"


def built(
    vendor: str = "anthropic", model: str = "claude-sonnet-4-5", headers: tuple[tuple[str, str], ...] = (), **more: Any
) -> HttpRequest:
    row = vendor_named(vendor, "anthropic-messages")
    endpoint = Endpoint("it", row.base_url or "https://it.example", row, api_key="k3y", headers=headers)
    return ANTHROPIC_MESSAGES.request(endpoint, ModelRequest(model, (HELLO,), **more))


def sent(**more: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(built(**more).body)
    return body


@pytest.mark.parametrize("vector", read_vectors("anthropic-messages"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(ANTHROPIC_MESSAGES.request(vector.endpoint, vector.request).body) == vector.sent


def test_the_least_request() -> None:
    assert sent() == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }


def test_method_url_and_headers() -> None:
    request = built()
    assert (request.method, request.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert dict(request.headers) == {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "x-api-key": "k3y",
        "anthropic-version": "2023-06-01",
    }
    assert "k3y" not in repr(request)


def test_vertex_has_the_model_in_its_place_and_the_version_in_the_body() -> None:
    endpoint = Endpoint(
        "it",
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5",
        vendor_named("vertex-anthropic"),
        api_key="token",
    )
    request = ANTHROPIC_MESSAGES.request(endpoint, ModelRequest("claude-haiku-4-5@20251001", (HELLO,)))
    place = "/publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict"
    assert request.url == endpoint.base_url + place
    body = json.loads(request.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    headers = dict(request.headers)
    assert headers["authorization"] == "Bearer token"
    assert "anthropic-version" not in headers


def test_keys_go_where_each_wants_them() -> None:
    wanted = {row.name: row.key_header for row in VENDORS}
    for name, header in wanted.items():
        headers = dict(built(name, "m").headers)
        assert headers[header] == ("Bearer k3y" if header == "authorization" else "k3y")
        assert sum("k3y" in value for value in headers.values()) == 1


def test_thinking_in_between_is_asked_for_by_a_header_where_the_form_does_not_imply_it() -> None:
    def beta(**more: Any) -> str | None:
        return dict(built(**more).headers).get("anthropic-beta")

    control = ReasoningControl("high")
    assert beta(reasoning=control, tools=(WEATHER,)) == INTERLEAVED
    assert beta(reasoning=control) is None
    assert beta(tools=(WEATHER,)) is None
    assert beta(reasoning=ReasoningControl("none"), tools=(WEATHER,)) is None
    assert beta(model="claude-opus-4-8", reasoning=control, tools=(WEATHER,)) is None
    assert beta(model="claude-3-7-sonnet-latest", reasoning=control, tools=(WEATHER,)) is None


def test_configured_betas_stay_beside_it() -> None:
    for configured, expected in (("files-1", f"files-1,{INTERLEAVED}"), (INTERLEAVED, INTERLEAVED)):
        request = built(headers=(("Anthropic-Beta", configured),), reasoning=ReasoningControl("high"), tools=(WEATHER,))
        assert dict(request.headers)["anthropic-beta"] == expected


def test_system_text_stands_apart() -> None:
    messages = (Message("system", (TextPart("Be brief."),)), HELLO)
    endpoint = Endpoint("it", "https://api.anthropic.com", vendor_named("anthropic"))
    body = json.loads(ANTHROPIC_MESSAGES.request(endpoint, ModelRequest("m", messages)).body)
    assert body["system"] == "Be brief."
    assert body["messages"] == [{"role": "user", "content": "Hello"}]


def test_tools() -> None:
    bare = Tool("now", "", "", strict=True)
    assert sent(tools=(WEATHER, bare))["tools"] == [
        {
            "name": "weather",
            "description": "The weather in a city",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        {"name": "now", "input_schema": {"type": "object"}, "strict": True},
    ]
    with pytest.raises(ChatError, match=r"tools\[0\]\.parameters: must be a JSON object"):
        built(tools=(Tool("t", "", "[1]"),))


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ("weather", {"type": "tool", "name": "weather"}),
        ("", None),
    ],
)
def test_tool_choice(choice: str, wire: object) -> None:
    assert sent(tools=(WEATHER,), tool_choice=choice).get("tool_choice") == wire
    assert "tool_choice" not in sent(tool_choice=choice)


def test_sampling() -> None:
    request = built(sampling=Sampling(temperature=0.5, max_output_tokens=9, stop=("END", "\n"), seed=7))
    body = json.loads(request.body)
    assert (body["temperature"], body["max_tokens"], body["stop_sequences"]) == (0.5, 9, ["END"])
    assert "seed" not in body
    assert request.adjusted == (
        "the provider takes no seed: it was left out",
        "the provider takes no stop sequence of white space: it was left out",
    )


def test_a_schema_has_its_place_and_shares_it_with_the_effort() -> None:
    schema = ResponseFormat("json_schema", "answer", '{"type":"object","additionalProperties":false}', strict=True)
    body = sent(model="claude-opus-4-8", response_format=schema, reasoning=ReasoningControl("low"))
    wire = {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}
    assert body["output_config"] == {"format": wire, "effort": "low"}
    with pytest.raises(ChatError, match=r"response_format\.schema"):
        built(response_format=ResponseFormat("json_schema", "answer", "{"))


def test_json_without_a_schema_is_left_out_with_a_note() -> None:
    request = built(response_format=ResponseFormat("json_object"))
    assert "output_config" not in json.loads(request.body)
    assert request.adjusted == ("the provider knows no JSON without a schema: the response format was left out",)
    assert built(response_format=ResponseFormat("text")).adjusted == ()


@pytest.mark.parametrize("row", VENDORS, ids=lambda row: row.name)
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-8", "claude-fable-5", "some-model"])
def test_every_row_takes_every_effort_and_a_plain_request_says_nothing(row: Any, effort: Any, model: str) -> None:
    for control in (ReasoningControl(effort), ReasoningControl(max_tokens=3000), ReasoningControl()):
        request = built(row.name, model, reasoning=control)
        body = json.loads(request.body)
        assert request.reasoning_sent == ("thinking" in body or "output_config" in body)
        assert body.get("thinking", {}).get("budget_tokens", 0) < body["max_tokens"]
    plain = built(row.name, model, plain=True)
    assert not plain.reasoning_sent
    assert not {"thinking", "output_config"} & set(json.loads(plain.body))


def test_what_the_listing_says_outranks_the_name() -> None:
    info = ModelInfo("m", "it", forms=("budget",), reasoning="optional", max_output_tokens=64_000)
    body = sent(model="claude-opus-9", info=info, reasoning=ReasoningControl("high"))
    assert body["thinking"]["type"] == "enabled"
    assert body["max_tokens"] == 64_000
    info = ModelInfo("m", "it", forms=("adaptive", "budget"), efforts=("low", "medium"))
    request = built(model="claude-sonnet-4-6", info=info, reasoning=ReasoningControl("high"))
    assert json.loads(request.body)["output_config"] == {"effort": "medium"}
    assert request.adjusted == ('the model does not take the effort "high": "medium" was sent',)
