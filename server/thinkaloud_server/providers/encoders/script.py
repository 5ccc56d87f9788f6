"""Scripts: what a model is to say, written by hand as TOML or as JSON lines, one step each.

    {"reasoning": "17 times 23. "}            split into about a token a delta; a list is taken as it stands
    {"signature": "EqQBCg=="}                 the seal on the reasoning before it
    {"text": ["It is ", "391."]}
    {"refusal": "I cannot help with that."}
    {"tool_call": {"name": "add", "arguments": {"a": 1}, "id": "call_7"}}
    {"pause": 0.5}                            seconds
    {"usage": {"input": 12, "output": 30, "reasoning": 20, "cached": 4}}
    {"finish": "stop"}                        or length, tool_calls, content_filter
    {"error": {"message": "overloaded", "status": 529}}

The same in TOML is `[[steps]]` tables. A script without `finish` ends by itself, with one without `usage` counted.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from thinkaloud_server.core.delta import (
    Delta,
    Failure,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.demo.wording import pieces
from thinkaloud_server.providers.encoders.step import Signature, Step

PAUSE_S_MAX = 3600.0
_FINISHES: tuple[FinishReason, ...] = ("stop", "length", "tool_calls", "content_filter")
_COUNTS = ("input", "output", "reasoning", "cached")
_REASONS = {401: ErrorReason.UPSTREAM_AUTH, 429: ErrorReason.UPSTREAM_RATE_LIMITED}


def read_script(text: str, *, toml: bool) -> tuple[Step, ...]:
    """The steps of a script. Raises ValueError that says which step is wrong and why."""
    steps: list[Step] = []
    calls = 0
    for place, written in enumerate(_from_toml(text) if toml else _from_lines(text), start=1):
        if not isinstance(written, dict) or len(written) != 1:
            raise ValueError(f"step {place}: expected one of {', '.join(_READERS)} and what it holds")
        ((name, value),) = written.items()
        try:
            if name == "tool_call":
                steps += _tool_call(value, calls)
                calls += 1
            elif name in _READERS:
                steps += _READERS[name](value)
            else:
                raise ValueError(f"unknown step; expected one of {', '.join(_READERS)}")
        except ValueError as error:
            raise ValueError(f"step {place}, {str(name)[:40]}: {error}") from None
    if not steps:
        raise ValueError("a script has at least one step")
    return _counted(steps)


def _from_toml(text: str) -> Sequence[Any]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    steps = tree.pop("steps", [])
    if tree or not isinstance(steps, list):
        raise ValueError("expected [[steps]] and nothing else")
    return steps


def _from_lines(text: str) -> Iterator[Any]:
    for place, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(("#", "//")):
            try:
                yield json.loads(line)
            except ValueError:
                raise ValueError(f"line {place}: not JSON") from None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return pieces(value)
    if isinstance(value, list) and all(isinstance(piece, str) for piece in value):
        return list(value)
    raise ValueError("expected text, or a list of pieces of text")


def _tool_call(value: Any, number: int) -> list[Step]:
    given = _table(value, ("name", "arguments", "id"))
    name, call_id = given.get("name"), given.get("id", f"call_{number}")
    if not isinstance(name, str) or not name or not isinstance(call_id, str):
        raise ValueError("expected a name, and arguments and an id if you like")
    arguments = given.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return [ToolCallDelta(number, call_id, name), *(ToolCallDelta(number, arguments=piece) for piece in pieces(text))]


def _pause(value: Any) -> list[Step]:
    return [Pause(_number(value, PAUSE_S_MAX, "seconds"))]


def _signature(value: Any) -> list[Step]:
    if not isinstance(value, str):
        raise ValueError("expected text")  # noqa: TRY004 - one error for all that is no script
    return [Signature(value)]


def _usage(value: Any) -> list[Step]:
    given = {name: int(_number(count, 1e15, name)) for name, count in _table(value, _COUNTS).items()}
    return [UsageReport(Usage(*(given.get(name, 0) for name in _COUNTS)))]


def _finish(value: Any) -> list[Step]:
    if value not in _FINISHES:
        raise ValueError(f"expected one of {', '.join(_FINISHES)}")
    return [Finish(value)]


def _error(value: Any) -> list[Step]:
    given = {"message": value} if isinstance(value, str) else _table(value, ("message", "status", "retry_after_s"))
    status = int(_number(given.get("status", 500), 599, "status"))
    message = given.get("message", f"status {status}, as scripted")
    if not isinstance(message, str) or status < 400:
        raise ValueError("expected a message, and a status of 400 to 599 if you like")
    retry = given.get("retry_after_s")
    after = None if retry is None else _number(retry, 86_400, "retry_after_s")
    return [Failure(_REASONS.get(status, ErrorReason.UPSTREAM_ERROR), message, status, after)]


def _number(value: Any, most: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{what} must be a number of 0 to {most:g}")
    return value


def _table(value: Any, names: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) - set(names):
        raise ValueError(f"expected {', '.join(names)}")
    return value


_READERS: Mapping[str, Callable[[Any], list[Step]]] = {
    "reasoning": lambda value: [ReasoningDelta(text) for text in _texts(value)],
    "text": lambda value: [TextDelta(text) for text in _texts(value)],
    "refusal": lambda value: [RefusalDelta(text) for text in _texts(value)],
    "tool_call": lambda value: _tool_call(value, 0),
    "signature": _signature,
    "pause": _pause,
    "usage": _usage,
    "finish": _finish,
    "error": _error,
}


def _counted(steps: list[Step]) -> tuple[Step, ...]:
    """With its usage, a piece a token, where nobody said it."""
    if any(isinstance(step, UsageReport | Failure) for step in steps):
        return tuple(steps)
    said = [step for step in steps if isinstance(step, TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta)]
    thought = sum(isinstance(step, ReasoningDelta) for step in said)
    counted: list[Delta] = [UsageReport(Usage(1, len(said), thought))]
    return (*steps, *counted)
