"""The messages of a request: the system's text apart, the others in turns of user and assistant that alternate."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.providers.anthropic_messages.replay import (
    Wire,
    is_thought,
    stored_blocks,
    text_block,
    with_thoughts,
)
from thinkaloud_server.providers.dialect import Endpoint

# Other providers' ids of calls ("functions.weather:0") are refused.
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


def system_text(messages: tuple[Message, ...]) -> str:
    """All that the system says, wherever it stood; the format has one place for it."""
    for number, message in enumerate(messages):
        if message.role == "system" and any(not isinstance(part, TextPart) for part in message.parts):
            raise invalid(f"messages[{number}]", "a message of role system holds text and nothing else")
    texts = [message.text for message in messages if message.role == "system"]
    return "\n\n".join(text for text in texts if text.strip())


def turns(endpoint: Endpoint, model: str, messages: tuple[Message, ...]) -> list[Wire]:
    """The wire's messages. Raises ChatError(VALIDATION_FAILED) for what the format cannot carry."""
    gathered: list[tuple[str, list[Wire]]] = []
    for number, message in enumerate(messages):
        if message.role == "system":
            continue
        if message.role == "assistant":
            role, content = "assistant", _assistant(endpoint, model, number, message)
        else:
            role, content = "user", _user(number, message)
        if content and gathered and gathered[-1][0] == role:
            gathered[-1][1].extend(content)
        elif content:
            gathered.append((role, content))
    return [_turn(role, content) for role, content in gathered]


def loop_lacks_thoughts(messages: list[Wire]) -> bool:
    """Whether results of tools are given back for calls of which the thoughts are lost.

    With a budget of thoughts, Anthropic refuses that: "a final assistant message must start with a thinking block". A
    loop of several calls is one turn of the assistant; without interleaving the model thinks at its beginning alone.
    """
    loop: list[Wire] = []
    for message in reversed(messages):
        kind = "tool_result" if message["role"] == "user" else "tool_use"
        content = message["content"]
        if isinstance(content, str) or not any(block["type"] == kind for block in content):
            break
        if message["role"] == "assistant":
            loop.append(message)
        elif message is not messages[-1] and content[-1]["type"] != "tool_result":
            # Something was said after these results: a turn of its own.
            break
    return bool(loop) and not any(is_thought(message["content"][0]) for message in loop)


def _turn(role: str, content: list[Wire]) -> Wire:
    """Results stand first in a turn, as the format demands; one text alone is a string, which every server reads."""
    content = sorted(content, key=lambda block: block["type"] != "tool_result") if role == "user" else content
    if len(content) == 1 and content[0]["type"] == "text":
        return {"role": role, "content": content[0]["text"]}
    return {"role": role, "content": content}


def _assistant(endpoint: Endpoint, model: str, number: int, message: Message) -> list[Wire]:
    for part in message.parts:
        if isinstance(part, ImagePart | ToolResult):
            kind = "an image" if isinstance(part, ImagePart) else "a tool result"
            raise invalid(f"messages[{number}]", f"a message of role assistant cannot hold {kind}")
    calls = [(part.id, _call(part)) for part in message.parts if isinstance(part, ToolCall)]
    stored = stored_blocks(message.state, endpoint.vendor.replay, endpoint.provider, model)
    return with_thoughts(stored, message.text, calls)


def _call(call: ToolCall) -> Wire:
    return {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": _input(call.arguments)}


def _input(arguments: str) -> msgspec.Raw | dict[str, Any]:
    """The arguments verbatim. A model's call that is no JSON object must not end its conversation: it is handed back
    as Anthropic advises (fine-grained tool streaming), so that the model sees what it wrote."""
    if not arguments.strip():
        return {}
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {"INVALID_JSON": arguments}
    return msgspec.Raw(arguments.encode())


def _user(number: int, message: Message) -> list[Wire]:
    content: list[Wire] = []
    for part in message.parts:
        match part:
            case ToolResult():
                content.append(_result(part))
            case TextPart() if message.role == "user":
                content.extend(text_block(part.text))
            case ImagePart() if message.role == "user":
                content.append({"type": "image", "source": _source(number, part)})
            case _ if message.role == "tool":
                raise invalid(f"messages[{number}]", "a message of role tool holds tool results and nothing else")
            case _:
                raise invalid(f"messages[{number}]", "a message of role user cannot hold a tool call")
    return content


def _result(result: ToolResult) -> Wire:
    wire: Wire = {"type": "tool_result", "tool_use_id": _id(result.id)}
    if result.result:
        wire["content"] = result.result
    if result.is_error:
        wire["is_error"] = True
    return wire


def _source(number: int, image: ImagePart) -> Wire:
    if data := _DATA_URL.fullmatch(image.url):
        return {"type": "base64", "media_type": data[1], "data": data[2]}
    if image.url:
        return {"type": "url", "url": image.url}
    if not image.data_base64:
        raise invalid(f"messages[{number}]", "an image needs a URL or data")
    return {"type": "base64", "media_type": image.content_type or "image/png", "data": image.data_base64}


def _id(text: str) -> str:
    return _NOT_IN_AN_ID.sub("_", text) or "_"
