"""Messages as Converse wants them: roles that alternate, no blank texts, tools' results from the user.

Source: botocore, bedrock-runtime 2023-09-30 (ContentBlock), and the refusals of ValidationException.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, Part, TextPart, ToolCall, ToolResult
from thinkaloud_server.providers.bedrock_converse.replay import with_thoughts
from thinkaloud_server.providers.http import json_object

Block = dict[str, Any]
_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_ID_CHARACTERS_MAX = 64
_NOT_OF_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def wire_messages(provider: str, model: str, messages: Sequence[Message]) -> tuple[list[Block], list[Block]]:
    """The `messages` and the `system` of a request. Raises ChatError(VALIDATION_FAILED) for what cannot be carried."""
    system: list[Block] = []
    wire: list[Block] = []
    for number, message in enumerate(messages):
        if message.role == "system":
            system.extend(_system(number, message))
            continue
        role = "assistant" if message.role == "assistant" else "user"
        content = _assistant(provider, model, number, message) if role == "assistant" else _user(number, message)
        if wire and wire[-1]["role"] == role:
            wire[-1]["content"].extend(content)
        elif content:
            wire.append({"role": role, "content": content})
    return wire, system


def _system(number: int, message: Message) -> Iterator[Block]:
    for part in message.parts:
        if not isinstance(part, TextPart):
            raise invalid(f"messages[{number}]", "a message of role system holds text and nothing else")
        if part.text.strip():
            yield {"text": part.text}


def _assistant(provider: str, model: str, number: int, message: Message) -> list[Block]:
    calls: list[tuple[str, Block]] = []
    for part in message.parts:
        match part:
            case TextPart():
                pass
            case ToolCall():
                calls.append((part.id, _tool_use(number, part)))
            case _:
                kind = "an image" if isinstance(part, ImagePart) else "a tool result"
                raise invalid(f"messages[{number}]", f"a message of role assistant cannot hold {kind}")
    return with_thoughts(message.state, provider, model, message.text, calls)


def _tool_use(number: int, call: ToolCall) -> Block:
    arguments = json_object(f"messages[{number}].{call.name}", call.arguments or "{}")
    return {"toolUse": {"toolUseId": wire_id(call.id), "name": call.name, "input": arguments}}


def _user(number: int, message: Message) -> list[Block]:
    """Results first: they answer the message before."""
    others: list[Part] = [part for part in message.parts if not isinstance(part, ToolResult)]
    if message.role == "tool" and others:
        raise invalid(f"messages[{number}]", "a message of role tool holds tool results and nothing else")
    results = [_result(part) for part in message.parts if isinstance(part, ToolResult)]
    return [*results, *(block for part in others for block in _asked(number, part))]


def _asked(number: int, part: Part) -> Iterator[Block]:
    match part:
        case TextPart():
            if part.text.strip():
                yield {"text": part.text}
        case ImagePart():
            yield {"image": _image(number, part)}
        case _:
            raise invalid(f"messages[{number}]", "a message of role user cannot hold a tool call")


def _result(result: ToolResult) -> Block:
    """`status` is known to Claude and Nova alone, so it goes only where it says something."""
    # A blank text is refused, in a result too.
    content: list[Block] = [{"text": result.result}] if result.result.strip() else [{"json": {}}]
    block: Block = {"toolUseId": wire_id(result.id), "content": content}
    if result.is_error:
        block["status"] = "error"
    return {"toolResult": block}


def wire_id(call_id: str) -> str:
    """A call's id in the letters that Bedrock takes; other providers' ids may hold others."""
    return _NOT_OF_AN_ID.sub("_", call_id)[-_ID_CHARACTERS_MAX:]


def _image(number: int, image: ImagePart) -> Block:
    data, content_type = image.data_base64, image.content_type or "image/png"
    if not data and image.url.startswith("data:"):
        content_type, _, data = image.url.removeprefix("data:").partition(";base64,")
    if not data:
        raise invalid(f"messages[{number}]", "Bedrock takes images as data only, not by URL")
    known = _FORMATS.get(content_type.lower())
    if known is None:
        raise invalid(f"messages[{number}]", f"Bedrock takes images as png, jpeg, gif or webp, not {content_type}")
    return {"format": known, "source": {"bytes": data}}
