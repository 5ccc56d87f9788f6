"""How a dialect writes an answer: the seam of the encoders, and the two forms of text frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from thinkaloud_server.core.delta import Failure, FinishReason
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.step import Done, Event

Json = dict[str, Any]
Frames = Iterator[bytes | Pause]


@dataclass(frozen=True, slots=True)
class Name:
    """What an answer calls itself; `created` is seconds since the epoch."""

    model: str
    id: str = "fake-1"
    created: int = 0


@dataclass(frozen=True, slots=True)
class Encoding:
    """One dialect: a stream frame by frame, the same answer as one object, and a refusal with a status."""

    dialect: str
    content_type: str
    stream: Callable[[Iterable[Event], Name], Frames]
    whole: Callable[[Done, Name], Json]
    refusal: Callable[[Failure], Json]


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def sse(value: Json, event: str = "", newline: bytes = b"\n") -> bytes:
    """One event; the dialects that name them say the name in its data too."""
    head = b"event: " + event.encode() + newline if event else b""
    return head + b"data: " + dumps(value) + newline * 2


def arguments_of(text: str) -> Any:
    """A call's arguments as the object that some formats want; what is none is {}."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def word(finish: FinishReason, stop: str, length: str, tool_calls: str, content_filter: str) -> str:
    """The dialect's own word for a reason to finish."""
    words = {"stop": stop, "length": length, "tool_calls": tool_calls, "content_filter": content_filter}
    return words[finish]


def was_cut(failure: Failure) -> bool:
    """True for a failure that is no word of the provider's: its stream just stops."""
    return failure.reason == "UPSTREAM_TRUNCATED"


# https://platform.openai.com/docs/guides/error-codes/api-errors, 2026: the type and code of OpenAI's own refusals.
_OPENAI_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def openai_error(failure: Failure) -> Json:
    """An error as both formats of OpenAI write it."""
    kind, code = _OPENAI_ERRORS.get(failure.status, ("server_error", "server_error"))
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}
