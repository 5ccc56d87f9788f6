"""The request of `openai-chat`: what is sent for what is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provider_vectors import Vector, read_vectors
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import (
    ImagePart,
    Message,
    Part,
    ReasoningState,
    Role,
    TextPart,
    ToolCall,
    ToolResult,
)
from thinkaloud_server.core.request import ModelRequest, ReasoningControl, ResponseFormat, Sampling, Tool
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.rows.openai_chat import GENERIC, VENDORS
from thinkaloud_server.providers.table import vendor_named

PNG = ImagePart(data_base64="iVBORw0K", content_type="image/png")


def endpoint(vendor: str = "generic", **more: Any) -> Endpoint:
    return Endpoint("it", "http://provider.example/v1", vendor_named(vendor, "openai-chat"), **more)


def sent(vendor: str = "generic", *messages: Message, **asked: Any) -> dict[str, Any]:
    """The body of the request."""
    request = ModelRequest(asked.pop("model", "m-1"), messages or (user("Hello"),), **asked)
    body: dict[str, Any] = json.loads(OPENAI_CHAT.request(endpoint(vendor), request).body)
    return body


def message(role: Role, *parts: Part, state: ReasoningState | None = None) -> Message:
    return Message(role, parts, state=state)


def user(text: str) -> Message:
    return message("user", TextPart(text))


@pytest.mark.parametrize("vector", read_vectors("openai-chat"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(OPENAI_CHAT.request(vector.endpoint, vector.request).body) == vector.sent


def test_the_least_request() -> None:
    assert sent() == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_method_url_and_headers() -> None:
    request = OPENAI_CHAT.request(endpoint(api_key="k3y"), ModelRequest("m-1", (user("Hello"),)))
    assert (request.method, request.url) == ("POST", "http://provider.example/v1/chat/completions")
    assert dict(request.headers) == {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "authorization": "Bearer k3y",
    }


def test_a_server_without_a_key_gets_none() -> None:
    request = OPENAI_CHAT.request(endpoint(), ModelRequest("m-1", (user("Hello"),)))
    assert "authorization" not in dict(request.headers)


def test_azure_has_its_own_header_for_the_key() -> None:
    request = OPENAI_CHAT.request(endpoint("azure", api_key="k3y"), ModelRequest("m-1", (user("Hello"),)))
    assert dict(request.headers)["api-key"] == "k3y"
    assert "authorization" not in dict(request.headers)


def test_configured_headers_take_the_place_of_ours() -> None:
    it = endpoint(api_key="k3y", headers=(("Authorization", "Basic x"), ("X-Team", "a")))
    headers = dict(OPENAI_CHAT.request(it, ModelRequest("m-1", (user("Hello"),))).headers)
    assert (headers["authorization"], headers["x-team"]) == ("Basic x", "a")


HISTORY: dict[str, tuple[Message, list[dict[str, Any]]]] = {
    "system": (message("system", TextPart("Be brief.")), [{"role": "system", "content": "Be brief."}]),
    "texts are one text": (message("user", TextPart("a"), TextPart("b")), [{"role": "user", "content": "ab"}]),
    "image by URL": (
        message("user", TextPart("What?"), ImagePart(url="https://x.example/a.png")),
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What?"},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                ],
            }
        ],
    ),
    "image as data": (
        message("user", PNG),
        [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}],
            }
        ],
    ),
    "assistant": (message("assistant", TextPart("Hi")), [{"role": "assistant", "content": "Hi"}]),
    "assistant that said nothing": (message("assistant"), [{"role": "assistant", "content": ""}]),
    "assistant that calls": (
        message("assistant", ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "g", "")),
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            }
        ],
    ),
    "tool results are messages of their own": (
        message("tool", ToolResult("c1", "21 °C"), ToolResult("c2", "no such city", is_error=True)),
        [
            {"role": "tool", "tool_call_id": "c1", "content": "21 °C"},
            {"role": "tool", "tool_call_id": "c2", "content": "no such city"},
        ],
    ),
    "a user's results come before the text": (
        message("user", TextPart("And?"), ToolResult("c1", "21 °C")),
        [{"role": "tool", "tool_call_id": "c1", "content": "21 °C"}, {"role": "user", "content": "And?"}],
    ),
}


@pytest.mark.parametrize(("one", "expected"), HISTORY.values(), ids=HISTORY)
def test_messages(one: Message, expected: list[dict[str, Any]]) -> None:
    assert sent("generic", one)["messages"] == expected


@pytest.mark.parametrize(
    "wrong",
    [
        message("assistant", PNG),
        message("system", PNG),
        message("user", ToolCall("c1", "f", "{}")),
        message("tool", TextPart("21 °C")),
        message("tool", ToolResult("c1", "x"), TextPart("y")),
        message("tool"),
        message("assistant", ToolResult("c1", "x")),
        message("system", ToolResult("c1", "x")),
        message("user", ImagePart()),
    ],
    ids=repr,
)
def test_what_the_format_cannot_carry_is_refused_and_names_the_message(wrong: Message) -> None:
    with pytest.raises(ChatError, match=r"messages\[1\]") as caught:
        sent("generic", user("Hello"), wrong)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED
    assert caught.value.violations[0][0] == "messages[1]"


@pytest.mark.parametrize("vendor", ["generic", "openrouter", "deepseek", "mistral"])
def test_the_reasoning_of_a_message_is_not_sent(vendor: str) -> None:
    one = Message("assistant", (TextPart("4"),), reasoning="2 and 2")
    assert "2 and 2" not in json.dumps(sent(vendor, one))


@pytest.mark.parametrize(
    ("vendor", "goes_back"),
    [("deepseek", True), ("moonshot", True), ("zai", True), ("openrouter", False), ("mistral", False)],
)
def test_but_in_a_history_with_tools_it_goes_back_to_whom_it_must(vendor: str, goes_back: bool) -> None:
    history = (
        user("2+2?"),
        Message("assistant", (ToolCall("c1", "add", "{}"),), reasoning="I add"),
        message("tool", ToolResult("c1", "4")),
        Message("assistant", (TextPart("4"),), reasoning="it said 4"),
        user("sure?"),
    )
    sent_back = [each.get("reasoning_content") for each in sent(vendor, *history)["messages"]]
    assert sent_back == ([None, "I add", None, "it said 4", None] if goes_back else [None] * 5)


@pytest.mark.parametrize(
    ("vendor", "provider", "field"),
    [
        ("openrouter", "it", "reasoning_details"),
        ("vercel", "it", "reasoning_details"),
        ("generic", "it", "reasoning_details"),
        ("deepseek", "it", "reasoning_content"),
        ("moonshot", "it", "reasoning_content"),
        ("mistral", "it", ""),
        ("openai", "it", ""),
        ("openrouter", "other", ""),
        ("deepseek", "other", ""),
    ],
)
def test_reasoning_state_goes_back_to_vendors_that_want_it(vendor: str, provider: str, field: str) -> None:
    payload = '{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"reasoning_content":"2 and 2"}'
    one = message("assistant", TextPart("4"), state=ReasoningState(provider, "m-1", payload))
    wire = sent(vendor, user("2+2"), one, user("Sure?"))["messages"][1]
    assert set(wire) == {"role", "content", *([field] if field else [])}
    if field:
        assert wire[field] == json.loads(payload)[field]


def test_sampling_under_the_formats_names() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.9, max_output_tokens=100, stop=("a", "b"), seed=0)
    body = sent("generic", sampling=sampling)
    fields = {name: body[name] for name in ("temperature", "top_p", "max_tokens", "stop", "seed")}
    assert fields == {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100, "stop": ["a", "b"], "seed": 0}


def test_sampling_under_the_vendors_names() -> None:
    sampling = Sampling(max_output_tokens=100, seed=7)
    assert sent("openai", sampling=sampling)["max_completion_tokens"] == 100
    assert "max_tokens" not in sent("openai", sampling=sampling)
    assert sent("mistral", sampling=sampling)["random_seed"] == 7
    assert "stream_options" not in sent("mistral")


TOOL = Tool("weather", "The weather", '{"type": "object",  "properties": {}}')


def test_tools_and_their_schema_verbatim() -> None:
    request = ModelRequest("m-1", (user("Hello"),), tools=(TOOL, replace(TOOL, strict=True, parameters="")))
    body = OPENAI_CHAT.request(endpoint(), request).body
    assert b'"parameters":{"type": "object",  "properties": {}}' in body
    plain, strict = json.loads(body)["tools"]
    assert plain["function"]["name"] == "weather"
    assert "strict" not in plain["function"]
    assert (strict["function"]["strict"], strict["function"]["parameters"]) == (True, {"type": "object"})


@pytest.mark.parametrize(
    ("vendor", "choice", "expected"),
    [
        ("generic", "auto", "auto"),
        ("generic", "none", "none"),
        ("generic", "required", "required"),
        ("mistral", "required", "any"),
        ("generic", "weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tool_choice(vendor: str, choice: str, expected: object) -> None:
    assert sent(vendor, tools=(TOOL,), tool_choice=choice)["tool_choice"] == expected


@pytest.mark.parametrize("parameters", ["{", "[]", '"x"', "{} {}"])
def test_a_schema_that_is_no_object_is_refused(parameters: str) -> None:
    with pytest.raises(ChatError, match=r"tools\[0\]\.parameters"):
        sent("generic", tools=(Tool("f", "", parameters),))
    with pytest.raises(ChatError, match=r"response_format\.schema"):
        sent("generic", response_format=ResponseFormat("json_schema", "x", parameters))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ResponseFormat("text"), None),
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema", "person", '{"type":"object"}', strict=True),
            {"type": "json_schema", "json_schema": {"name": "person", "schema": {"type": "object"}, "strict": True}},
        ),
        (
            ResponseFormat("json_schema", "", "{}"),
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}},
        ),
    ],
)
def test_response_format(wanted: ResponseFormat, expected: object) -> None:
    assert sent("generic", response_format=wanted).get("response_format") == expected


# What is asked: an effort, a budget of tokens, or neither; then the fields that are sent for it.
EFFORTS = ("none", "minimal", "low", "medium", "high", "max")
Control = ReasoningControl
REASONING: list[tuple[str, str, ReasoningControl, dict[str, Any]]] = [
    ("generic", "m", Control("none"), {"reasoning_effort": "none"}),
    ("generic", "m", Control("minimal"), {"reasoning_effort": "low"}),
    ("generic", "m", Control("max"), {"reasoning_effort": "high"}),
    ("generic", "m", Control(max_tokens=500), {"reasoning_effort": "low"}),
    ("generic", "m", Control(max_tokens=8192), {"reasoning_effort": "medium"}),
    ("generic", "m", Control(max_tokens=100_000), {"reasoning_effort": "high"}),
    ("generic", "m", Control(), {}),
    ("openrouter", "m", Control("none"), {"reasoning": {"effort": "none"}}),
    ("openrouter", "m", Control("max"), {"reasoning": {"effort": "max"}}),
    ("openrouter", "m", Control(max_tokens=2000), {"reasoning": {"max_tokens": 2000}}),
    ("openrouter", "m", Control(max_tokens=0), {"reasoning": {"effort": "none"}}),
    ("openrouter", "m", Control(), {"reasoning": {"enabled": True}}),
    ("openrouter", "m", Control("high", summary="auto"), {"reasoning": {"effort": "high", "summary": "auto"}}),
    ("openai", "gpt-5.2", Control("max"), {"reasoning_effort": "xhigh"}),
    ("openai", "gpt-5.2", Control("minimal"), {"reasoning_effort": "low"}),
    ("openai", "gpt-5-nano", Control("minimal"), {"reasoning_effort": "minimal"}),
    ("openai", "gpt-5-nano", Control("none"), {"reasoning_effort": "minimal"}),
    ("openai", "o4-mini", Control("none"), {"reasoning_effort": "low"}),
    ("azure", "o3", Control("max"), {"reasoning_effort": "high"}),
    ("deepseek", "m", Control("none"), {"thinking": {"type": "disabled"}}),
    ("deepseek", "m", Control("medium"), {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
    ("deepseek", "m", Control("minimal"), {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
    ("deepseek", "m", Control("max"), {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
    ("deepseek", "m", Control(), {"thinking": {"type": "enabled"}}),
    ("groq", "deepseek-r1-distill-llama-70b", Control("high"), {"reasoning_format": "parsed"}),
    ("groq", "qwen/qwen3-32b", Control("none"), {"reasoning_format": "parsed", "reasoning_effort": "none"}),
    ("groq", "qwen/qwen3-32b", Control("low"), {"reasoning_format": "parsed", "reasoning_effort": "default"}),
    ("groq", "openai/gpt-oss-120b", Control("max"), {"reasoning_effort": "high"}),
    ("groq", "openai/gpt-oss-120b", Control("none"), {"reasoning_effort": "low"}),
    ("xai", "grok-3-mini", Control("medium"), {"reasoning_effort": "high"}),
    ("xai", "grok-4.3", Control("medium"), {"reasoning_effort": "medium"}),
    ("mistral", "m", Control("low"), {"reasoning_effort": "high"}),
    ("mistral", "m", Control("none"), {"reasoning_effort": "none"}),
    ("together", "m", Control("none"), {"reasoning": {"enabled": False}}),
    ("together", "m", Control("max"), {"reasoning": {"enabled": True}, "reasoning_effort": "high"}),
    ("fireworks", "m", Control(max_tokens=3000), {"reasoning_effort": 3000}),
    ("fireworks", "m", Control("none"), {"reasoning_effort": "none"}),
    ("cerebras", "gpt-oss-120b", Control("none"), {"reasoning_effort": "low"}),
    ("cerebras", "zai-glm-4.7", Control("none"), {"disable_reasoning": True}),
    ("cerebras", "zai-glm-4.7", Control("high"), {"disable_reasoning": False}),
    ("zai", "glm-4.7", Control("high"), {"thinking": {"type": "enabled"}}),
    ("zai", "glm-4.7", Control("none"), {"thinking": {"type": "disabled"}}),
    ("moonshot", "kimi-k2.5", Control("none"), {"thinking": {"type": "disabled"}}),
    ("moonshot", "kimi-k2-thinking", Control("none"), {}),
    ("qwen", "m", Control("none"), {"enable_thinking": False}),
    ("qwen", "m", Control("low"), {"enable_thinking": True, "thinking_budget": 4096}),
    ("qwen", "m", Control("max"), {"enable_thinking": True}),
    ("qwen", "m", Control(max_tokens=77), {"enable_thinking": True, "thinking_budget": 77}),
    ("perplexity", "m", Control("none"), {"reasoning_effort": "minimal"}),
    ("snowflake", "m", Control("low"), {"reasoning": {"effort": "low"}}),
    ("huggingface", "m", Control("high"), {"reasoning_effort": "high"}),
    ("vercel", "m", Control(), {"reasoning": {"enabled": True}}),
    ("venice", "m", Control("none"), {"venice_parameters": {"disable_thinking": True}}),
    ("minimax", "m", Control("none"), {"reasoning_split": True}),
    ("watsonx", "m", Control("high"), {}),
    ("ollama", "m", Control("none"), {"reasoning_effort": "none"}),
    (
        "vllm",
        "m",
        Control("max"),
        {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}, "reasoning_effort": "high"},
    ),
    ("sglang", "m", Control("none"), {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
    (
        "llamacpp",
        "m",
        Control("low"),
        {"chat_template_kwargs": {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}},
    ),
]


@pytest.mark.parametrize(
    ("vendor", "model", "control", "expected"),
    REASONING,
    ids=[f"{vendor}-{model}-{control.effort or control.max_tokens}" for vendor, model, control, _ in REASONING],
)
def test_reasoning_controls(vendor: str, model: str, control: Control, expected: dict[str, Any]) -> None:
    body = sent(vendor, model=model, reasoning=control)
    assert {name: value for name, value in body.items() if name not in sent(vendor)} == expected


@pytest.mark.parametrize("vendor", [row.name for row in (*VENDORS, GENERIC)])
def test_a_request_that_asks_nothing_about_reasoning_says_nothing_about_it(vendor: str) -> None:
    assert set(sent(vendor)) <= {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize("vendor", [row.name for row in (*VENDORS, GENERIC)])
def test_building_a_request_never_changes_the_table(vendor: str) -> None:
    for effort in EFFORTS:
        first = sent(vendor, reasoning=Control(effort))  # type: ignore[arg-type]  # the efforts' own names
        sent(vendor, reasoning=Control("high"))
        sent(vendor, reasoning=Control("none"))
        assert sent(vendor, reasoning=Control(effort)) == first  # type: ignore[arg-type]


def test_a_request_without_reasoning_is_what_a_retry_sends() -> None:
    request = ModelRequest("m-1", (user("Hello"),), reasoning=Control("high"))
    assert json.loads(OPENAI_CHAT.request(endpoint("deepseek"), request.without_reasoning()).body) == sent("deepseek")


def test_what_came_with_a_call_goes_back_with_the_call() -> None:
    """Gemini's signatures, on its OpenAI-compatible face and behind gateways that let them through."""
    state = ReasoningState("it", "m-1", '{"extra_content":[{"google":{"thought_signature":"c2ln"}}]}')
    asked = message("assistant", ToolCall("t-1", "weather", "{}"), ToolCall("t-2", "weather", "{}"), state=state)
    answers = message("tool", ToolResult("t-1", "sunny"), ToolResult("t-2", "wet"))
    calls = sent("generic", user("Hello"), asked, answers)["messages"][1]["tool_calls"]
    assert calls[0]["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert "extra_content" not in calls[1]
    assert "extra_content" not in sent("openai", user("Hello"), asked, answers)["messages"][1]
