"""The history as the input of the Responses format."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

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
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_responses.items import input_items
from thinkaloud_server.providers.table import vendor_named

ENDPOINT = Endpoint("it", "http://provider.example/v1", vendor_named("generic", "openai-responses"))
PNG = ImagePart(data_base64="iVBORw0K", content_type="image/png")


def items(one: Message, number: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(msgspec.json.encode(list(input_items(ENDPOINT, "m-1", number, one))))
    return found


def message(role: Role, *parts: Part, **more: Any) -> Message:
    return Message(role, parts, **more)


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'}

HISTORY: dict[str, tuple[Message, list[dict[str, Any]]]] = {
    "system, where it stands": (message("system", TextPart("Be brief.")), [{"role": "system", "content": "Be brief."}]),
    "texts are one text": (message("user", TextPart("a"), TextPart("b")), [{"role": "user", "content": "ab"}]),
    "image by URL": (
        message("user", TextPart("What?"), ImagePart(url="https://x.example/a.png")),
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What?"},
                    {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
                ],
            }
        ],
    ),
    "image as data": (
        message("user", PNG),
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K", "detail": "auto"},
                ],
            }
        ],
    ),
    "assistant": (message("assistant", TextPart("Hi")), [{"role": "assistant", "content": "Hi"}]),
    "assistant that said nothing": (message("assistant"), [{"role": "assistant", "content": ""}]),
    "assistant that calls": (
        message("assistant", ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "g", "")),
        [CALL, {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"}],
    ),
    "assistant that says and calls": (
        message("assistant", TextPart("Wait"), ToolCall("c1", "f", '{"a": 1}')),
        [{"role": "assistant", "content": "Wait"}, CALL],
    ),
    "tool results": (
        message("tool", ToolResult("c1", "21 °C"), ToolResult("c2", "no such city", is_error=True)),
        [
            {"type": "function_call_output", "call_id": "c1", "output": "21 °C"},
            {"type": "function_call_output", "call_id": "c2", "output": "no such city"},
        ],
    ),
    "a user's results come before the text": (
        message("user", TextPart("And?"), ToolResult("c1", "21 °C")),
        [{"type": "function_call_output", "call_id": "c1", "output": "21 °C"}, {"role": "user", "content": "And?"}],
    ),
}


@pytest.mark.parametrize(("one", "expected"), HISTORY.values(), ids=HISTORY)
def test_messages(one: Message, expected: list[dict[str, Any]]) -> None:
    assert items(one) == expected


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
    with pytest.raises(ChatError, match=r"messages\[7\]") as caught:
        items(wrong, 7)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED


def test_the_readable_reasoning_of_a_message_is_never_sent() -> None:
    assert items(message("assistant", TextPart("4"), reasoning="2 and 2")) == [{"role": "assistant", "content": "4"}]


def test_an_answer_with_its_state_is_sent_as_the_items_that_it_was() -> None:
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "E"}
    call = {"id": "fc_1", "type": "function_call", "call_id": "c1", "status": "completed"}
    state = ReasoningState("it", "m-1", json.dumps({"output": [reasoning, call]}))
    sent = items(message("assistant", ToolCall("c1", "f", '{"a": 1}'), state=state))
    assert sent == [reasoning, {**call, "name": "f", "arguments": '{"a": 1}'}]


def test_an_answer_with_the_state_of_another_is_sent_plainly() -> None:
    state = ReasoningState("other", "m-1", '{"output":[{"type":"reasoning","encrypted_content":"E"}]}')
    assert items(message("assistant", TextPart("4"), state=state)) == [{"role": "assistant", "content": "4"}]
