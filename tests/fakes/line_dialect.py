"""The smallest dialect there is, for tests of what is around dialects: one JSON object a line.

{"text": "…"}, {"finish": "stop"}, {"end": true}, {"error": "…"}; a line that starts with "#" is a comment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, Finish, StreamDecoder, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason, invalid
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest

LINE_BYTES_MAX = 1000


def lines(*values: Mapping[str, Any]) -> bytes:
    """The body of an answer."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


class LineDialect:
    """Satisfies providers.dialect.Dialect. It refuses a request without messages."""

    name = "lines"

    def request(self, endpoint: Endpoint, request: ModelRequest) -> HttpRequest:
        if not request.messages:
            raise invalid("messages", "must not be empty")
        body = json.dumps({"model": request.model, "reasoning": request.reasoning is not None}).encode()
        headers = (("authorization", f"Bearer {endpoint.api_key}"), ("content-type", "application/json"))
        sent = request.reasoning is not None
        return HttpRequest("POST", f"{endpoint.base_url}/chat", headers, body, reasoning_sent=sent)

    def decoder(self, endpoint: Endpoint, request: ModelRequest) -> StreamDecoder:
        return _LineDecoder()

    def failure(
        self, endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
    ) -> Failure:
        reason = ErrorReason.UPSTREAM_AUTH if status == 401 else ErrorReason.UPSTREAM_ERROR
        if status == 200:
            reason = ErrorReason.UPSTREAM_PROTOCOL_ERROR
        hint = headers.get("retry-after")
        return Failure(
            reason,
            body.decode(),
            status=status,
            retry_after_s=float(hint) if hint else None,
            reasoning_refused=reasoning_sent and b"reasoning" in body,
        )

    def listing(self, endpoint: Endpoint) -> HttpRequest:
        return HttpRequest("GET", f"{endpoint.base_url}/models", ())

    def models(self, endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
        return [ModelInfo(name=entry["id"], provider=endpoint.provider) for entry in json.loads(body)["data"]]

    def detail(self, endpoint: Endpoint, model: ModelInfo) -> HttpRequest | None:
        return None

    def detailed(self, endpoint: Endpoint, model: ModelInfo, body: bytes) -> ModelInfo:
        return model


class _LineDecoder:
    def __init__(self) -> None:
        self._buffer = b""
        self._finished = False
        self._ended = False

    def feed(self, data: bytes) -> Sequence[Delta]:
        *whole, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LINE_BYTES_MAX:
            raise ChatError(ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the line is too long")
        deltas: list[Delta] = []
        for line in whole:
            if self._ended or line.startswith(b"#"):
                continue
            deltas.append(self._delta(json.loads(line)))
        return deltas

    def end(self) -> Sequence[Delta]:
        if self._ended:
            return []
        self._ended = True
        if self._finished:
            return [EndOfStream()]
        return [Failure(ErrorReason.UPSTREAM_TRUNCATED, "the stream ended before its end")]

    def _delta(self, value: Mapping[str, Any]) -> Delta:
        match value:
            case {"text": str(text)}:
                return TextDelta(text)
            case {"finish": "stop"}:
                self._finished = True
                return Finish("stop")
            case {"error": str(message)}:
                self._ended = True
                return Failure(ErrorReason.UPSTREAM_ERROR, message)
            case _:
                self._ended = True
                return EndOfStream()
