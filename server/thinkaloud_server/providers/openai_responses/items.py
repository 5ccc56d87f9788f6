"""The history as input items: messages, pictures, calls of tools and their results.

A system message stays where it stands, as an item of its own: `instructions` would hold only one, and only in front.
Plain text is a string, which every server takes; a list of parts only where there is a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, ToolCall
from thinkaloud_server.providers.content import content_of, parted
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_responses.replay import replayed_items


def input_items(endpoint: Endpoint, model: str, number: int, message: Message) -> Iterator[Any]:
    """The items of one message. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    results, others = parted(number, message)
    for result in results:
        yield {"type": "function_call_output", "call_id": result.id, "output": result.result}
    if results and not others:
        return
    if message.role == "assistant":
        yield from _assistant(endpoint, model, number, message)
        return
    yield {
        "role": message.role,
        "content": content_of(number, message.role, others, text_type="input_text", image=_image),
    }


def _assistant(endpoint: Endpoint, model: str, number: int, message: Message) -> Iterator[Any]:
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise invalid(f"messages[{number}]", "a message of role assistant cannot hold an image")
    replayed = replayed_items(endpoint, model, message)
    if replayed is not None:
        yield from replayed
        return
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if message.text or not calls:
        yield {"role": "assistant", "content": message.text}
    for call in calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments or "{}"}


def _image(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, "detail": "auto"}
