"""Gemini as a `Loop`: the first call of each step carries the signature of the thoughts that led to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fakes.provider import Reply, json_reply
from fakes.tool_loops import ANSWER, ROUNDS, Loop, sign, thought


def _parts(content: Any, kind: str) -> list[dict[str, Any]]:
    return [part for part in content["parts"] if kind in part]


def _steps(body: Any) -> list[dict[str, Any]]:
    """The model's contents that call."""
    return [content for content in body["contents"] if content["role"] == "model" and _parts(content, "functionCall")]


def _round(body: Any) -> int:
    contents = body["contents"]
    asked = max(
        place for place, each in enumerate(contents) if each["role"] == "user" and not _parts(each, "functionResponse")
    )
    return len(_steps({"contents": contents[asked:]}))


def _signature(number: int) -> str:
    return sign(f"{thought(number)} {ROUNDS[number]}")


def _said(number: int) -> Iterator[dict[str, Any]]:
    """The parts of a round."""
    yield {"text": thought(number)[:9], "thought": True}
    yield {"text": thought(number)[9:], "thought": True}
    for place, call_id in enumerate(ROUNDS[number]):
        part: dict[str, Any] = {"functionCall": {"id": call_id, "name": "look", "args": {"n": 17}}}
        yield part if place else {**part, "thoughtSignature": _signature(number)}
    if not ROUNDS[number]:
        yield {"text": ANSWER}
        yield {"text": "", "thoughtSignature": _signature(number)}


def _reply(number: int) -> Reply:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 16}
    candidates: list[dict[str, Any]] = [{"content": {"role": "model", "parts": [part]}} for part in _said(number)]
    candidates[-1]["finishReason"] = "STOP"
    chunks = ({"candidates": [each], "usageMetadata": usage, "modelVersion": "m"} for each in candidates)
    return Reply(tuple(f"data: {json.dumps(chunk)}\r\n\r\n".encode() for chunk in chunks))


def _refused(message: str) -> Reply:
    return json_reply({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, status=400)


def _refusal(body: Any) -> Reply | None:
    contents = body["contents"]
    signatures = {_signature(number) for number in range(len(ROUNDS))}
    for place, content in enumerate(contents):
        calls = _parts(content, "functionCall")
        following = contents[place + 1] if place + 1 < len(contents) else {"parts": []}
        answered = [part["functionResponse"].get("id", "") for part in _parts(following, "functionResponse")]
        called = [part["functionCall"].get("id", "") for part in calls]
        if calls and sorted(answered) != sorted(called):
            return _refused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if calls and "thoughtSignature" not in calls[0]:
            name = calls[0]["functionCall"]["name"]
            return _refused(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                f"work correctly. Additional data, function call `default_api:{name}`, position {place + 1}."
            )
        ids = tuple(called)
        expected = _signature(ROUNDS.index(ids)) if ids in ROUNDS and ids else ""
        if calls and calls[0]["thoughtSignature"] != expected:
            return _refused("Thought signature is not valid.")
        if not {part["thoughtSignature"] for part in _parts(content, "thoughtSignature")} <= signatures:
            return _refused("Thought signature is not valid.")
    return None


def _first_call(body: Any) -> dict[str, Any]:
    return _parts(_steps(body)[0], "functionCall")[0]


GEMINI = Loop(
    "gemini",
    "gemini",
    _round,
    _refusal,
    _reply,
    {
        "missing": lambda body: _first_call(body).pop("thoughtSignature"),
        "another signature": lambda body: _first_call(body).update(thoughtSignature=sign("x")),
        "the signature of another step": lambda body: _first_call(body).update(thoughtSignature=_signature(1)),
        "another order": lambda body: _parts(_steps(body)[0], "functionCall") and _steps(body)[0]["parts"].reverse(),
        "a result left out": lambda body: body["contents"][-1]["parts"].pop(),
    },
    tuple(_signature(number) for number in range(len(ROUNDS))),
    model="gemini-2.5-pro",
)
