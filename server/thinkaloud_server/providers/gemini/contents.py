"""Writes the history as `contents` and `systemInstruction`.

There are two roles, and turns must alternate: neighbours of one role become one content. What a tool answered is the
user's. The wire knows calls by name (and by an id only where the model gave one), so each result is given the name of
the call before it that has its id.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.gemini.replay import FOREIGN_SIGNATURE, replayed_parts

# Vertex wants the type of a linked picture; where a URL does not tell, the vendor is left to find out.
_TYPES = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "gif": "gif", "heic": "heic", "heif": "heif"}


def contents_of(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    """`contents` and, where there is one, `systemInstruction`. Raises ChatError for what the format cannot carry."""
    history = _History(endpoint, request)
    for number, message in enumerate(request.messages):
        history.add(number, message)
    if not history.contents:
        raise invalid("messages", "needs a message that is not of role system")
    fields: dict[str, Any] = {"contents": history.contents}
    if history.system:
        fields["systemInstruction"] = {"parts": history.system}
    return fields


class _History:
    def __init__(self, endpoint: Endpoint, request: ModelRequest) -> None:
        self.contents: list[dict[str, Any]] = []
        self.system: list[dict[str, Any]] = []
        self._provider = endpoint.provider
        self._model = request.model
        # The models that are told by level are those that refuse calls without a signature: Gemini 3 and later. Those
        # of Gemma make no signatures.
        row = endpoint.vendor.reasoning_of(request.model, request.info)
        self._validates = row.effort.endswith("thinkingLevel") and "gemma" not in request.model.lower()
        # By the id of a call: its name, and the id that the model itself gave it.
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def add(self, number: int, message: Message) -> None:
        if message.role == "assistant":
            self._append("model", self._assistant(number, message))
        elif message.role == "system":
            self.system += [{"text": text} for text in self._texts(number, message)]
        else:
            self._append("user", self._user(number, message))

    def _append(self, role: str, parts: list[Any]) -> None:
        """A content without parts is refused, so there is none of it."""
        if not parts:
            return
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": parts})

    def _texts(self, number: int, message: Message) -> list[str]:
        if any(not isinstance(part, TextPart) for part in message.parts):
            raise invalid(f"messages[{number}]", "a message of role system holds text and nothing else")
        return [part.text for part in message.parts if isinstance(part, TextPart) and part.text]

    def _user(self, number: int, message: Message) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for part in message.parts:
            match part:
                case ToolResult():
                    parts.append(self._result(number, part))
                case TextPart() if message.role == "user":
                    parts.append({"text": part.text})
                case ImagePart() if message.role == "user":
                    parts.append(_image(number, part))
                case ToolCall():
                    raise invalid(f"messages[{number}]", f"a message of role {message.role} cannot hold a tool call")
                case _:
                    raise invalid(f"messages[{number}]", "a message of role tool holds tool results and nothing else")
        return parts

    def _result(self, number: int, result: ToolResult) -> dict[str, Any]:
        name = self._names.get(result.id)
        if name is None:
            raise invalid(f"messages[{number}]", "a tool result needs the call with its id before it")
        response: dict[str, Any] = {"name": name, "response": _response(result)}
        if call_id := self._ids.get(result.id):
            response["id"] = call_id
        return {"functionResponse": response}

    def _assistant(self, number: int, message: Message) -> list[Any]:
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        if any(isinstance(part, ImagePart | ToolResult) for part in message.parts):
            raise invalid(f"messages[{number}]", "a message of role assistant holds text and tool calls only")
        replayed = replayed_parts(message.state, self._provider, self._model, calls)
        for call in calls:
            # Ids may come again in a later turn: the last call with one counts.
            self._names[call.id] = call.name
            self._ids[call.id] = replayed.ids.get(call.id, "") if replayed is not None else ""
        if replayed is not None:
            return list(replayed.parts)
        parts: list[Any] = []
        for part in message.parts:
            if isinstance(part, TextPart) and part.text:
                parts.append({"text": part.text})
            elif isinstance(part, ToolCall):
                wire: dict[str, Any] = {"functionCall": {"name": part.name, "args": _arguments(part.arguments)}}
                # Of the calls of one step only the first carries a signature.
                if self._validates and part is calls[0]:
                    wire["thoughtSignature"] = FOREIGN_SIGNATURE
                parts.append(wire)
        return parts


def _arguments(text: str) -> Any:
    """The arguments as an object. What some model made of them that is none is kept under a name, not refused."""
    raw = _object(text or "{}")
    return {"arguments": text} if raw is None else raw


def _response(result: ToolResult) -> Any:
    """The names are the API's own: "output" and "error" (FunctionResponse.response). An object speaks for itself."""
    if result.is_error:
        return {"error": result.result}
    raw = _object(result.result)
    return {"output": result.result} if raw is None else raw


def _object(text: str) -> msgspec.Raw | None:
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return None
    return msgspec.Raw(text.encode())


def _image(number: int, image: ImagePart) -> dict[str, Any]:
    if image.url.startswith("data:"):
        head, _, data = image.url[5:].partition(",")
        return {"inlineData": {"mimeType": head.split(";")[0] or "image/png", "data": data}}
    if image.url:
        ending = image.url.partition("?")[0].rpartition(".")[2].lower()
        kind = image.content_type or (f"image/{_TYPES[ending]}" if ending in _TYPES else "")
        return {"fileData": {"fileUri": image.url, "mimeType": kind} if kind else {"fileUri": image.url}}
    if not image.data_base64:
        raise invalid(f"messages[{number}]", "an image needs a URL or data")
    return {"inlineData": {"mimeType": image.content_type or "image/png", "data": image.data_base64}}
