"""The request of `ollama`: what is sent for what is asked."""

from __future__ import annotations

import json
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
from thinkaloud_server.core.request import (
    EFFORTS,
    ModelInfo,
    ModelRequest,
    ReasoningControl,
    ResponseFormat,
    Sampling,
    Tool,
)
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.ollama import OLLAMA
from thinkaloud_server.providers.table import vendor_named

PNG = ImagePart(data_base64="iVBORw0K", content_type="image/png")
Control = ReasoningControl


def endpoint(base_url: str = "http://127.0.0.1:11434", **more: Any) -> Endpoint:
    return Endpoint("it", base_url, vendor_named("ollama"), **more)


def message(role: Role, *parts: Part, state: ReasoningState | None = None) -> Message:
    return Message(role, parts, state=state)


def user(text: str) -> Message:
    return message("user", TextPart(text))


def sent(*messages: Message, **asked: Any) -> dict[str, Any]:
    """The body of the request."""
    request = ModelRequest(asked.pop("model", "m-1"), messages or (user("Hello"),), **asked)
    body: dict[str, Any] = json.loads(OLLAMA.request(endpoint(), request).body)
    return body


@pytest.mark.parametrize("vector", read_vectors("ollama"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(OLLAMA.request(vector.endpoint, vector.request).body) == vector.sent


def test_the_least_request() -> None:
    assert sent() == {"model": "m-1", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:11434",
        "http://127.0.0.1:11434/",
        "http://127.0.0.1:11434/api",
        "http://127.0.0.1:11434/api/",
        "http://127.0.0.1:11434/api/chat",
    ],
)
def test_method_url_and_headers(base_url: str) -> None:
    request = OLLAMA.request(endpoint(base_url, api_key="k3y"), ModelRequest("m-1", (user("Hello"),)))
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:11434/api/chat")
    assert dict(request.headers) == {
        "accept": "application/x-ndjson",
        "content-type": "application/json",
        "authorization": "Bearer k3y",
    }


def test_a_proxy_may_keep_it_below_a_path_and_a_query() -> None:
    request = OLLAMA.request(endpoint("https://proxy.example/ollama?team=a"), ModelRequest("m-1", (user("Hello"),)))
    assert request.url == "https://proxy.example/ollama/api/chat?team=a"


CALL = message("assistant", ToolCall("c1", "weather", '{"city": "Tokyo"}'))
HISTORY: dict[str, tuple[list[Message], list[dict[str, Any]]]] = {
    "system": ([message("system", TextPart("Be brief."))], [{"role": "system", "content": "Be brief."}]),
    "texts are one text": ([message("user", TextPart("a"), TextPart("b"))], [{"role": "user", "content": "ab"}]),
    "image": (
        [message("user", TextPart("What?"), PNG)],
        [{"role": "user", "content": "What?", "images": ["iVBORw0K"]}],
    ),
    "image in a data URL": (
        [message("user", ImagePart(url="data:image/png;base64,iVBORw0K"))],
        [{"role": "user", "content": "", "images": ["iVBORw0K"]}],
    ),
    "assistant that said nothing": ([message("assistant")], [{"role": "assistant", "content": ""}]),
    "a call and its result": (
        [CALL, message("tool", ToolResult("c1", "21 °C"))],
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Tokyo"}}}],
            },
            {"role": "tool", "content": "21 °C", "tool_name": "weather", "tool_call_id": "c1"},
        ],
    ),
    "a call without arguments": (
        [message("assistant", TextPart("Well:"), ToolCall("c1", "now", ""))],
        [
            {
                "role": "assistant",
                "content": "Well:",
                "tool_calls": [{"id": "c1", "function": {"name": "now", "arguments": {}}}],
            }
        ],
    ),
    "a result of a call that is not there": (
        [message("user", TextPart("And?"), ToolResult("c9", "no such city", is_error=True))],
        [
            {"role": "tool", "content": "no such city", "tool_call_id": "c9"},
            {"role": "user", "content": "And?"},
        ],
    ),
    "thoughts of its own": (
        [message("assistant", TextPart("Hi"), state=ReasoningState("it", "other", '{"thinking":"Hm"}'))],
        [{"role": "assistant", "content": "Hi", "thinking": "Hm"}],
    ),
    "thoughts of another": (
        [message("assistant", TextPart("Hi"), state=ReasoningState("else", "m-1", '{"thinking":"Hm"}'))],
        [{"role": "assistant", "content": "Hi"}],
    ),
    "readable reasoning is not sent": (
        [Message("assistant", (TextPart("Hi"),), reasoning="Hm")],
        [{"role": "assistant", "content": "Hi"}],
    ),
}


