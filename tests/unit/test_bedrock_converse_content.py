"""The messages of `bedrock-converse`: what a history becomes on the wire."""

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
from thinkaloud_server.providers.bedrock_converse.content import wire_id, wire_messages

SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}}


def said(role: Role, *parts: Part | str, state: ReasoningState | None = None) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts), state=state)


def wire(*messages: Message) -> tuple[Any, Any]:
    both = json.loads(msgspec.json.encode(wire_messages("it", "m", messages)))
    return both[0], both[1]


def user(*content: object) -> dict[str, object]:
    return {"role": "user", "content": list(content)}


def assistant(*content: object) -> dict[str, object]:
    return {"role": "assistant", "content": list(content)}


def use(call_id: str, name: str, **arguments: object) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments}}


def result(call_id: str, *content: object, **more: str) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": call_id, "content": list(content), **more}}


HISTORY: dict[str, tuple[list[Message], list[dict[str, Any]]]] = {
    "texts are blocks": ([said("user", "a", "b")], [user({"text": "a"}, {"text": "b"})]),
    "blank texts are left out": ([said("user", "a", " \n"), said("assistant", " ")], [user({"text": "a"})]),
    "roles alternate": (
        [said("user", "a"), said("user", "b"), said("assistant", "c"), said("assistant", "d"), said("user", "e")],
        [user({"text": "a"}, {"text": "b"}), assistant({"text": "c"}, {"text": "d"}), user({"text": "e"})],
    ),
    "an answer without words keeps roles alternating": (
        [said("user", "a"), said("assistant"), said("user", "b")],
        [user({"text": "a"}, {"text": "b"})],
    ),
    "image": (
        [said("user", "What?", ImagePart(data_base64="iVBORw0K", content_type="image/JPG"))],
        [user({"text": "What?"}, {"image": {"format": "jpeg", "source": {"bytes": "iVBORw0K"}}})],
    ),
    "image without a type": (
        [said("user", ImagePart(data_base64="iVBORw0K"))],
        [user({"image": {"format": "png", "source": {"bytes": "iVBORw0K"}}})],
    ),
    "image in a data URL": (
        [said("user", ImagePart(url="data:image/webp;base64,UklG"))],
        [user({"image": {"format": "webp", "source": {"bytes": "UklG"}}})],
    ),
    "calls and their results": (
        [
            said("assistant", "Let me see.", ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "g", "")),
            said("tool", ToolResult("t1", "21 °C")),
            said("tool", ToolResult("t2", "no such city", is_error=True)),
            said("user", "And?"),
        ],
        [
            assistant({"text": "Let me see."}, use("t1", "f", a=1), use("t2", "g")),
            user(
                result("t1", {"text": "21 °C"}),
                result("t2", {"text": "no such city"}, status="error"),
                {"text": "And?"},
            ),
        ],
    ),
    "a user's results come before the text": (
        [said("user", "And?", ToolResult("t1", "x"))],
        [user(result("t1", {"text": "x"}), {"text": "And?"})],
    ),
    "a result of nothing": ([said("tool", ToolResult("t1", ""))], [user(result("t1", {"json": {}}))]),
    "ids of other providers": (
        [said("assistant", ToolCall("functions.f:0", "f", "")), said("tool", ToolResult("functions.f:0", "x"))],
        [assistant(use("functions_f_0", "f")), user(result("functions_f_0", {"text": "x"}))],
    ),
    "thoughts of its own": (
        [said("assistant", "Hi", state=ReasoningState("it", "m", json.dumps([SIGNED, {"text": 2}])))],
        [assistant(SIGNED, {"text": "Hi"})],
    ),
    "thoughts of another model": (
        [said("assistant", "Hi", state=ReasoningState("it", "n", json.dumps([SIGNED, {"text": 2}])))],
        [assistant({"text": "Hi"})],
    ),
    "readable reasoning is not sent": (
        [Message("assistant", (TextPart("Hi"),), reasoning="Hm")],
        [assistant({"text": "Hi"})],
    ),
}


@pytest.mark.parametrize("case", HISTORY)
def test_a_history_is_written_as_the_format_wants_it(case: str) -> None:
    messages, expected = HISTORY[case]
    assert wire(*messages) == (expected, [])


def test_what_the_system_says_stands_apart() -> None:
    messages = [said("system", "Be brief.", " "), said("user", "a"), said("system", "Be kind.")]
    assert wire(*messages) == ([user({"text": "a"})], [{"text": "Be brief."}, {"text": "Be kind."}])


PNG = ImagePart(data_base64="iVBORw0K")
REFUSED: dict[str, tuple[Message, str]] = {
    "image by URL": (said("user", ImagePart(url="https://x.example/a.png")), "not by URL"),
    "image of nothing": (said("user", ImagePart()), "as data only"),
    "image of another form": (said("user", ImagePart(data_base64="x", content_type="image/tiff")), "not image/tiff"),
    "image of the assistant": (said("assistant", PNG), "cannot hold an image"),
    "image of the system": (said("system", PNG), "text and nothing else"),
    "call of the user": (said("user", ToolCall("c", "f", "{}")), "cannot hold a tool call"),
    "result of the assistant": (said("assistant", ToolResult("c", "x")), "cannot hold a tool result"),
    "text of a tool": (said("tool", "x"), "nothing else"),
    "arguments that are no object": (said("assistant", ToolCall("c", "f", "[1]")), "must be a JSON object"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_format_cannot_carry_is_refused(case: str) -> None:
    message, words = REFUSED[case]
    with pytest.raises(ChatError, match=words) as caught:
        wire(said("user", "a"), message)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED


@pytest.mark.parametrize(
    ("call_id", "expected"),
    [
        ("tooluse_KZPBYYUtS72Um-JDI8hTow", "tooluse_KZPBYYUtS72Um-JDI8hTow"),
        ("a.b:c/ü", "a_b_c__"),
        ("x" * 70, "x" * 64),
    ],
)
def test_an_id_is_written_in_the_letters_that_are_taken(call_id: str, expected: str) -> None:
    assert wire_id(call_id) == expected


def test_long_ids_are_told_apart_by_their_ends() -> None:
    assert wire_id("x" * 70 + "1") != wire_id("x" * 70 + "2")
