"""Paths and requests of every dialect, and the listings that answer the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest, Sampling
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.encoders import ENCODINGS
from thinkaloud_server.providers.encoders.asked import Route, asked_of, route_of
from thinkaloud_server.providers.encoders.listing import listing
from thinkaloud_server.providers.table import DIALECTS, vendor_for


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/v1/chat/completions", Route("openai-chat", "answer")),
        ("POST", "/api/v1/chat/completions/", Route("openai-chat", "answer")),
        ("POST", "/openai/deployments/x/chat/completions", Route("openai-chat", "answer")),
        ("POST", "/v1/responses", Route("openai-responses", "answer")),
        ("POST", "/v1/messages", Route("anthropic-messages", "answer")),
        ("POST", "/v1beta/models/gemini-3:streamGenerateContent", Route("gemini", "stream", "gemini-3")),
        ("POST", "/v1/publishers/google/models/g:generateContent", Route("gemini", "answer", "g")),
        ("POST", "/api/chat", Route("ollama", "answer")),
        ("POST", "/v2/chat", Route("cohere-v2", "answer")),
        ("POST", "/model/us.a%2Fb%3A0/converse-stream", Route("bedrock-converse", "stream", "us.a/b:0")),
        ("POST", "/model/m/converse", Route("bedrock-converse", "answer", "m")),
        ("GET", "/v1/models", Route("openai-chat", "models")),
        ("GET", "/v1beta/models", Route("gemini", "models")),
        ("GET", "/v1beta/models/g", Route("gemini", "model", "g")),
        ("GET", "/v1/models/org/name", Route("openai-chat", "model", "org/name")),
        ("GET", "/api/tags", Route("ollama", "models")),
        ("POST", "/api/show", Route("ollama", "model")),
        ("GET", "/api/version", Route("ollama", "version")),
        ("GET", "/foundation-models", Route("bedrock-converse", "models")),
        ("GET", "/", None),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/models", None),
        ("POST", "/v1/embeddings", None),
    ],
)
def test_a_path_says_the_dialect_whatever_stands_before_it(method: str, path: str, route: Route | None) -> None:
    assert route_of(method, path) == route


QUESTION = "What is 17*23?"
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": (
        "/v1/chat/completions",
        {"model": "m", "stream": True, "max_completion_tokens": 9, "messages": [{"role": "user", "content": QUESTION}]},
    ),
    "openai-responses": ("/v1/responses", {"model": "m", "stream": True, "max_output_tokens": 9, "input": QUESTION}),
    "anthropic-messages": (
        "/v1/messages",
        {
            "model": "m",
            "stream": True,
            "max_tokens": 9,
            "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
        },
    ),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
            "generationConfig": {"maxOutputTokens": 9},
        },
    ),
    "ollama": (
        "/api/chat",
        {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "options": {"num_predict": 9}},
    ),
    "cohere-v2": (
        "/v2/chat",
        {"model": "m", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": QUESTION}]},
    ),
    "bedrock-converse": (
        "/model/m/converse-stream",
        {"messages": [{"role": "user", "content": [{"text": QUESTION}]}], "inferenceConfig": {"maxTokens": 9}},
    ),
}


@pytest.mark.parametrize("dialect", ENCODINGS)
def test_model_stream_prompt_and_limit_are_read_in_every_dialect(dialect: str) -> None:
    path, body = BODIES[dialect]
    route = route_of("POST", path)
    assert route is not None
    asked = asked_of(route, json.dumps(body).encode())
    assert (asked.dialect, asked.model, asked.streamed) == (dialect, "m", True)
    assert asked.request.messages[-1] == Message("user", (TextPart(QUESTION),))
    assert asked.request.sampling.max_output_tokens == 9


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) & set(ENCODINGS)))
def test_what_our_own_dialects_send_is_read(dialect: str) -> None:
    endpoint = Endpoint("it", "http://127.0.0.1:9100/v1", vendor_for("", "", dialect))
    request = ModelRequest("m", (Message("user", (TextPart(QUESTION),)),), sampling=Sampling(max_output_tokens=9))
    sent = DIALECTS[dialect].request(endpoint, request)
    route = route_of(sent.method, "/" + sent.url.split("/", 3)[3].partition("?")[0])
    assert route is not None
    asked = asked_of(route, sent.body)
    assert (asked.dialect, asked.model, asked.streamed) == (dialect, "m", True)
    assert asked.request.messages[-1].text == QUESTION


@pytest.mark.parametrize(
    "said",
    [
        {"messages": [{"role": "user", "content": "q"}, {"role": "tool", "content": "391"}]},
        {"input": [{"role": "user", "content": "q"}, {"type": "function_call_output", "output": "391"}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "391"}]}]},
        {"contents": [{"role": "user", "parts": [{"functionResponse": {"response": "391"}}]}]},
        {"messages": [{"role": "user", "content": [{"toolResult": {"content": "391"}}]}]},
    ],
)
def test_results_of_tools_are_found_in_every_form(said: dict[str, Any]) -> None:
    asked = asked_of(Route("openai-chat", "answer"), json.dumps(said).encode())
    (result,) = asked.request.messages[-1].parts
    assert asked.request.messages[-1].role == "tool"
    assert getattr(result, "result", "") == "391"


@pytest.mark.parametrize(
    "tools",
    [
        [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
        [{"type": "function", "name": "add", "parameters": {"type": "object"}}],
        [{"name": "add", "input_schema": {"type": "object"}}],
        [{"functionDeclarations": [{"name": "add", "parameters": {"type": "object"}}]}],
    ],
)
def test_tools_are_found_in_every_form(tools: list[Any]) -> None:
    asked = asked_of(Route("openai-chat", "answer"), json.dumps({"tools": tools}).encode())
    assert [(tool.name, tool.parameters) for tool in asked.request.tools] == [("add", '{"type": "object"}')]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        asked_of(Route("openai-chat", "answer"), body)


@pytest.mark.parametrize(
    "body", [{"messages": 3}, {"messages": [3, {"content": 4}]}, {"tools": {"a": 1}}, {"model": 7}]
)
def test_a_body_of_odd_things_is_answered_all_the_same(body: dict[str, Any]) -> None:
    assert asked_of(Route("openai-chat", "answer"), json.dumps(body).encode()).request.messages


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) & set(ENCODINGS)))
def test_our_own_dialects_read_the_listing(dialect: str) -> None:
    endpoint = Endpoint("it", "http://127.0.0.1:9100/v1", vendor_for("", "", dialect))
    asked = DIALECTS[dialect].listing(endpoint)
    route = route_of(asked.method, "/" + asked.url.split("/", 3)[3].partition("?")[0])
    assert route is not None
    body = json.dumps(listing(route, ["one", "two"])).encode()
    assert [model.name for model in DIALECTS[dialect].models(endpoint, body)] == ["one", "two"]
