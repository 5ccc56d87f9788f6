"""The content of a message where formats agree on its shape."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.message import ImagePart, Message, Role, TextPart, ToolCall, ToolResult
from thinkaloud_server.providers.content import content_of, function_call, image_url, parted


def content(*parts: Any, role: str = "user") -> Any:
    return content_of(3, role, parts, text_type="words", image=lambda url: {"type": "picture", "at": url})


def test_text_alone_is_a_string_and_beside_a_picture_a_part() -> None:
    assert content() == ""
    assert content(TextPart("a"), TextPart("b")) == "ab"
    assert content(TextPart("a"), ImagePart(url="https://h/i.png")) == [
        {"type": "words", "text": "a"},
        {"type": "picture", "at": "https://h/i.png"},
    ]


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_a_picture_is_the_users_alone(role: str) -> None:
    with pytest.raises(ChatError, match=rf"messages\[3\]: a message of role {role} cannot hold an image"):
        content(ImagePart(url="https://h/i.png"), role=role)


def test_a_call_is_no_content() -> None:
    with pytest.raises(ChatError, match="cannot hold a tool call"):
        content(ToolCall("c1", "f", "{}"))


def test_a_picture_has_a_url_or_is_made_one_of_its_bytes() -> None:
    assert image_url(0, ImagePart(url="https://h/i.png", data_base64="AA==")) == "https://h/i.png"
    assert image_url(0, ImagePart(data_base64="AA==")) == "data:image/png;base64,AA=="
    assert image_url(0, ImagePart(data_base64="AA==", content_type="image/webp")) == "data:image/webp;base64,AA=="
    with pytest.raises(ChatError, match=r"messages\[7\]: an image needs a URL or data"):
        image_url(7, ImagePart())


def test_a_call_without_arguments_calls_with_an_empty_object() -> None:
    assert function_call(ToolCall("c1", "f", "")) == {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }


RESULT = ToolResult("c1", "17")
TEXT = TextPart("a")


@pytest.mark.parametrize(("role", "parts"), [("user", (RESULT, TEXT)), ("tool", (RESULT,)), ("assistant", (TEXT,))])
def test_results_are_parted_from_the_rest(role: Role, parts: tuple[Any, ...]) -> None:
    results, others = parted(0, Message(role, parts))
    assert results == [part for part in parts if part is RESULT]
    assert others == [part for part in parts if part is TEXT]


@pytest.mark.parametrize(
    ("role", "parts", "problem"),
    [
        ("assistant", (RESULT,), "a message of role assistant cannot hold a tool result"),
        ("system", (RESULT, TEXT), "a message of role system cannot hold a tool result"),
        ("tool", (RESULT, TEXT), "holds tool results and nothing else"),
        ("tool", (), "holds tool results and nothing else"),
    ],
)
def test_a_role_holds_what_it_may(role: Role, parts: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(ChatError, match=rf"messages\[4\]: .*{problem}"):
        parted(4, Message(role, parts))
