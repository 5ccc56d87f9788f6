"""The request of `openai-responses`: what is sent for what is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provider_vectors import Vector, read_vectors
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import (
    EFFORTS,
    Effort,
    ModelInfo,
    ModelRequest,
    ReasoningControl,
    ResponseFormat,
    Sampling,
    Tool,
)
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.openai_responses import OPENAI_RESPONSES
from thinkaloud_server.providers.rows.openai_responses import GENERIC, VENDORS
from thinkaloud_server.providers.table import vendor_for, vendor_named

HELLO = Message("user", (TextPart("Hello"),))
ROWS = [row.name for row in (*VENDORS, GENERIC)]
Control = ReasoningControl


def endpoint(vendor: str = "generic", **more: Any) -> Endpoint:
    return Endpoint("it", "http://provider.example/v1", vendor_named(vendor, "openai-responses"), **more)


def built(vendor: str = "generic", **asked: Any) -> HttpRequest:
    request = ModelRequest(asked.pop("model", "m-1"), asked.pop("messages", (HELLO,)), **asked)
    return OPENAI_RESPONSES.request(endpoint(vendor), request)


def sent(vendor: str = "generic", **asked: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(built(vendor, **asked).body)
    return body


@pytest.mark.parametrize("vector", read_vectors("openai-responses"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(OPENAI_RESPONSES.request(vector.endpoint, vector.request).body) == vector.sent


def test_the_least_request() -> None:
    assert sent() == {
        "model": "m-1",
        "input": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "store": False,
    }


def test_method_url_and_headers() -> None:
    request = OPENAI_RESPONSES.request(endpoint(api_key="k3y"), ModelRequest("m-1", (HELLO,)))
    assert (request.method, request.url) == ("POST", "http://provider.example/v1/responses")
    assert dict(request.headers) == {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "authorization": "Bearer k3y",
    }


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/responses"),
        ("https://api.openai.com", "https://api.openai.com/v1/responses"),
        ("https://api.openai.com/v1/responses", "https://api.openai.com/v1/responses"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/responses"),
        ("https://it.openai.azure.com/openai/v1", "https://it.openai.azure.com/openai/v1/responses"),
        ("https://it.openai.azure.com/openai/v1/responses", "https://it.openai.azure.com/openai/v1/responses"),
        ("https://api.x.ai/v1", "https://api.x.ai/v1/responses"),
        ("https://api.deepseek.com", "https://api.deepseek.com/responses"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/responses"),
        (
            "https://bedrock-mantle.us-east-1.api.aws/openai/v1",
            "https://bedrock-mantle.us-east-1.api.aws/openai/v1/responses",
        ),
        ("http://127.0.0.1:1234", "http://127.0.0.1:1234/v1/responses"),
    ],
)
def test_where_it_is_posted(base_url: str, expected: str) -> None:
    it = Endpoint("it", base_url, vendor_for(base_url, dialect="openai-responses"))
    assert OPENAI_RESPONSES.request(it, ModelRequest("m-1", ())).url == expected


def test_messages_are_items_in_their_order_and_a_wrong_one_is_named() -> None:
    system = Message("system", (TextPart("Be brief."),))
    assert [item["role"] for item in sent(messages=(system, HELLO, system))["input"]] == ["system", "user", "system"]
    with pytest.raises(ChatError, match=r"messages\[1\]"):
        sent(messages=(HELLO, Message("tool", ())))


def test_sampling_under_the_formats_names() -> None:
    body = sent(sampling=Sampling(temperature=0.0, top_p=0.9, max_output_tokens=100))
    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.0, 0.9, 100)


def test_what_the_format_has_no_field_for_is_left_out_and_the_caller_told() -> None:
    request = built(sampling=Sampling(stop=("a",), seed=0))
    assert json.loads(request.body) == sent()
    assert ["stop words" in request.adjusted[0], "seed" in request.adjusted[1], len(request.adjusted)] == [
        True,
        True,
        2,
    ]
    assert built().adjusted == ()


def test_a_note_on_reasoning_stands_beside_one_on_sampling() -> None:
    request = built("lmstudio", reasoning=Control("none"), sampling=Sampling(seed=1))
    assert len(request.adjusted) == 2


TOOL = Tool("weather", "The weather", '{"type": "object",  "properties": {}}')


def test_tools_are_flat_their_schema_verbatim_and_strict_is_always_said() -> None:
    request = built(tools=(TOOL, replace(TOOL, strict=True, parameters="")))
    assert b'"parameters":{"type": "object",  "properties": {}}' in request.body
    plain, strict = json.loads(request.body)["tools"]
    assert plain == {
        "type": "function",
        "name": "weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    assert (strict["strict"], strict["parameters"]) == (True, {"type": "object"})
    with pytest.raises(ChatError, match=r"tools\[0\]"):
        built(tools=(replace(TOOL, parameters="[]"),))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("weather", {"type": "function", "name": "weather"}),
    ],
)
def test_tool_choice(choice: str, expected: object) -> None:
    assert sent(tools=(TOOL,), tool_choice=choice)["tool_choice"] == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ResponseFormat("text"), None),
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema", schema='{"type":"object"}'),
            {"type": "json_schema", "name": "answer", "schema": {"type": "object"}},
        ),
        (
            ResponseFormat("json_schema", "city", '{"type":"object"}', strict=True),
            {"type": "json_schema", "name": "city", "schema": {"type": "object"}, "strict": True},
        ),
    ],
)
def test_the_form_of_the_answer(wanted: ResponseFormat, expected: object) -> None:
    body = sent(response_format=wanted)
    assert body.get("text", {}).get("format") == expected
    assert ("text" in body) is (expected is not None)


ENCRYPTED = {"include": ["reasoning.encrypted_content"]}


def readable(**fields: str) -> dict[str, Any]:
    return {**ENCRYPTED, "reasoning": {"summary": "auto", **fields}}


def effort(word: str) -> dict[str, Any]:
    return {"reasoning": {"effort": word}}


REASONING: list[tuple[str, str, ReasoningControl | None, dict[str, Any]]] = [
    # Unasked: thoughts are made readable where a model is known to have some, and nothing else is said.
    ("openai", "gpt-5-mini", None, readable()),
    ("openai", "gpt-5.6-sol", None, readable()),
    ("openai", "gpt-5-codex", None, readable()),
    ("openai", "codex-mini-latest", None, readable()),
    ("openai", "o3-deep-research", None, readable()),
    ("openai", "o4-mini", None, readable()),
    ("openai", "o3-mini", None, ENCRYPTED),
    ("openai", "o1-pro", None, ENCRYPTED),
    ("openai", "gpt-4o", None, {}),
    ("openai", "gpt-4.1-mini", None, {}),
    ("openai", "gpt-3.5-turbo-0125", None, {}),
    ("openai", "gpt-5-chat-latest", None, {}),
    ("openai", "gpt-5.1-chat-latest", None, {}),
    ("openai", "somebodys-model", None, {}),
    ("azure", "gpt-5-mini", None, readable()),
    ("azure", "my-deployment", None, {}),
    ("xai", "grok-4-0709", None, readable()),
    ("xai", "grok-4-fast-reasoning", None, readable()),
    ("xai", "grok-4.3", None, readable()),
    ("xai", "grok-code-fast-1", None, readable()),
    ("xai", "grok-3-mini", None, readable()),
    ("xai", "grok-4-1-fast-non-reasoning", None, {}),
    ("xai", "grok-3", None, {}),
    ("openrouter", "a/b", None, ENCRYPTED),
    ("bedrock", "openai.gpt-oss-20b", None, {}),
    ("bedrock", "openai.gpt-5.6-luna", None, readable()),
    ("deepseek", "deepseek-v4-flash", None, {}),
    ("vllm", "m", None, {}),
    ("lmstudio", "m", None, {}),
    ("generic", "m", None, {}),
    # Asked.
    ("openai", "gpt-5.2", Control("max"), readable(effort="xhigh")),
    ("openai", "gpt-5.2", Control("none"), readable(effort="none")),
    ("openai", "gpt-5.2", Control("minimal"), readable(effort="low")),
    ("openai", "gpt-5-nano", Control("minimal"), readable(effort="minimal")),
    ("openai", "gpt-5-nano", Control("none"), readable(effort="minimal")),
    ("openai", "gpt-5-pro", Control("low"), readable(effort="high")),
    ("openai", "gpt-5-codex", Control("minimal"), readable(effort="low")),
    ("openai", "o4-mini", Control(max_tokens=20_000), readable(effort="high")),
    ("openai", "o3-mini", Control("low"), {**ENCRYPTED, **effort("low")}),
    ("openai", "gpt-5", Control(), readable()),
    ("openai", "gpt-5", Control(summary="detailed"), {**ENCRYPTED, "reasoning": {"summary": "detailed"}}),
    ("openai", "gpt-6", Control("low"), readable(effort="low")),
    ("openai", "gpt-6", Control("none"), effort("none")),
    ("openai", "gpt-oss-120b", Control("none"), effort("low")),
    (
        "azure",
        "my-deployment",
        Control("high", summary="concise"),
        {**readable(), "reasoning": {"summary": "concise", "effort": "high"}},
    ),
    ("xai", "grok-3-mini", Control("medium"), readable(effort="high")),
    ("xai", "grok-4.3", Control("none"), readable(effort="none")),
    ("xai", "grok-4", Control("low"), readable()),
    ("xai", "grok-4.20-non-reasoning", Control("low"), {}),
    ("openrouter", "a/b", Control("max"), {**ENCRYPTED, **effort("max")}),
    ("openrouter", "a/b", Control("none"), {**ENCRYPTED, **effort("none")}),
    ("openrouter", "a/b", Control(max_tokens=77), {**ENCRYPTED, "reasoning": {"max_tokens": 77}}),
    ("openrouter", "a/b", Control(), {**ENCRYPTED, "reasoning": {"enabled": True}}),
    ("deepseek", "m", Control("none"), effort("none")),
    ("deepseek", "m", Control("minimal"), effort("low")),
    ("deepseek", "m", Control("medium"), effort("high")),
    ("deepseek", "m", Control("max"), effort("max")),
    ("bedrock", "openai.gpt-oss-20b", Control("max"), effort("high")),
    ("vllm", "m", Control("medium"), effort("medium")),
    ("lmstudio", "openai/gpt-oss-20b", Control("max"), effort("high")),
    ("generic", "m", Control("high"), readable(effort="high")),
    ("generic", "m", Control("none"), effort("none")),
]


@pytest.mark.parametrize(
    ("vendor", "model", "control", "expected"),
    REASONING,
    ids=[
        f"{vendor}-{model}-{control and (control.effort or control.max_tokens)}"
        for vendor, model, control, _ in REASONING
    ],
)
def test_reasoning_controls(
    vendor: str, model: str, control: ReasoningControl | None, expected: dict[str, Any]
) -> None:
    request = built(vendor, model=model, reasoning=control)
    body = json.loads(request.body)
    assert {name: value for name, value in body.items() if name in ("reasoning", "include")} == expected
    assert request.reasoning_sent is bool(expected)


@pytest.mark.parametrize("vendor", ROWS)
@pytest.mark.parametrize("model", ["gpt-5-mini", "o4-mini", "grok-4.3", "m"])
def test_a_retry_says_nothing_about_reasoning(vendor: str, model: str) -> None:
    request = ModelRequest(model, (HELLO,), reasoning=Control("high")).without_reasoning()
    again = OPENAI_RESPONSES.request(endpoint(vendor), request)
    assert set(json.loads(again.body)) == {"model", "input", "stream", "store"}
    assert not again.reasoning_sent


@pytest.mark.parametrize("vendor", ROWS)
def test_building_a_request_never_changes_the_table(vendor: str) -> None:
    def asked(effort: Effort, model: str) -> dict[str, Any]:
        return sent(vendor, model=model, reasoning=Control(effort, summary="concise"))

    for model in ("gpt-5-mini", "grok-4", "m"):
        first = [asked(effort, model) for effort in EFFORTS]
        assert [asked(effort, model) for effort in EFFORTS] == first
        assert "concise" not in json.dumps(sent(vendor, model=model))


def test_an_effort_is_clamped_to_what_the_listing_says_the_model_takes() -> None:
    info = ModelInfo("gpt-5.4", "it", efforts=("low", "medium"))
    request = built("openai", model="gpt-5.4", reasoning=Control("high"), info=info)
    assert json.loads(request.body)["reasoning"] == {"summary": "auto", "effort": "medium"}
    assert '"medium" was sent' in request.adjusted[0]
