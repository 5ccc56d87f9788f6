"""Replies and bodies in the openai-chat format, for the fake provider."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fakes.provider import BEFORE_HEAD, Ending, Gate, Reply, json_reply


def error_reply(status: int, message: str, *, headers: tuple[tuple[str, str], ...] = (), **error: Any) -> Reply:
    """An error as openai-chat servers send it; `error` adds fields (type, code, param)."""
    return json_reply({"error": {"message": message, **error}}, status=status, headers=headers)


def listing_reply(*models: str) -> Reply:
    """A model listing as openai-chat servers send it."""
    return json_reply({"object": "list", "data": [{"id": name, "object": "model"} for name in models]})


def chat_reply(
    text: str = "",
    *,
    reasoning: str = "",
    usage: tuple[int, int, int] | None = (10, 5, 0),
    finish: str | None = "stop",
    done: bool = True,
    ending: Ending = "end",
    pace_s: float = 0.0,
    hold: Gate | None = None,
    hold_at: int = BEFORE_HEAD,
) -> Reply:
    """An openai-chat stream, one HTTP chunk a frame. Piece 1 is the role, then one word each."""
    frames = chat_frames(text, reasoning=reasoning, usage=usage, finish=finish, done=done)
    return Reply(tuple(frames), ending=ending, pace_s=pace_s, hold=hold, hold_at=hold_at)


def chat_frames(
    text: str = "",
    *,
    reasoning: str = "",
    usage: tuple[int, int, int] | None = (10, 5, 0),
    finish: str | None = "stop",
    done: bool = True,
    reasoning_field: str = "reasoning_content",
    model: str = "fake-model",
) -> list[bytes]:
    """SSE frames of one openai-chat answer: role, reasoning, text (one frame a word), finish, usage, [DONE].

    `usage` is (prompt, completion, reasoning) tokens; None, like `finish=None` and `done=False`, leaves it out.
    """
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{reasoning_field: word} for word in _words(reasoning)]
    deltas += [{"content": word} for word in _words(text)]
    frames = [_frame(model, [{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if finish is not None:
        frames.append(_frame(model, [{"index": 0, "delta": {}, "finish_reason": finish}]))
    if usage is not None:
        prompt, completion, thought = usage
        counts = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
        frames.append(_frame(model, [], usage=counts))
    if done:
        frames.append(b"data: [DONE]\n\n")
    return frames


def chat_stream(text: str = "", **options: Any) -> bytes:
    """The frames of `chat_frames` joined, to be cut as a test likes."""
    return b"".join(chat_frames(text, **options))


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+\Z", text)


def _frame(model: str, choices: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return b"data: " + json.dumps({**chunk, "choices": choices, **more}).encode() + b"\n\n"
