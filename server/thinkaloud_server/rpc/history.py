"""InputMessages to messages, with the rules of who may say what: a history that a caller keeps itself, or the results
of tools that a stored conversation waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from thinkaloud.v1 import message_pb2
from thinkaloud_server.core.errors import invalid
from thinkaloud_server.core.message import ROLES, Message, Part, Role, TextPart, ToolCall, ToolResult
from thinkaloud_server.rpc import field

# Which parts a role may have, by their names in the contract.
_PARTS_OF: dict[Role, tuple[str, ...]] = {
    "system": ("text",),
    "user": ("text",),
    "assistant": ("text", "reasoning", "tool_call"),
    "tool": ("tool_result",),
}
_NOT_YET = ("image", "file")


def history_of(messages: Iterable[message_pb2.InputMessage], text_chars: int) -> tuple[Message, ...]:
    """The messages in order; the last one is the question. Raises ChatError with the part's path."""
    called: set[str] = set()
    history = []
    for place, message in enumerate(messages):
        history.append(_message(f"messages[{place}]", message, called, text_chars))
    if history[-1].role not in ("user", "tool"):
        raise invalid(
            f"messages[{len(history) - 1}].role", 'must be "user" or "tool" in the last message, the question'
        )
    return tuple(history)


def results_of(messages: Iterable[message_pb2.InputMessage], text_chars: int) -> Message:
    """The results of tools as one message. Whose calls they answer is for the conversation to say."""
    results: dict[str, ToolResult] = {}
    for place, message in enumerate(messages):
        path = f"messages[{place}]"
        if message.role != "tool":
            raise invalid(
                f"{path}.role", 'must be "tool" together with conversation_id, whose history is stored; else use text'
            )
        for number, part in enumerate(_message(path, message, None, text_chars).parts):
            assert isinstance(part, ToolResult)
            if part.id in results:
                raise invalid(f"{path}.parts[{number}].tool_result.id", "must be answered once")
            results[part.id] = part
    return Message("tool", tuple(results.values()))


def _message(path: str, message: message_pb2.InputMessage, called: set[str] | None, text_chars: int) -> Message:
    role = field.one_of(f"{path}.role", message.role, ROLES)
    if not message.parts:
        raise invalid(f"{path}.parts", "must have at least one part")
    parts: list[Part] = []
    reasoning: list[str] = []
    for place, part in enumerate(message.parts):
        where = f"{path}.parts[{place}]"
        kind = _kind(where, part, role)
        if kind == "reasoning":
            reasoning.append(field.bounded(part.reasoning, f"{where}.reasoning", text_chars))
        elif kind == "text":
            parts.append(TextPart(field.bounded(part.text, f"{where}.text", text_chars)))
        elif kind == "tool_call":
            parts.append(_tool_call(where, part.tool_call, called if called is not None else set()))
        else:
            parts.append(_tool_result(where, part.tool_result, called, text_chars))
    if not any(not isinstance(part, TextPart) or part.text.strip() for part in parts):
        raise invalid(f"{path}.parts", "must say something")
    return Message(role, tuple(parts), "".join(reasoning))


def _kind(where: str, part: message_pb2.Part, role: Role) -> str:
    kind = cast("str | None", part.WhichOneof("part"))
    if kind is None:
        raise invalid(where, "must be a text, image, file, tool_call, tool_result or reasoning")
    if kind in _NOT_YET:
        raise invalid(f"{where}.{kind}", "this server cannot put files or pictures before a model yet; leave it out")
    if kind not in _PARTS_OF[role]:
        allowed = " or ".join(_PARTS_OF[role])
        raise invalid(f"{where}.{kind}", f'cannot be said by the role "{role}", which takes {allowed}')
    return kind


def _tool_call(where: str, call: message_pb2.ToolCall, called: set[str]) -> ToolCall:
    if not call.id:
        raise invalid(f"{where}.tool_call.id", "must not be empty: its result refers to it")
    if not call.name:
        raise invalid(f"{where}.tool_call.name", "must not be empty")
    called.add(field.clean(f"{where}.tool_call.id", call.id))
    field.clean(f"{where}.tool_call.name", call.name)
    return ToolCall(call.id, call.name, field.clean(f"{where}.tool_call.arguments", call.arguments))


def _tool_result(where: str, result: message_pb2.ToolResult, called: set[str] | None, text_chars: int) -> ToolResult:
    if not result.id:
        raise invalid(f"{where}.tool_result.id", "must not be empty")
    field.clean(f"{where}.tool_result.id", result.id)
    if called is not None and result.id not in called:
        raise invalid(f"{where}.tool_result.id", "must be the id of a tool_call in an earlier message")
    said = field.bounded(result.result, f"{where}.tool_result.result", text_chars)
    return ToolResult(result.id, said, result.is_error)
