"""Messages where formats agree: what a role may hold, and content that is text, or parts where there is a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult

Wire = dict[str, Any]
Said = TextPart | ImagePart | ToolCall


def parted(number: int, message: Message) -> tuple[list[ToolResult], list[Said]]:
    """The tool results of message `number`, each of which is a message of its own in these formats, and the rest.

    Raises ChatError where its role may not hold the one, or the other.
    """
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    others = [part for part in message.parts if not isinstance(part, ToolResult)]
    if results and message.role not in ("tool", "user"):
        raise invalid(f"messages[{number}]", f"a message of role {message.role} cannot hold a tool result")
    if message.role == "tool" and (others or not results):
        raise invalid(f"messages[{number}]", "a message of role tool holds tool results and nothing else")
    return results, others


def content_of(
    number: int,
    role: str,
    parts: Sequence[Said],
    *,
    text_type: str,
    image: Callable[[str], Wire],
) -> str | list[Wire]:
    """The parts of message `number`: a string, which every server understands, unless there is a picture.

    `image` makes the part of a picture from its URL. Raises ChatError for what a message of this role cannot hold.
    """
    content: list[Wire] = []
    for part in parts:
        match part:
            case TextPart():
                content.append({"type": text_type, "text": part.text})
            case ImagePart() if role == "user":
                content.append(image(image_url(number, part)))
            case _:
                kind = "an image" if isinstance(part, ImagePart) else "a tool call"
                raise invalid(f"messages[{number}]", f"a message of role {role} cannot hold {kind}")
    if all(item["type"] == text_type for item in content):
        return "".join(item["text"] for item in content)
    return content


def image_url(number: int, image: ImagePart) -> str:
    """The picture's URL, made of its bytes where it has none. Raises ChatError for a picture without either."""
    if image.url:
        return image.url
    if not image.data_base64:
        raise invalid(f"messages[{number}]", "an image needs a URL or data")
    return f"data:{image.content_type or 'image/png'};base64,{image.data_base64}"


def function_call(call: ToolCall) -> Wire:
    """A call as the formats after OpenAI's chat have it, with its arguments as text."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
