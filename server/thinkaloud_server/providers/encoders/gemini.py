"""gemini: `data:` events with CRLF, each a candidate with new parts; calls come whole, the counts with every event."""

from __future__ import annotations

from collections.abc import Iterable

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.encoding import Encoding, Frames, Json, Name, arguments_of, sse, was_cut, word
from thinkaloud_server.providers.encoders.step import Block, Closed, Done, Event, Failed, Said, Signed

_CRLF = b"\r\n"


def _stream(events: Iterable[Event], name: Name) -> Frames:
    """The signature of thoughts goes with the next part that is none: a call, or an empty text at the end."""
    signature = ""
    for event in events:
        match event:
            case Pause():
                yield event
            case Said(block, text) if block.kind != "call":
                yield _chunk(name, [_text(block, text)])
            case Signed(_, text):
                signature += text
            case Closed(block) if block.kind == "call":
                yield _chunk(name, [_call(block, signature)])
                signature = ""
            case Failed(failure):
                if not was_cut(failure):
                    yield sse(_refusal(failure), newline=_CRLF)
                return
            case Done(_, usage, _):
                last = {"text": "", **({"thoughtSignature": signature} if signature else {})}
                yield _chunk(name, [last], _stop(event), usage)
            case _:
                pass


def _chunk(name: Name, parts: list[Json], finish: str = "", usage: Usage | None = None) -> bytes:
    return sse(_answer(name, parts, finish, usage), newline=_CRLF)


def _answer(name: Name, parts: list[Json], finish: str = "", usage: Usage | None = None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    answer: Json = {"candidates": [candidate]}
    if usage is not None:
        answer["usageMetadata"] = _usage(usage)
    return {**answer, "modelVersion": name.model, "responseId": name.id}


def _text(block: Block, text: str) -> Json:
    return {"text": text, "thought": True} if block.kind == "reasoning" else {"text": text}


def _call(block: Block, signature: str) -> Json:
    call = {"name": block.name, "args": arguments_of(block.text), "id": block.call_id}
    return {"functionCall": call, **({"thoughtSignature": signature} if signature else {})}


def _stop(done: Done) -> str:
    return word(done.finish.reason, "STOP", "MAX_TOKENS", "STOP", "SAFETY")


def _whole(done: Done, name: Name) -> Json:
    first = next(iter(done.calls), None)
    parts = [
        _call(block, done.signature if block is first else "") if block.kind == "call" else _text(block, block.text)
        for block in done.blocks
    ]
    return _answer(name, parts, _stop(done), done.usage)


def _usage(usage: Usage) -> Json:
    """Here thoughts are no part of the candidates."""
    return {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }


_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def _refusal(failure: Failure) -> Json:
    status = failure.status if failure.status >= 400 else 500
    return {"error": {"code": status, "message": failure.message, "status": _STATUSES.get(status, "INTERNAL")}}


GEMINI = Encoding("gemini", "text/event-stream", _stream, _whole, _refusal)
