"""One line of an answer, typed. Unknown keys are skipped; what the typed reading refuses is read once more, leniently.

A line is a piece of `/api/chat`, the whole of an answer that was not streamed, an error, or a piece of
`/api/generate`, whose text stands in `response` (servers that stand in for Ollama mix the two).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from thinkaloud_server.providers.lenient import read_leniently


class Function(msgspec.Struct, gc=False):
    """`arguments` are an object; kept as they came, for numbers of any size."""

    name: Any = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class Call(msgspec.Struct, gc=False):
    id: Any = None
    function: Function | None = None


class Piece(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Call] | None = None


class Line(msgspec.Struct, gc=False):
    message: Piece | None = None
    done: bool = False
    model: str | None = None
    done_reason: str | None = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None
    response: str | None = None
    thinking: str | None = None


_LINE = msgspec.json.Decoder(Line)


def read_line(data: bytes) -> Line:
    """The line that these bytes are. Raises ValueError for what is no JSON object."""
    try:
        return _LINE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Some proxies make server-sent events of all formats.
        return _read_leniently(data.removeprefix(b"data:"))


def arguments_of(function: Function) -> str:
    """A call's arguments as JSON text; some servers write that text into a string."""
    text = bytes(function.arguments).decode("utf-8", "replace")
    if text[:1] == '"':
        inner = json.loads(text)
        return inner if isinstance(inner, str) else text
    return "" if text == "null" else text


def _read_leniently(data: bytes) -> Line:
    value = read_leniently(data)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no line
    return Line(
        message=_piece(value.get("message")),
        done=value.get("done") is True,
        model=_string(value.get("model")),
        done_reason=_string(value.get("done_reason")),
        prompt_eval_count=value.get("prompt_eval_count"),
        eval_count=value.get("eval_count"),
        error=value.get("error"),
        response=_string(value.get("response")),
        thinking=_string(value.get("thinking")),
    )


def _piece(value: object) -> Piece | None:
    if not isinstance(value, dict):
        return None
    calls = value.get("tool_calls")
    return Piece(
        content=_string(value.get("content")),
        thinking=_string(value.get("thinking")),
        tool_calls=[_call(item) for item in calls if isinstance(item, dict)] if isinstance(calls, list) else None,
    )


def _call(value: dict[str, Any]) -> Call:
    function = value.get("function")
    if not isinstance(function, dict):
        return Call(id=value.get("id"))
    arguments = function.get("arguments")
    raw = msgspec.Raw(json.dumps(arguments, ensure_ascii=False, separators=(",", ":")).encode())
    return Call(id=value.get("id"), function=Function(name=function.get("name"), arguments=raw))


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