@pytest.mark.parametrize("case", HISTORY)
def test_a_history_is_written_as_the_format_wants_it(case: str) -> None:
    messages, wire = HISTORY[case]
    assert sent(*messages)["messages"] == wire


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "image by URL": ({"messages": [message("user", ImagePart(url="https://x.example/a.png"))]}, "by URL"),
    "image of nothing": ({"messages": [message("user", ImagePart())]}, "as data only"),
    "image of the assistant": ({"messages": [message("assistant", PNG)]}, "cannot hold an image"),
    "image of the system": ({"messages": [message("system", PNG)]}, "cannot hold an image"),
    "call of the user": ({"messages": [message("user", ToolCall("c", "f", "{}"))]}, "cannot hold a tool call"),
    "result of the assistant": ({"messages": [message("assistant", ToolResult("c", "x"))]}, "tool result"),
    "text of a tool": ({"messages": [message("tool", TextPart("x"))]}, "nothing else"),
    "arguments that are no object": (
        {"messages": [message("assistant", ToolCall("c", "f", "[1]"))]},
        "must be a JSON object",
    ),
    "a tool must be called": ({"tools": (Tool("f", "", ""),), "tool_choice": "required"}, "only auto and none"),
    "this tool must be called": ({"tools": (Tool("f", "", ""),), "tool_choice": "f"}, "only auto and none"),
    "schema": ({"response_format": ResponseFormat("json_schema", schema="[")}, "must be a JSON object"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_format_cannot_carry_is_refused(case: str) -> None:
    asked, words = dict(REFUSED[case][0]), REFUSED[case][1]
    with pytest.raises(ChatError, match=words) as caught:
        sent(*asked.pop("messages", ()), **asked)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED


def test_sampling_stands_in_the_options() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.5, max_output_tokens=9, stop=("a", "b"), seed=0)
    assert sent(sampling=sampling)["options"] == {
        "temperature": 0.0,
        "top_p": 0.5,
        "num_predict": 9,
        "stop": ["a", "b"],
        "seed": 0,
    }


def test_tools() -> None:
    tools = (Tool("f", "Does", '{"type":"object","properties":{"b":{},"a":{}}}', strict=True), Tool("g", "", ""))
    assert sent(tools=tools)["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "Does",
                "parameters": {"type": "object", "properties": {"b": {}, "a": {}}},
            },
        },
        {
            "type": "function",
            "function": {"name": "g", "description": "", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert "tools" not in sent(tools=tools, tool_choice="none")


def test_the_form_of_the_answer() -> None:
    assert sent(response_format=ResponseFormat("json_object"))["format"] == "json"
    schema = ResponseFormat("json_schema", "it", '{"type":"object"}', strict=True)
    assert sent(response_format=schema)["format"] == {"type": "object"}
    assert "format" not in sent(response_format=ResponseFormat("text"))


LEVELS = ModelInfo("m", "it", reasoning="optional", efforts=("low", "high", "max"), forms=("levels",))
ALWAYS = ModelInfo("m", "it", reasoning="mandatory", efforts=("low", "medium", "high"), forms=("levels",))
SWITCH = ModelInfo("gpt-oss", "it", reasoning="optional", forms=("switch",))
NEVER = ModelInfo("m", "it", reasoning="none")
# model, what is known of it, control, `think`, whether a note says that it was changed
THINK: list[tuple[str, ModelInfo | None, Control, object, bool]] = [
    ("qwen3", None, Control(), True, False),
    ("qwen3", None, Control("high"), True, True),
    ("qwen3", None, Control("none"), False, False),
    ("qwen3", None, Control(max_tokens=2000), True, True),
    ("qwen3", None, Control(max_tokens=0), False, False),
    ("gpt-oss:20b", None, Control(), True, False),
    ("gpt-oss:20b", None, Control("low"), "low", False),
    ("gpt-oss:20b", None, Control("medium"), "medium", False),
    ("gpt-oss:20b", None, Control("none"), "low", True),
    ("gpt-oss:20b", None, Control("max"), "high", False),
    ("gpt-oss:20b", None, Control(max_tokens=20_000), "high", True),
    ("m", LEVELS, Control("none"), False, False),
    ("m", LEVELS, Control("medium"), "low", True),
    ("m", LEVELS, Control("max"), "max", False),
    ("m", LEVELS, Control(), True, False),
    ("m", ALWAYS, Control("none"), "low", True),
    ("m", ALWAYS, Control("max"), "high", False),
    ("gpt-oss:20b", SWITCH, Control("high"), True, True),
    ("m", NEVER, Control("high"), None, True),
    ("m", NEVER, Control("none"), None, False),
]


@pytest.mark.parametrize(
    ("model", "info", "control", "think", "noted"),
    THINK,
    ids=[f"{model}-{info and info.reasoning}-{it.effort or it.max_tokens}" for model, info, it, _, _ in THINK],
)
def test_how_much_to_think(model: str, info: ModelInfo | None, control: Control, think: object, noted: bool) -> None:
    request = ModelRequest(model, (user("Hello"),), reasoning=control, info=info)
    built = OLLAMA.request(endpoint(), request)
    assert json.loads(built.body).get("think") == think
    assert built.reasoning_sent == (think is not None)
    assert bool(built.adjusted) == noted


def test_a_request_that_asks_nothing_about_reasoning_says_nothing_about_it() -> None:
    assert "think" not in sent()
    request = ModelRequest("m-1", (user("Hello"),), reasoning=Control("high"))
    assert json.loads(OLLAMA.request(endpoint(), request.without_reasoning()).body) == sent()


def test_building_a_request_never_changes_the_table() -> None:
    for effort in EFFORTS:
        first = sent(reasoning=Control(effort))
        sent(reasoning=Control("none"))
        sent(reasoning=Control("high"))
        assert sent(reasoning=Control(effort)) == first
