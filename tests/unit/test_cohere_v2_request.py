"""The request of `cohere-v2`: what is sent for what is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provider_vectors import WEATHER, Vector, read_vectors
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
from thinkaloud_server.providers.cohere_v2 import COHERE_V2
from thinkaloud_server.providers.cohere_v2.replay import payload_of
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.table import vendor_for

COHERE = "https://api.cohere.com"
THINKS = "command-a-reasoning-08-2025"
CALL = ToolCall("call_1", "add", '{"a": 2.50}')
SENT_CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2.50}'}}


def message(role: Role, *parts: Part | str, state: ReasoningState | None = None) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts), state=state)


def request(*messages: Message, base_url: str = COHERE, model: str = "command-a-03-2025", **asked: Any) -> HttpRequest:
    endpoint = Endpoint("it", base_url, vendor_for(base_url, dialect="cohere-v2"), api_key="k3y")
    return COHERE_V2.request(endpoint, ModelRequest(model, messages or (message("user", "Hello"),), **asked))


def body(*messages: Message, **asked: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(request(*messages, **asked).body)
    return value


@pytest.mark.parametrize("vector", read_vectors("cohere-v2"), ids=lambda vector: vector.name)
def test_a_vector_is_asked_for_as_it_says(vector: Vector) -> None:
    assert json.loads(COHERE_V2.request(vector.endpoint, vector.request).body) == vector.sent


def test_the_least_request() -> None:
    assert body() == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (COHERE, f"{COHERE}/v2/chat"),
        (f"{COHERE}/", f"{COHERE}/v2/chat"),
        (f"{COHERE}/v1", f"{COHERE}/v2/chat"),
        (f"{COHERE}/v2/", f"{COHERE}/v2/chat"),
        (f"{COHERE}/v2/chat", f"{COHERE}/v2/chat"),
        ("http://10.0.0.7:8000/cohere", "http://10.0.0.7:8000/cohere/v2/chat"),
    ],
)
def test_method_url_and_headers(base_url: str, url: str) -> None:
    it = request(base_url=base_url)
    assert (it.method, it.url) == ("POST", url)
    assert dict(it.headers) == {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "authorization": "Bearer k3y",
    }


def test_sampling() -> None:
    it = body(sampling=Sampling(temperature=0.0, top_p=0.5, max_output_tokens=10, stop=("a",), seed=7))
    assert {name: it[name] for name in ("temperature", "p", "max_tokens", "stop_sequences", "seed")} == {
        "temperature": 0.0,
        "p": 0.5,
        "max_tokens": 10,
        "stop_sequences": ["a"],
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (ResponseFormat("text"), None),
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema", schema='{"type":"object"}'),
            {"type": "json_object", "json_schema": {"type": "object"}},
        ),
    ],
)
def test_the_form_of_the_answer(form: ResponseFormat, sent: object) -> None:
    assert body(response_format=form).get("response_format") == sent


NOW = Tool("now", "The time", "")
FUNCTION = {"name": "weather", "description": WEATHER.description, "parameters": json.loads(WEATHER.parameters)}


@pytest.mark.parametrize(
    ("choice", "names", "sent"),
    [
        ("", ["weather", "now"], None),
        ("auto", ["weather", "now"], None),
        ("none", ["weather", "now"], "NONE"),
        ("required", ["weather", "now"], "REQUIRED"),
        ("weather", ["weather"], "REQUIRED"),
    ],
)
def test_the_choice_of_tools(choice: str, names: list[str], sent: str | None) -> None:
    it = body(tools=(WEATHER, NOW), tool_choice=choice)
    assert it["tools"][0] == {"type": "function", "function": FUNCTION}
    assert [tool["function"]["name"] for tool in it["tools"]] == names
    assert it.get("tool_choice") == sent
    assert "tool_choice" not in body(tool_choice=choice)


def test_tools_are_strict_when_all_are() -> None:
    strict = replace(WEATHER, strict=True)
    assert body(tools=(strict,))["strict_tools"] is True
    assert "strict_tools" not in body(tools=(strict, NOW))


def test_messages() -> None:
    assert body(
        message("system", "Be ", "brief."),
        message(
            "user", "Look:", ImagePart(data_base64="AAAA", content_type="image/jpeg"), ImagePart(url="https://x/y")
        ),
        message("assistant", "Yes."),
    )["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://x/y"}},
            ],
        },
        {"role": "assistant", "content": "Yes."},
    ]


def test_each_result_is_a_message() -> None:
    assert body(
        message("assistant", CALL, ToolCall("call_2", "now", "")),
        message("tool", ToolResult("call_1", "4"), ToolResult("call_2", "noon")),
        message("user", ToolResult("call_3", "x"), "And?"),
    )["messages"] == [
        {
            "role": "assistant",
            "tool_calls": [
                SENT_CALL,
                {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
        {"role": "tool", "tool_call_id": "call_3", "content": "x"},
        {"role": "user", "content": "And?"},
    ]


STATE = ReasoningState("it", THINKS, payload_of("I will add.", "Add them."))
THOUGHT = {"type": "thinking", "thinking": "Add them."}


@pytest.mark.parametrize(
    ("parts", "state", "sent"),
    [
        ((CALL,), STATE, {"content": [THOUGHT], "tool_plan": "I will add."}),
        (("So.", CALL), STATE, {"content": [THOUGHT, {"type": "text", "text": "So."}], "tool_plan": "I will add."}),
        (
            ("So.", CALL),
            replace(STATE, payload=payload_of("", "Add them.")),
            {"content": [THOUGHT], "tool_plan": "So."},
        ),
        (("So.", CALL), None, {"tool_plan": "So."}),
        (("So.", CALL), replace(STATE, provider="other"), {"tool_plan": "So."}),
        ((CALL,), replace(STATE, model="command-r"), {"tool_plan": "I will add."}),
    ],
)
def test_plan_and_thoughts_go_back_with_the_calls(
    parts: tuple[Part | str, ...], state: ReasoningState | None, sent: dict[str, Any]
) -> None:
    it = body(message("user", "2+2?"), message("assistant", *parts, state=state), model=THINKS)
    assert it["messages"][1] == {"role": "assistant", **sent, "tool_calls": [SENT_CALL]}


def test_without_calls_nothing_of_them_goes_back() -> None:
    it = body(message("assistant", "4", state=STATE), message("user", "Sure?"), model=THINKS)
    assert it["messages"][0] == {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    ("model", "control", "thinking", "notes"),
    [
        (THINKS, None, None, 0),
        (THINKS, ReasoningControl(), {"type": "enabled"}, 0),
        (THINKS, ReasoningControl("none"), {"type": "disabled"}, 0),
        (THINKS, ReasoningControl(max_tokens=0), {"type": "disabled"}, 0),
        (THINKS, ReasoningControl("minimal"), {"type": "enabled", "token_budget": 512}, 0),
        (THINKS, ReasoningControl("low"), {"type": "enabled", "token_budget": 2048}, 0),
        (THINKS, ReasoningControl("medium"), {"type": "enabled", "token_budget": 8192}, 0),
        (THINKS, ReasoningControl("high"), {"type": "enabled"}, 0),
        (THINKS, ReasoningControl("max"), {"type": "enabled"}, 0),
        (THINKS, ReasoningControl(max_tokens=500), {"type": "enabled", "token_budget": 500}, 0),
        ("command-z-2027", ReasoningControl(max_tokens=500), {"type": "enabled", "token_budget": 500}, 0),
        ("command-a-03-2025", None, None, 0),
        ("command-a-03-2025", ReasoningControl("none"), None, 0),
        ("command-a-03-2025", ReasoningControl("high"), None, 1),
        ("command-r-plus", ReasoningControl(max_tokens=500), None, 1),
    ],
)
def test_how_much_to_think(model: str, control: ReasoningControl | None, thinking: object, notes: int) -> None:
    it = request(model=model, reasoning=control)
    assert json.loads(it.body).get("thinking") == thinking
    assert it.reasoning_sent is (thinking is not None)
    assert len(it.adjusted) == notes


@pytest.mark.parametrize(
    "messages",
    [
        (message("user", ImagePart()),),
        (message("user", CALL),),
        (message("tool", "text"),),
        (message("system", ImagePart(url="x")),),
        (message("assistant", ImagePart(url="x")),),
        (message("assistant", ToolResult("call_1", "4")),),
    ],
)
def test_what_the_format_cannot_carry_is_refused(messages: tuple[Message, ...]) -> None:
    with pytest.raises(ChatError) as caught:
        request(*messages)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED


def test_a_choice_that_is_no_tool_and_a_schema_that_is_none_are_refused() -> None:
    with pytest.raises(ChatError, match="not among the tools"):
        request(tools=(NOW,), tool_choice="weather")
    with pytest.raises(ChatError, match="JSON object"):
        request(tools=(replace(NOW, parameters="[1]"),))
