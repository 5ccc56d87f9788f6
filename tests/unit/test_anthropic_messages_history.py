"""The messages of a request."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from thinkaloud_server.core.errors import ChatError
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
from thinkaloud_server.providers.anthropic_messages.history import loop_lacks_thoughts, system_text, turns
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

ENDPOINT = Endpoint("it", "https://api.anthropic.com", vendor_named("anthropic"))
MODEL = "claude-sonnet-4-5"
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def message(role: Role, *parts: Part | str, state: ReasoningState | None = None, reasoning: str = "") -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts), reasoning, state)


def wire(*messages: Message) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = json.loads(msgspec.json.encode(turns(ENDPOINT, MODEL, messages)))
    return out


def call(arguments: str = '{"city": "Florence"}', id_: str = "toolu_1") -> ToolCall:
    return ToolCall(id_, "weather", arguments)


def stored(*blocks: dict[str, Any], provider: str = "it", model: str = MODEL) -> ReasoningState:
    return ReasoningState(provider, model, json.dumps({"blocks": blocks}))


def test_what_the_system_says_is_gathered() -> None:
    messages = (
        message("system", "Be brief."),
        message("user", "Hi"),
        message("system", " "),
        message("system", "Rhyme."),
    )
    assert system_text(messages) == "Be brief.\n\nRhyme."
    assert wire(*messages) == [{"role": "user", "content": "Hi"}]
    with pytest.raises(ChatError, match=r"messages\[0\]: a message of role system holds text"):
        system_text((message("system", ImagePart("https://x.example/a.png")),))


def test_turns_alternate() -> None:
    assert wire(message("user", "a"), message("user", "b"), message("assistant", "c"), message("user", "d")) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]


def test_white_space_and_nothing_are_no_text() -> None:
    assert wire(message("user", "a", " \n"), message("assistant", ""), message("user", "b")) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


@pytest.mark.parametrize(
    ("image", "source"),
    [
        (ImagePart("https://x.example/a.png"), {"type": "url", "url": "https://x.example/a.png"}),
        (
            ImagePart(data_base64="aGk=", content_type="image/jpeg"),
            {"type": "base64", "media_type": "image/jpeg", "data": "aGk="},
        ),
        (ImagePart(data_base64="aGk="), {"type": "base64", "media_type": "image/png", "data": "aGk="}),
        (ImagePart("data:image/webp;base64,aGk="), {"type": "base64", "media_type": "image/webp", "data": "aGk="}),
    ],
)
def test_images(image: ImagePart, source: object) -> None:
    content = [{"type": "text", "text": "What?"}, {"type": "image", "source": source}]
    assert wire(message("user", "What?", image)) == [{"role": "user", "content": content}]


def test_calls_and_their_results() -> None:
    history = (
        message("user", "Weather?"),
        message("assistant", "Let me see.", call(), call('{"city":"Pisa"}', "toolu_2")),
        message("tool", ToolResult("toolu_1", "sunny")),
        message("tool", ToolResult("toolu_2", "no such city", is_error=True)),
        message("user", "And?"),
    )
    assert wire(*history)[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Florence"}},
                {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Pisa"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no such city", "is_error": True},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_results_stand_first_in_their_turn() -> None:
    [turn] = wire(message("user", "By the way,", ToolResult("toolu_1", "")))
    assert turn["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1"},
        {"type": "text", "text": "By the way,"},
    ]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        (" ", {}),
        ("{}", {}),
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ('{"city":', {"INVALID_JSON": '{"city":'}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('"Florence"', {"INVALID_JSON": '"Florence"'}),
        ("NaN", {"INVALID_JSON": "NaN"}),
    ],
)
def test_a_call_that_is_no_object_is_handed_back_as_what_it_was(arguments: str, given: object) -> None:
    [turn] = wire(message("assistant", call(arguments)))
    assert turn["content"][0]["input"] == given


def test_arguments_are_passed_on_verbatim() -> None:
    text = '{"b": 1.0, "a": 12345678901234567890}'
    assert text.encode() in msgspec.json.encode(turns(ENDPOINT, MODEL, (message("assistant", call(text)),)))


def test_ids_of_other_providers_are_made_to_fit_alike() -> None:
    history = wire(
        message("assistant", call(id_="functions.weather:0"), call(id_="")),
        message("tool", ToolResult("functions.weather:0", "sunny"), ToolResult("", "x")),
    )
    assert [block["id"] for block in history[0]["content"]] == ["functions_weather_0", "_"]
    assert [block["tool_use_id"] for block in history[1]["content"]] == ["functions_weather_0", "_"]


def test_thoughts_stand_where_they_stood() -> None:
    state = stored(THOUGHT, {"type": "text", "characters": 4}, {"type": "tool_use", "id": "toolu_1"})
    [turn] = wire(message("assistant", "See:", call(), state=state, reasoning="Hm."))
    assert turn["content"] == [
        THOUGHT,
        {"type": "text", "text": "See:"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Florence"}},
    ]


@pytest.mark.parametrize("state", [None, stored(THOUGHT, provider="other"), stored(THOUGHT, model="claude-opus-4-8")])
def test_the_thoughts_of_others_are_never_sent(state: ReasoningState | None) -> None:
    assert wire(message("assistant", "See:", state=state, reasoning="Hm.")) == [
        {"role": "assistant", "content": "See:"}
    ]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (message("assistant", ImagePart("https://x.example/a.png")), "role assistant cannot hold an image"),
        (message("assistant", ToolResult("t", "r")), "role assistant cannot hold a tool result"),
        (message("user", call()), "role user cannot hold a tool call"),
        (message("tool", "hi"), "role tool holds tool results and nothing else"),
        (message("user", ImagePart()), "an image needs a URL or data"),
    ],
)
def test_what_the_format_cannot_carry_is_refused(bad: Message, words: str) -> None:
    with pytest.raises(ChatError, match=words):
        wire(message("user", "Hi"), bad)


CALLS = {"role": "assistant", "content": [{"type": "tool_use"}]}
THINKS = {"role": "assistant", "content": [THOUGHT, {"type": "tool_use"}]}
RESULTS = {"role": "user", "content": [{"type": "tool_result"}]}
RESULTS_AND_TEXT = {"role": "user", "content": [{"type": "tool_result"}, {"type": "text", "text": "And?"}]}
ASKS: dict[str, Any] = {"role": "user", "content": "Weather?"}


@pytest.mark.parametrize(
    ("history", "lacks"),
    [
        ([], False),
        ([ASKS], False),
        ([ASKS, CALLS, RESULTS], True),
        ([ASKS, CALLS, RESULTS_AND_TEXT], True),
        ([ASKS, THINKS, RESULTS], False),
        # Without interleaving the model thinks at the beginning of its turn alone.
        ([ASKS, THINKS, RESULTS, CALLS, RESULTS], False),
        ([ASKS, CALLS, RESULTS, CALLS, RESULTS], True),
        # A turn that is over is none of ours.
        ([ASKS, CALLS, RESULTS, {"role": "assistant", "content": "Sunny."}, ASKS], False),
        ([ASKS, THINKS, RESULTS, {"role": "assistant", "content": "Sunny."}, ASKS, CALLS, RESULTS], True),
        ([ASKS, THINKS, RESULTS_AND_TEXT, CALLS, RESULTS], True),
    ],
)
def test_whether_the_thoughts_of_a_loop_are_lost(history: list[dict[str, Any]], lacks: bool) -> None:
    assert loop_lacks_thoughts(history) is lacks
